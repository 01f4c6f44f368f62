import type { PoolClient } from 'pg';
import { BatchCategory, BatchPlan, callOf, EventMeta } from '@genledger/event-store';
import type { JobKind, RequestContent } from './job-events';

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

/** A job in a worker's hands. Whatever it reports names the token; after another start the token is stale. */
export interface WorkItem {
  readonly jobId: string;
  readonly userId: string;
  readonly kind: JobKind;
  readonly attempt: number;
  readonly leaseToken: number;
  readonly effective: Record<string, unknown>;
  readonly content: RequestContent | null;
}

export interface Claimed {
  readonly items: readonly WorkItem[];
  /** Jobs whose deadline had passed: not started, and to be failed. */
  readonly overdue: readonly string[];
  readonly last: ClaimKey | undefined;
}

interface StartedRow {
  readonly id: string;
  readonly user_id: string | null;
  readonly kind: JobKind;
  readonly attempt: number;
  readonly lease_token: number;
  readonly effective: Record<string, unknown>;
  readonly content: RequestContent | null;
  readonly rank: number;
  readonly run_at: string;
}

/**
 * Locks and starts the next due jobs, one statement a request: genledger.start_jobs is the fast path of `start`. Should its
 * answer be lost, the jobs that it started wait for their leases to end.
 */
export class ClaimBatch implements BatchCategory<ClaimRequest, StartedRow[], Claimed> {
  readonly isOneStatement = true;

  streamOf(request: ClaimRequest): string {
    return request.id;
  }

  /** As large as a batch may be: claims never share a transaction, their rows are theirs alone. */
  bytesOf(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  async load(client: PoolClient, [request]: readonly ClaimRequest[]): Promise<StartedRow[]> {
    const { kinds, max, after, workerId, leaseMs, meta } = request!;
    const { rows } = await client.query<StartedRow>(START_JOBS, [
      kinds.length === 1 && kinds[0] === 'external',
      kinds,
      max,
      after.rank,
      after.runAt,
      after.id,
      workerId,
      leaseMs,
      JSON.stringify(meta),
    ]);
    return rows;
  }

  decide(_requests: readonly ClaimRequest[], rows: StartedRow[]): BatchPlan<Claimed> {
    const started = rows.filter((row) => row.user_id !== null);
    const claimed: Claimed = {
      items: started.map((row) => ({
        jobId: row.id,
        userId: row.user_id!,
        kind: row.kind,
        attempt: row.attempt,
        leaseToken: row.lease_token,
        effective: row.effective,
        content: row.content,
      })),
      overdue: rows.filter((row) => row.user_id === null).map((row) => row.id),
      last: rows.reduce<ClaimKey | undefined>((last, row) => later(last, keyOf(row)), undefined),
    };
    return { held: [], writes: [], wrote: started.length > 0, answer: () => [claimed] };
  }

  blocked(): Claimed {
    return { items: [], overdue: [], last: undefined };
  }
}

const START_JOBS = `select id, user_id, kind, attempt, lease_token, effective, content, rank, run_at::text as run_at
  from ${callOf('start_jobs', 9)}`;

function keyOf(row: StartedRow): ClaimKey {
  return { rank: row.rank, runAt: row.run_at, id: row.id };
}

/** The later of two keys in the order of claims. */
export function later(a: ClaimKey | undefined, b: ClaimKey): ClaimKey {
  if (a === undefined || a.runAt === '-infinity') return b;
  if (a.rank !== b.rank) return a.rank > b.rank ? a : b;
  if (a.runAt !== b.runAt) {
    const order = Date.parse(a.runAt) - Date.parse(b.runAt);
    // Within a millisecond the texts differ only in their last digits.
    return order > 0 || (order === 0 && a.runAt > b.runAt) ? a : b;
  }
  return a.id > b.id ? a : b;
}
