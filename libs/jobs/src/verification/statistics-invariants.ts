import type { Database, Query, ReportProgress } from '@genledger/platform';
import { LedgerFindings, MAX_ID, NIL_ID } from './invariants';

/** Jobs in one statement, the last user's all included. */
const JOBS = 20_000;

interface SumFault {
  readonly user_id: string;
  readonly group_name: string;
  readonly stored: string;
  readonly counted: string;
}

/** Jobs that are listed, and archived ones as their last event left them: archival changes no sum. */
const COUNTED_JOBS = `(
  select id, user_id, project_id, status, cost_cents from genledger.generation_jobs where user_id > $1 and user_id <= $2
  union all
  select t.stream_id, t.user_id, (e.data ->> 'project_id')::uuid, e.data ->> 'to', (e.data ->> 'cost_cents')::int
    from genledger.ended_streams t join genledger.events e on e.stream_id = t.stream_id and e.version = t.version
   where t.reason = 'archived' and t.user_id > $1 and t.user_id <= $2 and e.type = 'JobArchived')`;

/** The time that a UUIDv7 begins with. */
function timeOf(id: string): string {
  return `to_timestamp(('x' || translate(left(${id}, 13), '-', ''))::bit(48)::bigint / 1000.0)`;
}

const STATISTICS_FAULTS = `
  select coalesce(j.user_id, s.user_id) as user_id, coalesce(j.status, s.status) as group_name,
         format('%s jobs, %s cents', coalesce(s.count, 0), coalesce(s.cents, 0)) as stored,
         format('%s jobs, %s cents', coalesce(j.count, 0), coalesce(j.cents, 0)) as counted
    from (select user_id, status, count(*) as count, sum(cost_cents) as cents
            from ${COUNTED_JOBS} counted group by 1, 2) j
    full join (select user_id, status, count, total_cost_cents as cents
                 from genledger.exact_job_statistics where user_id > $1 and user_id <= $2) s
      on s.user_id = j.user_id and s.status = j.status
   where (s.count, s.cents) is distinct from (j.count, j.cents)
  union all
  select user_id, status, format('no jobs, %s cents', total_cost_cents), 'nothing'
    from genledger.job_statistics
   where user_id > $1 and user_id <= $2 and (count < 0 or (count = 0 and total_cost_cents <> 0))`;

/** The summary's times span all jobs that were ever in a group: they may reach beyond those that are there. */
const SUMMARY_FAULTS = `
  select coalesce(j.user_id, s.user_id) as user_id,
         concat(coalesce(j.status, s.status), ' in ', coalesce(coalesce(j.project_id, s.project_id)::text, 'no project')) as group_name,
         format('%s jobs, %s cents, %s to %s', coalesce(s.count, 0), coalesce(s.cents, 0), s.first_at, s.last_at) as stored,
         format('%s jobs, %s cents, %s to %s', coalesce(j.count, 0), coalesce(j.cents, 0), j.first_at, j.last_at) as counted
    from (select user_id, project_id, status, count(*) as count, sum(cost_cents) as cents,
                 ${timeOf('min(id::text)')} as first_at, ${timeOf('max(id::text)')} as last_at
            from ${COUNTED_JOBS} counted group by 1, 2, 3) j
    full join (select user_id, project_id, status, job_count as count, total_cost_cents as cents,
                      first_job_at as first_at, last_job_at as last_at
                 from genledger.exact_job_summary where user_id > $1 and user_id <= $2) s
      on s.user_id = j.user_id and s.status = j.status and coalesce(s.project_id, '${NIL_ID}') = coalesce(j.project_id, '${NIL_ID}')
   where (s.count, s.cents) is distinct from (j.count, j.cents) or not (s.first_at <= j.first_at and s.last_at >= j.last_at)
  union all
  select user_id, concat(status, ' in ', coalesce(project_id::text, 'no project')),
         format('no jobs, %s cents', total_cost_cents), 'nothing'
    from genledger.generation_job_summary
   where user_id > $1 and user_id <= $2 and (job_count < 0 or (job_count = 0 and total_cost_cents <> 0))`;

/** Compares by ranges of users: one statement is one snapshot, in which the folded rows and their tail are exact. */
export async function verifyStatistics(
  database: Database,
  findings: LedgerFindings,
  report: ReportProgress,
): Promise<void> {
  const query: Query = (text, values) => database.write(text, values);
  const [counted] = await query<{ jobs: number }>(`select count(*) as jobs from genledger.job_requests`);
  const total = counted?.jobs ?? 0;
  let done = 0;
  for (let after = NIL_ID; after !== MAX_ID;) {
    const [next] = await query<{ user_id: string }>(
      `select user_id from genledger.job_requests where user_id > $1 order by user_id offset ${JOBS} limit 1`,
      [after],
    );
    const bounds = [after, next?.user_id ?? MAX_ID];
    for (const [name, faults] of [
      ['statistics_equal_jobs', await query<SumFault>(STATISTICS_FAULTS, bounds)],
      ['summary_equals_jobs', await query<SumFault>(SUMMARY_FAULTS, bounds)],
    ] as const) {
      for (const { user_id, group_name, stored, counted: there } of faults)
        findings.offends(name, user_id, `${group_name}: ${stored}; there are ${there}`);
    }
    after = bounds[1]!;
    done = next ? done + JOBS : total;
    report({ step: 'statistics', done, total });
  }
  findings.checked('statistics_equal_jobs', total);
  findings.checked('summary_equals_jobs', total);
}
