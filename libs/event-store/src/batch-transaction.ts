import type { Socket } from 'node:net';
import type { Pool, PoolClient, QueryResult } from 'pg';
import { OutcomeUnknown, sqlState, verdictOn } from './sqlstate';

export interface BatchCategory<Item, Loaded, Outcome> {
  /**
   * `load` is one statement and the whole transaction: nothing to decide between reading and writing. Sent again when the
   * connection is lost, it must answer as if it had been sent once.
   */
  readonly isOneStatement?: boolean;
  /** The stream whose head the item locks. */
  streamOf(item: Item): string;
  /** Roughly what the item adds to the statements. */
  bytesOf(item: Item): number;
  /**
   * Sends its statements at once, without waiting in between. How: see LoadMode.
   */
  load(client: PoolClient, items: readonly Item[], how: LoadMode): Promise<Loaded>;
  /** Decides in memory. `now` is the database's clock in ms, read after the locks. */
  decide(items: readonly Item[], loaded: Loaded, now: number): BatchPlan<Outcome>;
  /** The answer to an item that waited for its row in vain. */
  blocked(item: Item): Outcome;
  /** The answer to an item of a bulk call that the database refused; without one the whole call rejects. */
  rejected?(item: Item): Outcome;
}

export interface LoadMode {
  /** The items have waited for held rows before: wait for them now (there is a lock_timeout). */
  readonly alone: boolean;
  /** The same items were sent before and the answer was lost: they may be stored. */
  readonly sentBefore: boolean;
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

export interface Committed<Outcome> {
  readonly plan: BatchPlan<Outcome>;
  readonly position: number;
}

/** How long a lost COMMIT is enquired after: longer than a restart of PostgreSQL takes (1-3 s measured). */
const RESOLVE_MS = 15_000;

const STAMP = `select pg_current_xact_id()::text as xid, floor(date_part('epoch', clock_timestamp()) * 1000) as now`;

/**
 * One batch, one transaction, two round trips: BEGIN, lock and load, take the time | write, COMMIT. Rejects with what the
 * database said; a lost answer of COMMIT is resolved first.
 */
export async function runBatch<Item, Outcome>(
  pool: Pool,
  category: BatchCategory<Item, unknown, Outcome>,
  items: readonly Item[],
  how: LoadMode,
  clock?: () => number,
): Promise<Committed<Outcome>> {
  const client = await pool.connect();
  if (category.isOneStatement) return runStatement(client, category, items, how);
  let broken: Error | undefined;
  try {
    const [, loaded, stamp] = await allSettledInOrder(
      ...inOnePacket(client, () => {
        const begun = client.query('begin');
        const loading = category.load(client, items, how);
        const stamping = client.query<{ xid: string; now: number }>(STAMP);
        return [begun, loading, stamping] as const;
      }),
    );
    const { xid, now } = stamp.rows[0]!;
    const plan = category.decide(items, loaded, clock?.() ?? now);
    return { plan, position: await commit(pool, client, xid, plan.writes) };
  } catch (error) {
    broken = await endTransaction(client);
    throw error;
  } finally {
    client.release(broken);
  }
}

async function runStatement<Item, Outcome>(
  client: PoolClient,
  category: BatchCategory<Item, unknown, Outcome>,
  items: readonly Item[],
  how: LoadMode,
): Promise<Committed<Outcome>> {
  let broken: Error | undefined;
  try {
    const loaded = await inOnePacket(client, () => category.load(client, items, how));
    return { plan: category.decide(items, loaded, 0), position: 0 };
  } catch (error) {
    if (sqlState(error) === undefined || verdictOn(error) === 'disconnected') broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Sends writes and COMMIT together. Returns a position at or above the batch's last event. */
async function commit(
  pool: Pool,
  client: PoolClient,
  xid: string,
  writes: readonly Statement[],
): Promise<number> {
  let results: QueryResult[];
  try {
    results = await allSettledInOrder(
      ...inOnePacket(client, () => [
        ...writes.map(({ text, values }): Promise<QueryResult> => client.query(text, values)),
        client.query('commit'),
      ]),
    );
  } catch (error) {
    // Whatever is not an answer of the server leaves open what became of the transaction.
    if (sqlState(error) !== undefined && verdictOn(error) !== 'disconnected') throw error;
    return resolveLostCommit(pool, xid, error);
  }
  if (results.at(-1)?.command !== 'COMMIT') throw new Error('the transaction was rolled back');
  return appendedPosition(results);
}

/** COMMIT's answer never came: PostgreSQL itself knows what happened. */
async function resolveLostCommit(pool: Pool, xid: string, cause: unknown): Promise<number> {
  const until = Date.now() + RESOLVE_MS;
  for (let attempt = 0; Date.now() < until; attempt++) {
    try {
      const { rows } = await pool.query<{ status: string | null; position: number }>(
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

/** node-postgres writes each statement to the socket by itself; corked, those of one round trip leave in one write. */
function inOnePacket<T>(client: PoolClient, send: () => T): T {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.cork();
  try {
    return send();
  } finally {
    stream.uncork();
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
export function jitter(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt));
}
