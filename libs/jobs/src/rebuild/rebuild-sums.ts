import type { Database, Query, ReportProgress } from '@genledger/platform';
import { JOB_FOLD } from '../processes/job-fold';
import { RebuildRun } from './rebuild-run';
import { SUM_DIFFERENCES, SUM_SWAP } from './sums-sql';

export const FOLDED_MODELS = ['job_statistics', 'generation_job_summary'] as const;
export type FoldedModel = (typeof FOLDED_MODELS)[number];

/** A group of a user's that is not the sum of its events. */
export interface SumFinding {
  readonly user_id: string;
  readonly project_id: string | null;
  readonly status: string;
  readonly stored: string;
  readonly folded: string;
}

export interface SumsOptions {
  /** Compares, and leaves the model as it is. */
  readonly check: boolean;
  /** After each piece of the log; what it throws ends the rebuild there, and the next one goes on from there. */
  readonly report?: ReportProgress;
  /** Positions in one transaction. */
  readonly positionsAtOnce?: number;
}

export interface SumsOutcome {
  /** The position that the model stands at, and was compared at. */
  readonly position: number;
  readonly resumedAfter: number;
  /** What differed; mended, unless it was a check. */
  readonly differing: readonly SumFinding[];
}

/** Some hundred milliseconds of work. */
const POSITIONS = 20_000;

/**
 * Adds up the log beside a folded model, and puts the sums in its place where they differ.
 *
 * The shadow follows the model's checkpoint. The last piece, the comparison and the swap are one transaction that holds the
 * checkpoint's row: the projector moves that row in the transaction in which it folds, so it waits, and goes on from the
 * position that the new sums stand at.
 */
export async function rebuildSums(
  database: Database,
  model: FoldedModel,
  { check, report, positionsAtOnce = POSITIONS }: SumsOptions,
): Promise<SumsOutcome> {
  // A check has a shadow of its own.
  const shadow = check ? `${model} (check)` : model;
  const run = await RebuildRun.begin(database, shadow);
  try {
    const resumedAfter = run.start?.done ?? 0;
    let after = resumedAfter;
    for (;;) {
      const total = await run.transaction((query) => checkpoint(query));
      if (total - after <= positionsAtOnce) break;
      const upto = after + positionsAtOnce;
      await run.transaction(async (query) => {
        await query('select genledger.fold_sums($1, $2, $3)', [shadow, after, upto]);
        await run.save({ reached: String(upto), done: upto });
      });
      after = upto;
      report?.({ step: 'positions', done: after, total });
    }
    return await run.transaction(async (query) => {
      const position = await checkpoint(query, 'for update');
      await query('select genledger.fold_sums($1, $2, $3)', [shadow, after, position]);
      const differing = await query<SumFinding>(SUM_DIFFERENCES[model], [shadow]);
      if (!check && differing.length > 0) {
        await query(SUM_SWAP[model].empty);
        await query(SUM_SWAP[model].fill, [shadow]);
      }
      await query('delete from genledger.rebuilt_sums where model = $1', [shadow]);
      await run.finish();
      return { position, resumedAfter, differing };
    });
  } finally {
    await run.release();
  }
}

async function checkpoint(query: Query, lock: '' | 'for update' = ''): Promise<number> {
  const [row] = await query<{ position: number }>(
    `select position from genledger.checkpoints where name = $1 ${lock}`,
    [JOB_FOLD.name],
  );
  return row?.position ?? 0;
}
