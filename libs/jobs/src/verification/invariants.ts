import { Findings } from '@genledger/platform';
import type { Database, Query } from '@genledger/platform';

/** What must hold in every database, whatever has happened to it. */
export const LEDGER_INVARIANTS = {
  streams_gapless: 'The versions of a stream are 1, 2, 3 … without gaps',
  time_never_falls: 'Within a stream no event was recorded before the one in front of it',
  positions_ascend: 'Within a stream positions rise with versions',
  positions_unique: 'No two events share a position',
  streams_have_one_owner: 'All events of a stream belong to one user',
  histories_legal: 'Each event of a job starts where the one before it ended, and goes where its type may go',
  one_terminal_event: 'A job ends at most once',
  costs_chain:
    'Each cost is the one before plus its delta, no delta is negative, and no reservation outlives the job',
  tallies_match: 'What folds read beside an event is what its data says',
  jobs_equal_replay: 'Every job in the read models is what its events say, and every live history is there',
  outputs_equal_replay: 'The files of every job are those that its events name',
  tombstones_equal_replay: 'Deleted and archived jobs, and no others, have a tombstone at their last version',
  reservations_released: 'A job that has ended reserves nothing',
  contents_match:
    'Every text is the one that its event has committed to; none is missing that was not erased',
  tenants_apart: "No row hangs on another tenant's row",
  costs_equal_events: 'What users have incurred is the sum of the deltas in their events',
  statistics_equal_jobs: 'Statistics are the counts and costs of the jobs that were not deleted',
  summary_equals_jobs: 'The summary is the counts and costs of the jobs that were not deleted',
  checkpoints_settled: 'No checkpoint or tick is ahead of the watermark',
} as const;

export type LedgerInvariant = keyof typeof LEDGER_INVARIANTS;
export type LedgerFindings = Findings<LedgerInvariant>;

/** Ids in (after, upto]. Everything that belongs to a stream lies in the range of its id. */
export interface IdRange {
  readonly after: string;
  readonly upto: string;
}

export const NIL_ID = '00000000-0000-0000-0000-000000000000';
export const MAX_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** One snapshot for several statements. Kept short by its callers: an old snapshot slows every claim. */
export function inSnapshot<T>(database: Database, work: (query: Query) => Promise<T>): Promise<T> {
  return database.transaction(async (query) => {
    await query('set transaction isolation level repeatable read, read only');
    return work(query);
  });
}
