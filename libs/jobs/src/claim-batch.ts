import type { PoolClient } from 'pg';
import type { BatchCategory, BatchPlan, EventMeta } from '@genledger/event-store';
import { isLive, JobKind, LiveJob } from './job';
import { JobBatchPlan, JobItem, JobOutcome } from './job-batch';
import type { JobHeadRow } from './job-rows';

/** A worker asks for due jobs of some kinds. */
export interface ClaimRequest {
  /** Of this process's; claims of one worker may run side by side. */
  readonly id: string;
  readonly workerId: string;
  readonly kinds: readonly JobKind[];
  readonly max: number;
  readonly leaseMs: number;
  readonly meta: EventMeta;
  readonly after: ClaimKey;
}

/** Where the last claim ended in the order of claims. `runAt` is PostgreSQL's own text, to the microsecond. */
export interface ClaimKey {
  readonly rank: number;
  readonly runAt: string;
  readonly id: string;
}

/** In front of every job. */
export const FIRST_KEY: ClaimKey = {
  rank: -2147483648,
  runAt: '-infinity',
  id: '00000000-0000-0000-0000-000000000000',
};

export interface Lease {
  readonly jobId: string;
  readonly leaseToken: number;
  /** ms since 1970, the database's clock. */
  readonly leaseExpiresAt: number;
  readonly job: LiveJob;
}

export interface Claimed {
  readonly leases: readonly Lease[];
  readonly last: ClaimKey | undefined;
  /** Fewer rows than asked for: the end of the queue was reached. */
  readonly exhausted: boolean;
}

type ClaimedRow = JobHeadRow & { readonly run_at: string };

/** Locks the next due jobs and starts them: one transaction a request, decided like every other command. */
export class ClaimBatch implements BatchCategory<ClaimRequest, ClaimedRow[], Claimed> {
  streamOf(request: ClaimRequest): string {
    return request.id;
  }

  /** As large as a batch may be: claims never share a transaction, their rows are theirs alone. */
  bytesOf(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  async load(client: PoolClient, [request]: readonly ClaimRequest[]): Promise<ClaimedRow[]> {
    const { kinds, max, after } = request!;
    const { rows } = await client.query<ClaimedRow>(
      `select *, run_at::text as run_at from genledger.claim_jobs($1, $2::text[], $3, $4, $5::timestamptz, $6::uuid)`,
      [kinds.length === 1 && kinds[0] === 'external', kinds, max, after.rank, after.runAt, after.id],
    );
    return rows;
  }

  decide([request]: readonly ClaimRequest[], rows: ClaimedRow[], now: number): BatchPlan<Claimed> {
    const { workerId, leaseMs, meta, max } = request!;
    const items = rows.map((row): JobItem => ({
      id: row.id,
      userId: row.user_id,
      meta,
      command: { type: 'start', workerId, leaseMs, actor: { userId: null, role: 'worker' } },
    }));
    const heads = new Map(rows.map((row) => [row.id, row]));
    const plan = new JobBatchPlan({ heads, takenKeys: new Map(), references: new Map() }, now).decide(items);
    const last = rows.at(-1);
    return {
      held: [],
      writes: plan.writes,
      answer: (position) => [
        {
          leases: plan.answer(position).flatMap(leaseOf),
          last: last && { rank: last.rank, runAt: last.run_at, id: last.id },
          exhausted: rows.length < max,
        },
      ],
    };
  }

  blocked(): Claimed {
    return { leases: [], last: undefined, exhausted: true };
  }
}

/** A job whose deadline had passed was failed instead of started: it has no lease. */
function leaseOf(outcome: JobOutcome): Lease[] {
  if (outcome.status !== 'accepted' || !isLive(outcome.job)) return [];
  const { job } = outcome;
  if (job.leaseToken === null || job.leaseExpiresAt === null) return [];
  return [{ jobId: outcome.id, leaseToken: job.leaseToken, leaseExpiresAt: job.leaseExpiresAt, job }];
}
