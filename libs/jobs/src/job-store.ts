import { Inject, Injectable } from '@nestjs/common';
import { Doorbell, EVENT_STORE, GroupCommit, intArray, uuidArray } from '@genledger/event-store';
import type { EventStoreConnection } from '@genledger/event-store';
import { Claimed, ClaimBatch, ClaimKey, ClaimRequest, FIRST_KEY, Lease } from './claim-batch';
import type { JobKind } from './job';
import { JobBatch, JobItem, JobOutcome } from './job-batch';

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
  private readonly claims: GroupCommit<ClaimRequest, Claimed>;
  private readonly cursors = new Map<string, { key: ClaimKey; scannedAt: number }>();
  private readonly pool: EventStoreConnection['pool'];
  private claimCount = 0;

  constructor(@Inject(EVENT_STORE) store: EventStoreConnection, @Inject(Doorbell) doorbell: Doorbell) {
    this.pool = store.pool;
    const options = { onCommitted: () => doorbell.ring() };
    this.jobs = new GroupCommit(store.pool, new JobBatch(), options);
    this.claims = new GroupCommit(store.pool, new ClaimBatch(), { ...options, lanes: 4 });
  }

  submit(item: JobItem): Promise<JobOutcome> {
    return this.jobs.submit(item);
  }

  submitMany(items: readonly JobItem[]): Promise<JobOutcome[]> {
    if (items.length >= BULK_FROM) return this.jobs.submitMany(items);
    return Promise.all(items.map((item) => this.jobs.submit(item)));
  }

  /**
   * Claims due jobs. Resumes after the last key claimed, so that rows that are dead but still seen by an old snapshot
   * are stepped over once a second and not at every claim.
   */
  async claim(request: Omit<ClaimRequest, 'id' | 'after'>): Promise<readonly Lease[]> {
    const leases: Lease[] = [];
    for (const kinds of [request.kinds.filter((kind) => kind !== 'external'), onlyExternal(request.kinds)]) {
      const max = request.max - leases.length;
      if (kinds.length > 0 && max > 0) leases.push(...(await this.claimKinds({ ...request, kinds, max })));
    }
    return leases;
  }

  private async claimKinds(request: Omit<ClaimRequest, 'id' | 'after'>): Promise<readonly Lease[]> {
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
    return claimed.leases;
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
}

function onlyExternal(kinds: readonly JobKind[]): JobKind[] {
  return kinds.includes('external') ? ['external'] : [];
}

function later(a: ClaimKey, b: ClaimKey): ClaimKey {
  if (a.rank !== b.rank) return a.rank > b.rank ? a : b;
  if (a.runAt === '-infinity' || b.runAt === '-infinity') return a.runAt === '-infinity' ? b : a;
  if (a.runAt !== b.runAt) return new Date(a.runAt) > new Date(b.runAt) ? a : b;
  return a.id > b.id ? a : b;
}
