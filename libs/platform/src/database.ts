import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Client, types } from 'pg';
import type { ClientConfig, Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import type { DataSourceOptions, EntityManager } from 'typeorm';
import type { Actor } from './identity/actor';
import { isUuid } from './ids';
import { compareMigrations } from './migrate';
import type { ServerUrls } from './database-roles';

export type Query = <R extends object>(text: string, values?: readonly unknown[]) => Promise<R[]>;

export const DATABASE_OPTIONS = Symbol('DATABASE_OPTIONS');

export interface DatabaseOptions extends ServerUrls {
  /** Read models of the contexts, for TypeORM's query builder. */
  readonly entities?: NonNullable<DataSourceOptions['entities']>;
}

// count(*), sum(int) and positions stay far below 2^53; as numbers they need no care at every use.
types.setTypeParser(types.builtins.INT8, Number);

/** Without a listener from its first moment on, a session that PostgreSQL ends while it is checked out ends the process. */
class Session extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/**
 * Connections to PostgreSQL, by what they may do.
 *
 * Both pools belong to TypeORM data sources; hot paths use the pools' clients. Clients are pipelined: statements that do
 * not depend on one another's answers are sent in one round trip, each still with an error of its own.
 */
@Injectable()
export class Database implements OnModuleInit, OnApplicationShutdown {
  private readonly writing: DataSource;
  private readonly reading: DataSource;

  constructor(@Inject(DATABASE_OPTIONS) private readonly options: DatabaseOptions) {
    // 12 + 12 a process: four processes fit into the 100 connections that a server has by default.
    this.writing = dataSource(options.writerUrl, 'genledger writer', 12);
    this.reading = dataSource(options.readerUrl, 'genledger reader', 12, options.entities);
  }

  async onModuleInit(): Promise<void> {
    await this.connect();
  }

  async connect(): Promise<void> {
    if (!this.writing.isInitialized) await this.writing.initialize();
    if (!this.reading.isInitialized) await this.reading.initialize();
    await this.refuseWrongLogin();
    await this.refuseStaleSchema();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.writing.isInitialized) await this.writing.destroy();
    if (this.reading.isInitialized) await this.reading.destroy();
  }

  /** Login that is genledger_writer: batches, projections, tables that the server owns. */
  get writer(): Pool {
    return poolOf(this.writing);
  }

  /** A session of its own outside the pools (LISTEN, an outcome looked up after a lost COMMIT). The caller ends it. */
  async openSession(applicationName: string): Promise<Client> {
    const client = new Session({
      connectionString: this.options.writerUrl,
      application_name: applicationName,
    });
    await client.connect();
    return client;
  }

  /** One statement as the writer. */
  async write<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.writer.query<R>(text, [...values])).rows;
  }

  /** A READ COMMITTED transaction as the writer. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.inTransaction(this.writer, 'begin', work);
  }

  /**
   * A read-only transaction under row-level security with the actor's claims. Services, auditors and admins see all rows.
   * Opening it costs no round trip of its own: it is sent with the first statement.
   */
  async read<T>(actor: Actor, work: (query: Query) => Promise<T>): Promise<T> {
    return this.inTransaction(poolOf(this.reading), readAs(actor), work);
  }

  /** As `read`, through TypeORM: filtered lists of read models, a page at a time in the order of an index. */
  async readEntities<T>(actor: Actor, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.reading.createQueryRunner();
    try {
      await runner.query(`${readAs(actor)}; ${IN_INDEX_ORDER}`);
      const result = await work(runner.manager);
      await runner.query('commit');
      return result;
    } catch (error) {
      await runner.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  private async inTransaction<T>(pool: Pool, open: string, work: (query: Query) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      const opened = client.query(open);
      opened.catch(() => undefined);
      const result = await work(async <R extends object>(text: string, values: readonly unknown[] = []) => {
        const answer = await client.query<R>(text, [...values]);
        return answer.rows;
      });
      await opened;
      await client.query('commit');
      return result;
    } catch (error) {
      broken = await rollback(client);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  private async refuseWrongLogin(): Promise<void> {
    for (const pool of [this.writer, poolOf(this.reading)]) {
      const { rows } = await pool.query<{ login: string; refused: boolean }>(
        `select session_user as login, rolsuper or rolbypassrls or pg_has_role(session_user, 'genledger_owner', 'member')
           as refused from pg_roles where rolname = session_user`,
      );
      if (rows[0]?.refused !== false) {
        throw new Error(
          `the server refuses to run as ${rows[0]?.login ?? 'an unknown login'}: it is a superuser, bypasses row-level ` +
            `security or owns the schema. Use DATABASE_APP_URL with a login of role genledger_writer.`,
        );
      }
    }
  }

  private async refuseStaleSchema(): Promise<void> {
    const rows = await this.write<{ name: string }>(`select name from genledger.migrations`);
    const { missing } = compareMigrations(rows.map(({ name }) => name));
    if (missing.length > 0) {
      throw new Error(`the database lacks ${missing.join(', ')}: run "genledger migrate" first`);
    }
  }
}

/**
 * Two tables' policies on one user count twice in the planner's estimate, so it takes a list for shorter than a page and
 * sorts it whole, or walks everyone's: the time of a page then grows with all that there is.
 */
const IN_INDEX_ORDER = ['sort', 'bitmapscan', 'hashjoin', 'mergejoin']
  .map((way) => `set local enable_${way} = off; `)
  .concat('set local random_page_cost = 1.1')
  .join('');

/** Opens a read-only transaction with the actor's claims: one message, no parameters, so the id is checked first. */
function readAs(actor: Actor): string {
  if (!isUuid(actor.userId)) throw new Error('an actor without a canonical user id cannot read');
  // A service acts for its users' jobs, so it may look at them; lists and sums stay its own unless it is an auditor.
  const role = actor.role === 'user' || actor.role === 'worker' ? 'authenticated' : 'genledger_auditor';
  return `begin read only; set local role ${role}; set local request.jwt.claims = '{"sub":"${actor.userId}"}'`;
}

function dataSource(
  url: string,
  applicationName: string,
  max: number,
  entities: DatabaseOptions['entities'] = [],
): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    schema: 'genledger',
    entities,
    extra: {
      Client: Session,
      max,
      pipeline: true,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
    },
  });
}

function poolOf(source: DataSource): Pool {
  return (source.driver as unknown as { master: Pool }).master;
}

/** Returns the error that makes the client unusable, if rolling back failed. */
async function rollback(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('rollback');
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
