import { Client } from 'pg';
import { loginOf, missingMemberships } from './database-roles';
import type { ServerUrls } from './database-roles';
import { compareMigrations } from './migrate';

/** Majors that the SQL is written for. */
export const POSTGRES_VERSIONS = { min: 15, max: 18 };

export interface DatabaseCondition {
  /** As the server tells it: `18.4`. */
  readonly version: string;
  readonly isSupported: boolean;
  /** What is wrong with roles, logins and what they may do, one sentence each. */
  readonly roleFaults: readonly string[];
  /** Migrations that this version knows, and those of them that the database lacks. */
  readonly missingMigrations: readonly string[];
  /** Migrations of a newer version. */
  readonly unknownMigrations: readonly string[];
}

/** Looks at a database through the login that migrates it, and changes nothing. */
export async function inspectDatabase(adminUrl: string, logins: ServerUrls): Promise<DatabaseCondition> {
  const client = new Client({
    connectionString: adminUrl,
    application_name: 'genledger doctor',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const [server] = await rowsOf<{ version: string; number: number }>(
      client,
      `select current_setting('server_version') as version, current_setting('server_version_num')::int as number`,
    );
    const major = Math.floor(server!.number / 10_000);
    const { missing, unknown } = compareMigrations(await appliedMigrations(client));
    return {
      version: server!.version,
      isSupported: major >= POSTGRES_VERSIONS.min && major <= POSTGRES_VERSIONS.max,
      roleFaults: [
        ...(await missingMemberships(client, logins)),
        ...(await rightsOverHistory(client, logins)),
      ],
      missingMigrations: missing,
      unknownMigrations: unknown,
    };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function appliedMigrations(client: Client): Promise<string[]> {
  const [table] = await rowsOf<{ is_there: boolean }>(
    client,
    `select to_regclass('genledger.migrations') is not null as is_there`,
  );
  if (!table!.is_there) return [];
  const rows = await rowsOf<{ name: string }>(client, `select name from genledger.migrations order by name`);
  return rows.map(({ name }) => name);
}

/** The log is append-only by grants first, and by triggers behind them. */
async function rightsOverHistory(client: Client, { writerUrl, readerUrl }: ServerUrls): Promise<string[]> {
  const names = [writerUrl, readerUrl].map(loginOf);
  const rows = await rowsOf<{ login: string }>(
    client,
    `select r.rolname as login from pg_roles r
      where r.rolname = any ($1::text[]) and to_regclass('genledger.events') is not null
        and has_table_privilege(r.oid, to_regclass('genledger.events'), 'update, delete, truncate')
      order by 1`,
    [names],
  );
  return rows.map(({ login }) => `${login} may alter events`);
}

async function rowsOf<R extends object>(client: Client, text: string, values: unknown[] = []): Promise<R[]> {
  return (await client.query<R>(text, values)).rows;
}
