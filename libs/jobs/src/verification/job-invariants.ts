import { isDeepStrictEqual } from 'node:util';
import { STORED_EVENT_COLUMNS } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import type { Query } from '@genledger/platform';
import type { JobOutput } from '../job-events';
import { accountOf, tallyOf } from '../job-batch-plan';
import { GENERATION_JOB_COLUMNS, GenerationJobRow } from '../read-models/generation-job.entity';
import { recordedEvent, replayJob, ReplayedJob } from '../read-models/replay';
import type { IdRange, LedgerFindings } from './invariants';
import { describeDifference, outputDifferences, rowDifferences } from './job-differences';
import { verifyHistory } from './job-histories';

type TalliedEvent = StoredEvent & {
  readonly scope_id: string | null;
  readonly tally: number[] | null;
  readonly account: string | null;
};

interface Tombstone {
  readonly stream_id: string;
  readonly version: number;
  readonly reason: string;
}

type OutputRow = JobOutput & { readonly job_id: string };

/** Streams of the reserved high range live long and are no jobs: they are not loaded. */
const EVENTS = `select ${STORED_EVENT_COLUMNS}, e.scope_id, e.tally, e.account from genledger.events e
  left join genledger.event_contents c
    on c.stream_id = e.stream_id and c.version = e.version and c.stream_id > $1 and c.stream_id <= $2
 where e.stream_id > $1 and e.stream_id <= $2 and e.stream_id < 'f0000000-0000-0000-0000-000000000000'
 order by e.stream_id, e.version`;

const OUTPUTS = `select job_id, position, upload_id, mime_type, size, sha256, width, height
  from genledger.job_outputs where job_id > $1 and job_id <= $2 order by job_id, position`;

const HALVES = `
  select coalesce(s.id, r.id) as id,
         case when s.id is null then 'has no hot row' when r.id is null then 'has no cold row'
              else 'has a hot and a cold row that disagree' end as fault
    from (select * from genledger.job_states where id > $1 and id <= $2) s
    full join (select * from genledger.job_requests where id > $1 and id <= $2) r on r.id = s.id
   where (s.user_id, s.project_id, s.kind, s.mode, s.input_asset_id)
         is distinct from (r.user_id, r.project_id, r.kind, r.mode, r.input_asset_id)`;

const UNRELEASED = `select id, status, reserved_cents from genledger.job_states
  where id > $1 and id <= $2 and reserved_cents <> 0 and (status in ('succeeded', 'failed', 'canceled') or reserved_cents < 0)`;

/** Folds the histories of a range and holds the read models against them, both ways. */
export async function verifyJobs(
  query: Query,
  { after, upto }: IdRange,
  findings: LedgerFindings,
): Promise<void> {
  const bounds = [after, upto];
  const [events, rows, outputs, tombstones, halves, unreleased] = await Promise.all([
    query<TalliedEvent>(EVENTS, bounds),
    query<GenerationJobRow>(
      `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where id > $1 and id <= $2`,
      bounds,
    ),
    query<OutputRow>(OUTPUTS, bounds),
    query<Tombstone>(
      `select stream_id, version, reason from genledger.ended_streams where stream_id > $1 and stream_id <= $2`,
      bounds,
    ),
    query<{ id: string; fault: string }>(HALVES, bounds),
    query<{ id: string; status: string; reserved_cents: number }>(UNRELEASED, bounds),
  ]);
  for (const { id, fault } of halves) findings.offends('jobs_equal_replay', id, `the job ${fault}`);
  for (const { id, status, reserved_cents } of unreleased)
    findings.offends('reservations_released', id, `${status}, with ${reserved_cents} cents reserved`);
  findings.checked('reservations_released', rows.length);

  const histories = jobHistories(events);
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const outputsOf = groupBy(outputs, (output) => output.job_id);
  const tombstoneOf = new Map(tombstones.map((tombstone) => [tombstone.stream_id, tombstone]));
  for (const [id, history] of histories) {
    verifyHistory(id, history, findings);
    verifyTallies(id, history, findings);
  }
  const known = [...histories.keys(), ...rowOf.keys(), ...outputsOf.keys(), ...tombstoneOf.keys()];
  for (const id of new Set(known)) {
    const replayed = replay(id, histories.get(id) ?? [], findings);
    if (!replayed) continue;
    verifyRow(id, rowOf.get(id) ?? null, replayed, findings);
    verifyOutputs(id, outputsOf.get(id) ?? [], replayed, findings);
    verifyTombstone(id, tombstoneOf.get(id), replayed, findings);
  }
}

/** A history that nobody can fold is a finding, and no end of the verification. */
function replay(id: string, history: readonly StoredEvent[], findings: LedgerFindings): ReplayedJob | null {
  try {
    return replayJob(history);
  } catch (error) {
    findings.offends('jobs_equal_replay', id, `its events cannot be folded: ${(error as Error).message}`);
    return null;
  }
}

function verifyTallies(id: string, history: readonly TalliedEvent[], findings: LedgerFindings): void {
  for (const event of history) {
    const recorded = recordedEvent(event);
    const [tally, scope] = [tallyOf(recorded), recorded.data.project_id];
    // Events from before the column have none: folds ask their data.
    const account = event.account === null ? null : accountOf(recorded);
    if (isDeepStrictEqual(event.tally, tally) && event.scope_id === scope && event.account === account)
      continue;
    const stored = `{${event.tally?.join()}} ${event.scope_id} ${event.account}`;
    const expected = `{${tally.join()}} ${scope} ${account}`;
    findings.offends('tallies_match', id, `version ${event.version} has ${stored}, by its data ${expected}`);
  }
  findings.checked('tallies_match', 1);
}

function jobHistories(events: readonly TalliedEvent[]): Map<string, TalliedEvent[]> {
  const histories = groupBy(events, (event) => event.stream_id);
  for (const [id, history] of histories)
    if (!history.some((event) => event.type.startsWith('Job'))) histories.delete(id);
  return histories;
}

function verifyRow(
  id: string,
  row: GenerationJobRow | null,
  replayed: ReplayedJob,
  findings: LedgerFindings,
): void {
  const [first] = rowDifferences(row, replayed);
  if (first) findings.offends('jobs_equal_replay', id, describeDifference(first));
  findings.checked('jobs_equal_replay', 1);
}

function verifyOutputs(
  id: string,
  rows: readonly OutputRow[],
  replayed: ReplayedJob,
  findings: LedgerFindings,
): void {
  const stored = rows.map(({ job_id: _, ...output }) => output);
  const [first] = outputDifferences(stored, replayed);
  if (first) findings.offends('outputs_equal_replay', id, describeDifference(first));
  findings.checked('outputs_equal_replay', 1);
}

function verifyTombstone(
  id: string,
  tombstone: Tombstone | undefined,
  { state }: ReplayedJob,
  findings: LedgerFindings,
): void {
  const expected = state.status === 'ended' ? `${state.reason} at ${state.version}` : 'none';
  const stored = tombstone ? `${tombstone.reason} at ${tombstone.version}` : 'none';
  if (stored !== expected)
    findings.offends('tombstones_equal_replay', id, `tombstone: ${stored}, by its events ${expected}`);
  findings.checked('tombstones_equal_replay', 1);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
