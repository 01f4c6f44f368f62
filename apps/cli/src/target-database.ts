import { Client } from 'pg';
import { Database, serverUrls, startEmbeddedPostgres } from '@genledger/platform';
import type { Config, ServerUrls } from '@genledger/platform';
import { CommandFailed } from './terminal';

export interface TargetDatabase {
  /** The login that migrates. */
  readonly adminUrl: string;
  /** The logins that the server runs with. */
  readonly logins: ServerUrls;
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

const CONNECT_MS = 5_000;

/** The database that DATABASE_URL names, reached once; without it the embedded one, started if it is not running. */
export async function openTargetDatabase(
  config: Config,
  log: (line: string) => void,
): Promise<TargetDatabase> {
  const { databaseUrl, databaseAppUrl } = config;
  if (databaseUrl === undefined) {
    const embedded = await startEmbeddedPostgres({ home: config.home, log });
    return {
      adminUrl: embedded.url,
      logins: serverUrls(embedded.url),
      isEmbedded: true,
      close: () => embedded.stop(),
    };
  }
  await reach(databaseUrl);
  const logins =
    databaseAppUrl === undefined
      ? serverUrls(databaseUrl)
      : { writerUrl: databaseAppUrl, readerUrl: databaseAppUrl };
  return { adminUrl: databaseUrl, logins, isEmbedded: false, close: () => Promise.resolve() };
}

/** Connections of the server's own logins. The caller ends them by `onApplicationShutdown`. */
export async function connectMigrated({ logins }: Pick<TargetDatabase, 'logins'>): Promise<Database> {
  const database = new Database(logins);
  try {
    await database.connect();
    return database;
  } catch (error) {
    await database.onApplicationShutdown();
    // The logins are made by the first migration.
    const { code, message } = error as { code?: string; message: string };
    if (code !== '28P01' && code !== '28000' && code !== '42P01' && !/genledger migrate/.test(message))
      throw error;
    throw new CommandFailed(
      'the database is not migrated, or not for this version: run "genledger migrate" first',
      2,
    );
  }
}

async function reach(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new CommandFailed(`DATABASE_URL: ${connectionFault(error, url)}`, 2);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Why a connection failed, in one line and without the password. */
export function connectionFault(error: unknown, url: string): string {
  const { hostname, port, pathname, username } = new URL(url);
  const server = `${hostname || 'localhost'}:${port || '5432'}`;
  // A name with several addresses fails with all of their errors.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code, message } = first as { code?: string; message?: string };
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on ${server}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `there is no host ${hostname}`;
    case '28P01':
    case '28000':
      return `${server} refuses ${username}: wrong user or password`;
    case '3D000':
      return `${server} has no database ${pathname.slice(1)}`;
    default:
      return `cannot reach ${server}: ${(message ?? 'no answer').replaceAll('\n', ' ')}`;
  }
}
