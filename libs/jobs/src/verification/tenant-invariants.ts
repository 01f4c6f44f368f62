import type { Query } from '@genledger/platform';
import type { IdRange, LedgerFindings } from './invariants';

interface TenantFault {
  readonly id: string;
  readonly child: string;
  readonly parent: string;
}

/** Child and parent of each reference, by the child's id. Parents that are gone are no fault of tenancy. */
const TENANT_FAULTS = `
  select o.job_id as id, 'output ' || o.position as child, 'job ' || r.id as parent
    from genledger.job_outputs o join genledger.job_requests r on r.id = o.job_id
   where o.job_id > $1 and o.job_id <= $2 and o.user_id <> r.user_id
  union all
  select o.job_id, 'output ' || o.position, 'upload ' || u.id
    from genledger.job_outputs o join genledger.uploads u on u.id = o.upload_id
   where o.job_id > $1 and o.job_id <= $2 and o.user_id <> u.user_id
  union all
  select r.id, 'job', 'project ' || p.id
    from genledger.job_requests r join genledger.projects p on p.id = r.project_id
   where r.id > $1 and r.id <= $2 and r.user_id <> p.user_id
  union all
  select r.id, 'job', 'asset ' || a.id
    from genledger.job_requests r join genledger.assets a on a.id = r.input_asset_id
   where r.id > $1 and r.id <= $2 and r.user_id <> a.user_id
  union all
  select a.id, 'asset', 'project ' || p.id
    from genledger.assets a join genledger.projects p on p.id = a.project_id
   where a.id > $1 and a.id <= $2 and a.user_id <> p.user_id
  union all
  select a.id, 'asset', 'upload ' || u.id
    from genledger.assets a join genledger.uploads u on u.id = a.upload_id
   where a.id > $1 and a.id <= $2 and a.user_id <> u.user_id
  union all
  select c.stream_id, 'content of version ' || c.version, 'event'
    from genledger.event_contents c join genledger.events e on e.stream_id = c.stream_id and e.version = c.version
   where c.stream_id > $1 and c.stream_id <= $2 and c.user_id <> e.user_id`;

/** `streams` is how many there are in the range. */
export async function verifyTenants(
  query: Query,
  { after, upto }: IdRange,
  streams: number,
  findings: LedgerFindings,
): Promise<void> {
  const faults = await query<TenantFault>(TENANT_FAULTS, [after, upto]);
  for (const { id, child, parent } of faults)
    findings.offends('tenants_apart', id, `${child} is one user's, ${parent} another's`);
  findings.checked('tenants_apart', streams);
}
