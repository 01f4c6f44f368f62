import type { Pool } from 'pg';
import { BatchCategory, Committed, jitter, runBatch } from './batch-transaction';
import { CommandRejected, sqlState, StoreUnavailable, verdictOn } from './sqlstate';

/**
 * Group commit: concurrent commands of one process share transactions.
 *
 * While a batch is in flight the next one gathers; there is no timer, and an idle process adds no wait. A batch is one
 * transaction in two round trips: BEGIN, lock and load, take the time | write, COMMIT. A command never fails its
 * neighbours:
 *  - a row that someone else holds is left alone (SKIP LOCKED); its command is tried again in a moment, and then goes to the
 *    side lane, with its stream's others, where it waits for the row for a limited time;
 *  - serialization failures and deadlocks repeat the batch, at most three times, with jitter;
 *  - any other error of the server or of ours (SQLSTATE 22, 23, 54; a text that is no I-JSON) halves the batch until the
 *    culprit is alone and answered;
 *  - a lost answer of COMMIT is resolved by asking a new connection what became of the transaction.
 *
 * Commands of one stream keep their order: a stream that is in flight is not taken up by another batch.
 */
interface Pending<Item, Outcome> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  readonly bulk: boolean;
  /** How often its row was held by someone else. */
  held: number;
}

export interface GroupCommitOptions {
  /** Two keep PostgreSQL busy while this process decides; more only makes smaller batches. */
  readonly lanes?: number;
  /** Called after each commit that wrote events: rings the doorbell. */
  readonly onCommitted?: (position: number) => void;
  /** Replaces the database's clock (tests, synthetic histories). ms since 1970. */
  readonly clock?: () => number;
}

const MAX_ITEMS = 500;
const MAX_BYTES = 1024 * 1024;
/** Below this a batch's fixed cost (about a millisecond and a commit) outweighs what two lanes gain. */
const MIN_SHARE = 16;
/** One bulk call is cut into batches: two of them overlap, one decided here while PostgreSQL writes the other. */
const BULK_LANES = 2;
/** Held rows are waited for here, so a few strangers' locks do not line up behind each other. */
const SIDE_LANES = 4;
/**
 * A claim holds the rows that it looks at for a millisecond or two, whole batches of them: held rows are tried again
 * together this often before each waits in the side lane by itself.
 */
const HELD_RETRIES = 3;
const MAX_REPEATS = 3;
export class GroupCommit<Item, Outcome> {
  private queue: Pending<Item, Outcome>[] = [];
  private bulkQueue: Pending<Item, Outcome>[] = [];
  private sideQueue: Pending<Item, Outcome>[] = [];
  private readonly inFlight = new Map<string, number>();
  private lanesBusy = 0;
  private bulkBusy = 0;
  /** Streams whose rows the side lanes wait for. */
  private readonly waitedFor = new Set<string>();
  private scheduled = false;
  private readonly lanes: number;

  constructor(
    private readonly pool: Pool,
    private readonly category: BatchCategory<Item, unknown, Outcome>,
    private readonly options: GroupCommitOptions = {},
  ) {
    this.lanes = options.lanes ?? 2;
  }

  /** One command among others. Rejects with StoreUnavailable, OutcomeUnknown or CommandRejected. */
  submit(item: Item): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.queue.push({ item, resolve, reject, bulk: false, held: 0 });
      this.schedule();
    });
  }

  /** Many commands of one caller, in a lane of their own: they never stand in front of single ones. */
  submitMany(items: readonly Item[]): Promise<Outcome[]> {
    if (items.length === 0) return Promise.resolve([]);
    // One promise for the call, not one an item.
    return new Promise((resolve, reject) => {
      const outcomes = new Array<Outcome>(items.length);
      let open = items.length;
      items.forEach((item, at) => {
        const settle = (outcome: Outcome): void => {
          outcomes[at] = outcome;
          if (--open === 0) resolve(outcomes);
        };
        this.bulkQueue.push({ item, resolve: settle, reject, bulk: true, held: 0 });
      });
      this.schedule();
    });
  }

  // Callers that are answered together ask again together: wait for all of them, not for any timer.
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.lanesBusy < this.lanes) {
      // Shared out, so that one lane's batch is decided here while PostgreSQL works on the other's.
      const share = Math.max(MIN_SHARE, Math.ceil(this.queue.length / (this.lanes - this.lanesBusy)));
      const batch = this.take(this.queue, (rest) => (this.queue = rest), share);
      if (batch.length === 0) break;
      this.lanesBusy++;
      void this.run(batch, false).finally(() => {
        this.lanesBusy--;
        this.schedule();
      });
    }
    while (this.bulkBusy < BULK_LANES) {
      const batch = this.take(this.bulkQueue, (rest) => (this.bulkQueue = rest));
      if (batch.length === 0) break;
      this.bulkBusy++;
      void this.run(batch, false).finally(() => {
        this.bulkBusy--;
        this.schedule();
      });
    }
    while (this.waitedFor.size < SIDE_LANES) {
      const batch = this.takeHeld();
      if (batch.length === 0) break;
      const stream = this.category.streamOf(batch[0]!.item);
      this.waitedFor.add(stream);
      void this.run(batch, true).finally(() => {
        this.waitedFor.delete(stream);
        this.schedule();
      });
    }
  }

  /** All that wait for one row, in order: they get it, or wait for it in vain, together. */
  private takeHeld(): Pending<Item, Outcome>[] {
    const streamOf = ({ item }: Pending<Item, Outcome>): string => this.category.streamOf(item);
    const next = this.sideQueue.find((pending) => !this.waitedFor.has(streamOf(pending)));
    if (!next) return [];
    const stream = streamOf(next);
    const batch = this.sideQueue.filter((pending) => streamOf(pending) === stream);
    this.sideQueue = this.sideQueue.filter((pending) => streamOf(pending) !== stream);
    return batch;
  }

  /** Takes a batch off a queue. Streams in flight elsewhere stay, and so does what follows them in the same stream. */
  private take(
    queue: Pending<Item, Outcome>[],
    keep: (rest: Pending<Item, Outcome>[]) => void,
    most = MAX_ITEMS,
  ): Pending<Item, Outcome>[] {
    const batch: Pending<Item, Outcome>[] = [];
    const rest: Pending<Item, Outcome>[] = [];
    let bytes = 0;
    let at = 0;
    for (; at < queue.length && batch.length < Math.min(most, MAX_ITEMS); at++) {
      const pending = queue[at]!;
      if (this.inFlight.has(this.category.streamOf(pending.item))) {
        rest.push(pending);
        continue;
      }
      const size = this.category.bytesOf(pending.item);
      if (batch.length > 0 && bytes + size > MAX_BYTES) break;
      bytes += size;
      batch.push(pending);
    }
    if (batch.length > 0) {
      for (; at < queue.length; at++) rest.push(queue[at]!);
      keep(rest);
      for (const { item } of batch) this.enter(this.category.streamOf(item));
    }
    return batch;
  }

  /** In front of what came after them, so that a stream's commands keep their order. */
  private requeue(batch: readonly Pending<Item, Outcome>[]): void {
    for (const { item } of batch) this.leave(this.category.streamOf(item));
    this.queue.unshift(...batch.filter((pending) => !pending.bulk));
    this.bulkQueue.unshift(...batch.filter((pending) => pending.bulk));
    this.schedule();
  }

  private enter(stream: string): void {
    this.inFlight.set(stream, (this.inFlight.get(stream) ?? 0) + 1);
  }

  private leave(stream: string): void {
    const left = (this.inFlight.get(stream) ?? 1) - 1;
    if (left === 0) this.inFlight.delete(stream);
    else this.inFlight.set(stream, left);
  }

  private settle(pending: Pending<Item, Outcome>, how: () => void): void {
    this.leave(this.category.streamOf(pending.item));
    how();
  }

  private async run(
    batch: Pending<Item, Outcome>[],
    alone: boolean,
    repeats = 0,
    sentBefore = false,
  ): Promise<void> {
    let committed: Committed<Outcome>;
    try {
      committed = await runBatch(
        this.pool,
        this.category,
        batch.map((pending) => pending.item),
        { alone, sentBefore },
        this.options.clock,
      );
    } catch (error) {
      const lone = batch.length === 1;
      const verdict = verdictOn(error);
      switch (verdict) {
        case 'repeat':
        case 'disconnected':
          if (repeats >= MAX_REPEATS) return this.fail(batch, new StoreUnavailable(error));
          await jitter(repeats);
          return this.run(batch, alone, repeats + 1, sentBefore || verdict === 'disconnected');
        case 'blocked':
          if (!alone) this.sideQueue.push(...batch);
          else this.block(batch);
          return;
        case 'culprit':
        case 'bug': {
          if (lone) {
            return this.reject(
              batch[0]!,
              verdict === 'bug' ? error : new CommandRejected(sqlState(error) ?? '', error),
            );
          }
          const half = batch.length >> 1;
          await this.run(batch.slice(0, half), alone, 0, sentBefore);
          return this.run(batch.slice(half), alone, 0, sentBefore);
        }
        case 'unavailable':
          return this.fail(batch, new StoreUnavailable(error));
      }
    }
    // Outside of the above: what is committed is never repeated.
    this.answer(batch, committed);
  }

  /** The others of a bulk call are stored: it gets an outcome for this one, where its category has such an outcome. */
  private reject(pending: Pending<Item, Outcome>, error: unknown): void {
    const outcome = pending.bulk ? this.category.rejected?.(pending.item) : undefined;
    this.settle(pending, () => (outcome === undefined ? pending.reject(error) : pending.resolve(outcome)));
  }

  private block(batch: readonly Pending<Item, Outcome>[]): void {
    for (const pending of batch)
      this.settle(pending, () => pending.resolve(this.category.blocked(pending.item)));
  }

  private fail(batch: readonly Pending<Item, Outcome>[], error: unknown): void {
    for (const pending of batch) this.settle(pending, () => pending.reject(error));
  }

  private answer(batch: readonly Pending<Item, Outcome>[], { plan, position }: Committed<Outcome>): void {
    const held = new Set(plan.held);
    const outcomes = plan.answer(position);
    const again: Pending<Item, Outcome>[] = [];
    batch.forEach((pending, index) => {
      if (!held.has(index)) this.settle(pending, () => pending.resolve(outcomes[index]!));
      else if (++pending.held > HELD_RETRIES) this.sideQueue.push(pending);
      else again.push(pending);
    });
    if (again.length > 0) void jitter(0).then(() => this.requeue(again));
    if (plan.writes.length > 0 || plan.wrote) this.options.onCommitted?.(position);
  }
}
