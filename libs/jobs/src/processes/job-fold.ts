import type { Pool } from 'pg';
import type { CheckpointOutcome, Fold } from '@genledger/event-store';

/** Statistics, summary and costs: three tables, one pass over the events, one checkpoint. */
export const JOB_FOLD: Fold = {
  name: 'jobs',
  async apply(pool: Pool, expected: number, watermark: number, max: number) {
    const { rows } = await pool.query<{ outcome: CheckpointOutcome; reached: number; folded: number }>(
      `select outcome, reached, folded from genledger.fold_jobs($1, $2, $3)`,
      [expected, watermark, max],
    );
    return rows[0]!;
  },
};
