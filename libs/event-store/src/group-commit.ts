import type { Pool, PoolClient, QueryResult } from 'pg';
import { CommandRejected, OutcomeUnknown, sqlState, StoreUnavailable, verdictOn } from './sqlstate';

/**
 * Group commit: concurrent commands of one process share transactions.
 *
 * While a batch is in flight the next one gathers; there is no timer, and an idle process adds no wait. A batch is one
 * transaction in two round trips: BEGIN, lock and load, take the time | write, COMMIT. A command never fails its
 * neighbours:
 *  - a row that someone else holds is left alone (SKIP LOCKED); its command is tried again in a moment, and then goes to the
 *    side lane, by itself, where it waits for the row for a limited time;
 *  - serialization failures and deadlocks repeat the batch, at most three times, with jitter;
 *  - any other error of the server or of ours (SQLSTATE 22, 23, 54; a text that is no I-JSON) halves the batch until the
 *    culprit is alone and answered;
 *  - a lost answer of COMMIT is resolved by asking a new connection what became of the transaction.
 *
 * Commands of one stream keep their order: a stream that is in flight is not taken up by another batch.
 */
export interface BatchCategory<Item, Loaded, Outcome> {
  /** The stream whose head the item locks. */
  streamOf(item: Item): string;
  /** Roughly what the item adds to the statements. */
  bytesOf(item: Item): number;
  /** Sends its statements at once, without waiting in between. `alone`: wait for held rows (they have a lock_timeout). */
  load(client: PoolClient, items: readonly Item[], alone: boolean): Promise<Loaded>;
  /** Decides in memory. `now` is the database's clock in ms, read after the locks. */
  decide(items: readonly Item[], loaded: Loaded, now: number): BatchPlan<Outcome>;
  /** The answer to an item that waited for its row in vain. */
  blocked(item: Item): Outcome;
}

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

export interface BatchPlan<Outcome> {
  /** Indexes of items whose rows someone else holds. They are answered later, alone. */
  readonly held: readonly number[];
  readonly writes: readonly Statement[];
  /** Whether `load` itself wrote (a fast path that needs no decision here). */
  readonly wrote?: boolean;
  /** One outcome an item (held ones are ignored). `position`: at or above the batch's last event. */
  answer(position: number): readonly Outcome[];
}

interface Pending<Item, Outcome> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  readonly bulk: boolean;
  /** How often its row was held by someone else. */
  held: number;
}

interface Committed<Outcome> {
  readonly plan: BatchPlan<Outcome>;
  readonly position: number;
}

export interface GroupCommitOptions {
  /** Two keep PostgreSQL busy while this process decides; more only makes smaller batches (measured: ADR 1). */
  readonly lanes?: number;
  /** Called after each commit that wrote events: rings the doorbell. */
  readonly onCommitted?: (position: number) => void;
  /** Replaces the database's clock (tests, synthetic histories). ms since 1970. */
  readonly clock?: () => number;
}

const MAX_ITEMS = 500;
const MAX_BYTES = 1024 * 1024;
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
/** How long a lost COMMIT is enquired after: longer than a restart of PostgreSQL takes (1-3 s measured). */
const RESOLVE_MS = 15_000;

const STAMP = `select pg_current_xact_id()::text as xid, floor(date_part('epoch', clock_timestamp()) * 1000) as now`;

export class GroupCommit<Item, Outcome> {
  private queue: Pending<Item, Outcome>[] = [];
  private bulkQueue: Pending<Item, Outcome>[] = [];
  private readonly sideQueue: Pending<Item, Outcome>[] = [];
  private readonly inFlight = new Map<string, number>();
  private lanesBusy = 0;
  private bulkBusy = 0;
  private sideBusy = 0;
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
    const outcomes = items.map(
      (item) =>
        new Promise<Outcome>((resolve, reject) => {
          this.bulkQueue.push({ item, resolve, reject, bulk: true, held: 0 });
        }),
    );
    this.schedule();
    return Promise.all(outcomes);
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
      const batch = this.take(this.queue, (rest) => (this.queue = rest));
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
    while (this.sideBusy < SIDE_LANES) {
      const next = this.sideQueue.shift();
      if (!next) break;
      this.sideBusy++;
      void this.run([next], true).finally(() => {
        this.sideBusy--;
        this.schedule();
      });
    }
  }

  /** Takes a batch off a queue. Streams in flight elsewhere stay, and so does what follows them in the same stream. */
  private take(
    queue: Pending<Item, Outcome>[],
    keep: (rest: Pending<Item, Outcome>[]) => void,
  ): Pending<Item, Outcome>[] {
    const batch: Pending<Item, Outcome>[] = [];
    const rest: Pending<Item, Outcome>[] = [];
    let bytes = 0;
    let at = 0;
    for (; at < queue.length && batch.length < MAX_ITEMS; at++) {
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

  private async run(batch: Pending<Item, Outcome>[], alone: boolean, repeats = 0): Promise<void> {
    let committed: Committed<Outcome>;
    try {
      committed = await this.attempt(batch, alone);
    } catch (error) {
      const lone = batch.length === 1;
      const verdict = verdictOn(error);
      switch (verdict) {
        case 'repeat':
        case 'disconnected':
          if (repeats >= MAX_REPEATS) return this.fail(batch, new StoreUnavailable(error));
          await jitter(repeats);
          return this.run(batch, alone, repeats + 1);
        case 'blocked':
          if (lone && alone) {
            this.settle(batch[0]!, () => batch[0]!.resolve(this.category.blocked(batch[0]!.item)));
          } else {
            this.sideQueue.push(...batch);
          }
          return;
        case 'culprit':
        case 'bug': {
          if (lone) {
            return this.fail(
              batch,
              verdict === 'bug' ? error : new CommandRejected(sqlState(error) ?? '', error),
            );
          }
          const half = batch.length >> 1;
          await this.run(batch.slice(0, half), alone);
          return this.run(batch.slice(half), alone);
        }
        case 'unavailable':
          return this.fail(batch, new StoreUnavailable(error));
      }
    }
    // Outside of the above: what is committed is never repeated.
    this.answer(batch, committed);
  }

  private fail(batch: readonly Pending<Item, Outcome>[], error: unknown): void {
    for (const pending of batch) this.settle(pending, () => pending.reject(error));
  }

  private async attempt(batch: Pending<Item, Outcome>[], alone: boolean): Promise<Committed<Outcome>> {
    const items = batch.map((pending) => pending.item);
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      const begun = client.query('begin');
      const loading = this.category.load(client, items, alone);
      const stamping = client.query<{ xid: string; now: number }>(STAMP);
      const [, loaded, stamp] = await allSettledInOrder(begun, loading, stamping);
      const { xid, now } = stamp.rows[0]!;
      const plan = this.category.decide(items, loaded, this.options.clock?.() ?? now);
      return { plan, position: await this.commit(client, xid, plan.writes) };
    } catch (error) {
      broken = await endTransaction(client);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Sends writes and COMMIT together. Returns a position at or above the batch's last event. */
  private async commit(client: PoolClient, xid: string, writes: readonly Statement[]): Promise<number> {
    const sent: Promise<QueryResult>[] = writes.map(({ text, values }) => client.query(text, values));
    const committing = client.query('commit');
    let results: QueryResult[];
    try {
      results = await allSettledInOrder(...sent, committing);
    } catch (error) {
      // Whatever is not an answer of the server leaves open what became of the transaction.
      if (sqlState(error) !== undefined && verdictOn(error) !== 'disconnected') throw error;
      return this.resolveLostCommit(xid, error);
    }
    if (results.at(-1)?.command !== 'COMMIT') throw new Error('the transaction was rolled back');
    return appendedPosition(results);
  }

  /** COMMIT's answer never came: PostgreSQL itself knows what happened. */
  private async resolveLostCommit(xid: string, cause: unknown): Promise<number> {
    const until = Date.now() + RESOLVE_MS;
    for (let attempt = 0; Date.now() < until; attempt++) {
      try {
        const { rows } = await this.pool.query<{ status: string | null; position: number }>(
          `select pg_xact_status($1::xid8) as status, last_value as position from genledger.event_position`,
          [xid],
        );
        if (rows[0]?.status === 'committed') return rows[0].position;
        // Aborted for sure: the error that brought us here says 'disconnected', so the batch is repeated.
        if (rows[0]?.status === 'aborted') throw cause;
      } catch (error) {
        if (error === cause) throw error;
      }
      await jitter(Math.min(attempt, 4));
    }
    throw new OutcomeUnknown(cause);
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

/** The append answers with the last position that it gave out. */
function appendedPosition(results: readonly QueryResult[]): number {
  for (const { rows } of results) {
    const position = (rows[0] as { position?: number } | undefined)?.position;
    if (position !== undefined) return position;
  }
  return 0;
}

/** Waits for all, then throws the first error in the order of sending: later ones only say that the transaction failed. */
async function allSettledInOrder<T extends readonly Promise<unknown>[]>(
  ...promises: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.filter((result) => result.status === 'rejected');
  if (failed.length > 0)
    throw failed.map((result) => result.reason as unknown).find(isCause) ?? failed[0]!.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}

function isCause(error: unknown): boolean {
  return sqlState(error) !== '25P02';
}

async function endTransaction(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('rollback');
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** Full jitter, doubling: up to 10, 20, 40 … ms. */
function jitter(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt));
}
