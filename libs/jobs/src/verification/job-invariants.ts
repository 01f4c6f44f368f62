import { isDeepStrictEqual } from 'node:util';
import type { StoredEvent } from '@genledger/event-store';
import type { Query } from '@genledger/platform';
import { accountOf, tallyOf } from '../job-batch-plan';
import { recordedEvent, replayJob, ReplayedJob } from '../read-models/replay';
import type { IdRange, LedgerFindings } from './invariants';
import {
  describeDifference,
  outputDifferences,
  rowDifferences,
  stateDifferences,
  tombstoneDifferences,
} from './job-differences';
import { verifyHistory } from './job-histories';
import { JobRecord, readJobsIn, TalliedEvent } from './job-records';

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
export async function verifyJobs(query: Query, range: IdRange, findings: LedgerFindings): Promise<void> {
  const bounds = [range.after, range.upto];
  const [records, halves, unreleased] = await Promise.all([
    readJobsIn(query, range),
    query<{ id: string; fault: string }>(HALVES, bounds),
    query<{ id: string; status: string; reserved_cents: number }>(UNRELEASED, bounds),
  ]);
  for (const { id, fault } of halves) findings.offends('jobs_equal_replay', id, `the job ${fault}`);
  for (const { id, status, reserved_cents } of unreleased)
    findings.offends('reservations_released', id, `${status}, with ${reserved_cents} cents reserved`);
  findings.checked('reservations_released', records.filter(({ row }) => row).length);

  for (const { id, history } of records) {
    if (history.length === 0) continue;
    verifyHistory(id, history, findings);
    verifyTallies(id, history, findings);
  }
  for (const record of records) {
    const replayed = replay(record.id, record.history, findings);
    if (replayed) verifyReadModels(record, replayed, findings);
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

function verifyReadModels(record: JobRecord, replayed: ReplayedJob, findings: LedgerFindings): void {
  const differences = {
    jobs_equal_replay: [...rowDifferences(record.row, replayed), ...stateDifferences(record.hot, replayed)],
    outputs_equal_replay: outputDifferences(record.outputs, replayed),
    tombstones_equal_replay: tombstoneDifferences(record.tombstone, replayed),
  };
  for (const name of ['jobs_equal_replay', 'outputs_equal_replay', 'tombstones_equal_replay'] as const) {
    const [first] = differences[name];
    if (first) findings.offends(name, record.id, describeDifference(first));
    findings.checked(name, 1);
  }
}
