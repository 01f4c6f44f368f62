import type { Client } from 'pg';
import type { Database, Query } from '@genledger/platform';

/** Another process rebuilds the same model. */
export class RebuildUnderWay extends Error {
  override readonly name = 'RebuildUnderWay';
}

export interface Reached {
  /** The last stream or position that is done. */
  readonly reached: string;
  /** How many are. */
  readonly done: number;
}

/**
 * The one rebuild of a model. It holds an advisory lock on a session of its own, and writes how far it has come on that
 * very session: a rebuild that has lost its lock cannot go on. The lock ends with the session, however the process ends.
 */
export class RebuildRun {
  private constructor(
    private readonly session: Client,
    private readonly model: string,
    /** Where an earlier run was stopped. */
    readonly start: Reached | null,
  ) {}

  static async begin(database: Database, model: string): Promise<RebuildRun> {
    const session = await database.openSession('genledger rebuild');
    try {
      // Two keys: never taken for an announcement of an append, which has one.
      const { rows } = await session.query<{ taken: boolean }>(
        `select pg_try_advisory_lock(hashtext('genledger.rebuild'), hashtext($1)) as taken`,
        [model],
      );
      if (!rows[0]?.taken) throw new RebuildUnderWay(`${model} is being rebuilt already, by another process`);
      const found = await session.query<Reached>(
        `select reached, done from genledger.rebuilds where model = $1`,
        [model],
      );
      return new RebuildRun(session, model, found.rows[0] ?? null);
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  async save({ reached, done }: Reached): Promise<void> {
    await this.session.query(
      `insert into genledger.rebuilds (model, reached, done) values ($1, $2, $3)
       on conflict (model) do update
         set reached = excluded.reached, done = excluded.done, updated_at = clock_timestamp()`,
      [this.model, reached, done],
    );
  }

  /** A READ COMMITTED transaction on the session that holds the lock; `save` and `finish` in it are part of it. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    await this.session.query('begin');
    try {
      const result = await work(
        async <R extends object>(text: string, values: readonly unknown[] = []) =>
          (await this.session.query<R>(text, [...values])).rows,
      );
      await this.session.query('commit');
      return result;
    } catch (error) {
      await this.session.query('rollback').catch(() => undefined);
      throw error;
    }
  }

  /** The next one starts at the beginning. */
  async finish(): Promise<void> {
    await this.session.query(`delete from genledger.rebuilds where model = $1`, [this.model]);
  }

  async release(): Promise<void> {
    await this.session.end();
  }
}
