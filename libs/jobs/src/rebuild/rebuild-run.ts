import type { Client } from 'pg';
import type { Database } from '@genledger/platform';
import { NIL_ID } from '../verification/invariants';

/** Another process rebuilds the same model. */
export class RebuildUnderWay extends Error {
  override readonly name = 'RebuildUnderWay';
}

interface Reached {
  readonly reached: string;
  readonly streams: number;
}

/**
 * The one rebuild of a model. It holds an advisory lock on a session of its own, and writes how far it has come on that
 * very session: a rebuild that has lost its lock cannot go on. The lock ends with the session, however the process ends.
 */
export class RebuildRun {
  private constructor(
    private readonly session: Client,
    private readonly model: string,
    /** Where an earlier run was stopped, or the beginning. */
    readonly start: Reached,
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
        `select reached, streams from genledger.rebuilds where model = $1`,
        [model],
      );
      return new RebuildRun(session, model, found.rows[0] ?? { reached: NIL_ID, streams: 0 });
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  async save({ reached, streams }: Reached): Promise<void> {
    await this.session.query(
      `insert into genledger.rebuilds (model, reached, streams) values ($1, $2, $3)
       on conflict (model) do update
         set reached = excluded.reached, streams = excluded.streams, updated_at = clock_timestamp()`,
      [this.model, reached, streams],
    );
  }

  /** The next one starts at the beginning. */
  async finish(): Promise<void> {
    await this.session.query(`delete from genledger.rebuilds where model = $1`, [this.model]);
  }

  async release(): Promise<void> {
    await this.session.end();
  }
}
