import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { serverUrls } from '../../libs/platform/src/database-roles';

/** The migrated database that tests clone. Nobody may be connected to it while it is cloned. */
export const TEMPLATE_DATABASE = 'template_genledger';

export interface TestDatabase {
  /** The server's login (genledger_writer): what the application's batches connect as. */
  readonly url: string;
  /** The superuser's login: what DATABASE_URL holds, and what a test uses to look behind row-level security. */
  readonly adminUrl: string;
  /** Drops the database and ends whoever is still connected. */
  drop(): Promise<void>;
}

/**
 * A database of one's own, cloned from the migrated template (about 20 ms), or with nothing in it. Drop it in `afterAll`.
 */
export async function createTestDatabase(template = TEMPLATE_DATABASE): Promise<TestDatabase> {
  const name = `test_${process.env.JEST_WORKER_ID ?? '0'}_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(`create database ${name} template ${template}`);
  const adminUrl = databaseUrl(baseUrl(), name);
  return {
    url: serverUrls(adminUrl).writerUrl,
    adminUrl,
    drop: () => asAdmin(`drop database if exists ${name} with (force)`),
  };
}

/** The same server and login, another database. */
export function databaseUrl(base: string, database: string): string {
  const url = new URL(base);
  url.pathname = `/${database}`;
  return url.href;
}

function baseUrl(): string {
  const url = process.env.TEST_POSTGRES_URL;
  if (!url) throw new Error('TEST_POSTGRES_URL is not set: run this test in jest project "postgres".');
  return url;
}

async function asAdmin(statement: string): Promise<void> {
  const client = new Client({ connectionString: baseUrl() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
