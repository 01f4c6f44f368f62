import { Inject, Injectable } from '@nestjs/common';
import { Doorbell, EVENT_STORE, GroupCommit, intArray, uuidArray } from '@genledger/event-store';
import type { EventStoreConnection } from '@genledger/event-store';
import { Claimed, ClaimBatch, ClaimKey, ClaimRequest, FIRST_KEY, later, WorkItem } from './claim-batch';
import type { JobKind } from './job-events';
import { JobBatch } from './job-batch';
import { JobItem, JobOutcome } from './job-item';
import { isPlainQueue, QueueBatch, Queued } from './queue-batch';
import { Succeeded, Success, SuccessBatch } from './success-batch';

/** How often claims look from the front again: a job of a better rank waits at most this long. */
const FULL_SCAN_MS = 1_000;
/** From here on a call gets the bulk lane, so that it does not stand in front of single commands. */
const BULK_FROM = 64;

export interface Renewal {
  readonly id: string;
  readonly lease_expires_at: Date;
  readonly cancel_requested: boolean;
}

export interface ExpiredLease {
  readonly id: string;
  readonly lease_token: number;
}

/** Job streams: every command on a job goes through here, and every claim. */
@Injectable()
export class JobStore {
  private readonly jobs: GroupCommit<JobItem, JobOutcome>;
  private readonly queue: GroupCommit<JobItem, Queued>;
  private readonly claims: GroupCommit<ClaimRequest, Claimed>;
  private readonly successes: GroupCommit<Success, Succeeded>;
  private readonly cursors = new Map<string, { key: ClaimKey; scannedAt: number }>();
  private readonly pool: EventStoreConnection['pool'];
  private claimCount = 0;

  constructor(@Inject(EVENT_STORE) store: EventStoreConnection, @Inject(Doorbell) doorbell: Doorbell) {
    this.pool = store.pool;
    const options = { onCommitted: () => doorbell.ring() };
    this.jobs = new GroupCommit(store.pool, new JobBatch(), options);
    this.queue = new GroupCommit(store.pool, new QueueBatch(), options);
    this.claims = new GroupCommit(store.pool, new ClaimBatch(), { ...options, lanes: 4 });
    this.successes = new GroupCommit(store.pool, new SuccessBatch(), options);
  }

  async submit(item: JobItem): Promise<JobOutcome> {
    if (!isFast(item)) return this.jobs.submit(item);
    return (await this.queue.submit(item)) ?? this.jobs.submit(item);
  }

  /** An outcome an item, in order. */
  async submitMany(items: readonly JobItem[]): Promise<JobOutcome[]> {
    if (items.length < BULK_FROM) return Promise.all(items.map((item) => this.submit(item)));
    if (!items.every(isFast)) return this.jobs.submitMany(items);
    const queued = await this.queue.submitMany(items);
    const left = items.filter((_, at) => queued[at] === null);
    if (left.length === 0) return queued as JobOutcome[];
    const decided = (await this.jobs.submitMany(left)).values();
    return queued.map((outcome) => outcome ?? (decided.next().value as JobOutcome));
  }

  /**
   * Claims due jobs. Resumes after the last key claimed, so that rows that are dead but still seen by an old snapshot
   * are stepped over once a second and not at every claim.
   */
  async claim(request: Omit<ClaimRequest, 'id' | 'after'>): Promise<readonly WorkItem[]> {
    const items: WorkItem[] = [];
    for (const kinds of [request.kinds.filter((kind) => kind !== 'external'), onlyExternal(request.kinds)]) {
      const max = request.max - items.length;
      if (kinds.length > 0 && max > 0) items.push(...(await this.claimKinds({ ...request, kinds, max })));
    }
    return items;
  }

  /**
   * Records good results. Those that the fast path does not take (stale tokens, repeated results, held rows, outputs that
   * are not the owner's) are decided like every other command. An outcome a result, in order.
   */
  async succeedMany(successes: readonly Success[]): Promise<JobOutcome[]> {
    const ended = await (successes.length >= BULK_FROM
      ? this.successes.submitMany(successes)
      : Promise.all(successes.map((success) => this.successes.submit(success))));
    return Promise.all(
      successes.map(async (success, at): Promise<JobOutcome> => {
        const { id, meta, leaseToken, outputs, outputErrors, costCents } = success;
        const done = ended[at];
        if (done) return { status: 'accepted', id, job: null, ...done };
        const actor = { userId: null, role: 'worker' } as const;
        const command = { type: 'succeed', actor, leaseToken, outputs, outputErrors, costCents } as const;
        return this.submit({ id, userId: '', meta, command });
      }),
    );
  }

  private async claimKinds(request: Omit<ClaimRequest, 'id' | 'after'>): Promise<readonly WorkItem[]> {
    const name = [...request.kinds].sort().join();
    const cursor = this.cursors.get(name) ?? { key: FIRST_KEY, scannedAt: 0 };
    this.cursors.set(name, cursor);
    const now = Date.now();
    if (now - cursor.scannedAt >= FULL_SCAN_MS) {
      cursor.key = FIRST_KEY;
      cursor.scannedAt = now;
    }
    const claimed = await this.claims.submit({
      ...request,
      id: `claim-${++this.claimCount}`,
      after: cursor.key,
    });
    if (claimed.last) cursor.key = later(cursor.key, claimed.last);
    const command = { type: 'miss_deadline', actor: { userId: null, role: 'system' } } as const;
    await this.submitMany(
      claimed.overdue.map((id) => ({ id, userId: '', meta: { actor: 'system' }, command })),
    );
    return claimed.items;
  }

  /** Leases whose tokens still hold, with their new ends. The others are lost. */
  async renewLeases(
    leases: readonly { jobId: string; leaseToken: number }[],
    leaseMs: number,
  ): Promise<Renewal[]> {
    const { rows } = await this.pool.query<Renewal>(
      `select id, lease_expires_at, cancel_requested from genledger.renew_leases($1::uuid[], $2::int[], $3)`,
      [
        uuidArray(leases.map((lease) => lease.jobId)),
        intArray(leases.map((lease) => lease.leaseToken)),
        leaseMs,
      ],
    );
    return rows;
  }

  async expiredLeases(max: number): Promise<ExpiredLease[]> {
    const { rows } = await this.pool.query<ExpiredLease>(
      `select id, lease_token from genledger.expired_leases($1)`,
      [max],
    );
    return rows;
  }

  /** Queued jobs whose deadline has passed. */
  async overdueJobs(max: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(`select id from genledger.overdue_jobs($1)`, [
      max,
    ]);
    return rows.map(({ id }) => id);
  }
}

/** The fast path takes the database's time and no other. */
function isFast(item: JobItem): boolean {
  return item.at === undefined && isPlainQueue(item);
}

function onlyExternal(kinds: readonly JobKind[]): JobKind[] {
  return kinds.includes('external') ? ['external'] : [];
}
