import type { Query } from '@genledger/platform';
import type { IdRange, LedgerFindings } from './invariants';

interface StreamFault {
  readonly stream_id: string;
  readonly version: number;
  readonly step: number;
  readonly is_earlier: boolean | null;
  readonly is_lower: boolean | null;
  readonly is_strange: boolean | null;
}

const STREAM_FAULTS = `
  select stream_id, version, step, is_earlier, is_lower, is_strange from (
    select e.stream_id, e.version, e.version - coalesce(lag(e.version) over w, 0) as step,
           e.recorded_at < lag(e.recorded_at) over w as is_earlier,
           e.position <= lag(e.position) over w as is_lower,
           e.user_id <> lag(e.user_id) over w as is_strange
      from genledger.events e where e.stream_id > $1 and e.stream_id <= $2
    window w as (partition by e.stream_id order by e.version)) s
   where step <> 1 or is_earlier or is_lower or is_strange`;

/** What holds for every stream, whatever it is about. `streams` is how many there are in the range. */
export async function verifyStreams(
  query: Query,
  { after, upto }: IdRange,
  streams: number,
  findings: LedgerFindings,
): Promise<void> {
  const faults = await query<StreamFault>(STREAM_FAULTS, [after, upto]);
  for (const { stream_id, version, step, is_earlier, is_lower, is_strange } of faults) {
    const at = `version ${version}`;
    if (step !== 1) findings.offends('streams_gapless', stream_id, `${at} follows ${version - step}`);
    if (is_earlier)
      findings.offends('time_never_falls', stream_id, `${at} was recorded before the one before`);
    if (is_lower) findings.offends('positions_ascend', stream_id, `${at} stands before the one before`);
    if (is_strange) findings.offends('streams_have_one_owner', stream_id, `${at} is another user's`);
  }
  for (const name of [
    'streams_gapless',
    'time_never_falls',
    'positions_ascend',
    'streams_have_one_owner',
  ] as const)
    findings.checked(name, streams);
}

interface ContentFault {
  readonly stream_id: string;
  readonly version: number;
  readonly fault: 'no event' | 'missing' | 'altered';
}

const CONTENT_FAULTS = `
  select coalesce(e.stream_id, c.stream_id) as stream_id, coalesce(e.version, c.version) as version,
         case when e.stream_id is null then 'no event' when c.stream_id is null then 'missing' else 'altered' end as fault
    from (select stream_id, version, data ->> 'content_sha256' as sha256 from genledger.events
           where stream_id > $1 and stream_id <= $2 and data ->> 'content_sha256' is not null) e
    full join (select stream_id, version, salt, body from genledger.event_contents
                where stream_id > $1 and stream_id <= $2) c
      on c.stream_id = e.stream_id and c.version = e.version
   where (e.stream_id is null)
      or (c.stream_id is null and not exists (select from genledger.events x
                                               where x.stream_id = e.stream_id and x.type = 'JobContentErased'))
      or encode(sha256(c.salt || convert_to(c.body::text, 'UTF8')), 'hex') <> e.sha256`;

const CONTENT_FAULT_WORDS: Readonly<Record<ContentFault['fault'], string>> = {
  'no event': 'no event has committed to it',
  missing: 'is gone, and no erasure is recorded',
  altered: 'is not what the event has committed to',
};

export async function verifyContents(
  query: Query,
  { after, upto }: IdRange,
  findings: LedgerFindings,
): Promise<void> {
  const [faults, [counted]] = await Promise.all([
    query<ContentFault>(CONTENT_FAULTS, [after, upto]),
    query<{ n: number }>(
      `select count(*) as n from genledger.event_contents where stream_id > $1 and stream_id <= $2`,
      [after, upto],
    ),
  ]);
  for (const { stream_id, version, fault } of faults)
    findings.offends(
      'contents_match',
      stream_id,
      `content of version ${version}: ${CONTENT_FAULT_WORDS[fault]}`,
    );
  findings.checked('contents_match', counted?.n ?? 0);
}
