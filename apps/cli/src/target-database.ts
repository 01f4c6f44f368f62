import { Database, reachDatabase, serverUrls, startEmbeddedPostgres } from '@genledger/platform';
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
  await reachDatabase(databaseUrl);
  const logins = serverUrls(databaseUrl, databaseAppUrl);
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
