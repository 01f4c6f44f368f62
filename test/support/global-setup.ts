import { readFileSync, rmSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
// By path: jest does not map @genledger/… in its global set-up.
import {
  startEmbeddedPostgres,
  type RunningPostgres,
} from '../../libs/platform/src/embedded-postgres/embedded-postgres';
import { migrateDatabase } from '../../libs/platform/src/migrate';
import { TEMPLATE_DATABASE, databaseUrl } from './test-database';

/** What the tear-down has to undo, kept on globalThis because jest loads the two files apart. */
export interface TestCluster {
  readonly server: RunningPostgres;
  readonly home: string;
}

/**
 * One PostgreSQL for the run, with a migrated database to clone. Durability is off: its data live for minutes.
 * TEST_POSTGRES_URL (a superuser's, any database of it) in the environment names another server to use instead.
 */
export default async function globalSetup(): Promise<void> {
  if (!process.env.TEST_POSTGRES_URL) process.env.TEST_POSTGRES_URL = await startCluster();
  const base = process.env.TEST_POSTGRES_URL;
  const admin = new Client({ connectionString: base });
  await admin.connect();
  try {
    await admin.query(`drop database if exists ${TEMPLATE_DATABASE} with (force)`);
    await admin.query(`create database ${TEMPLATE_DATABASE}`);
  } finally {
    await admin.end();
  }
  await migrateDatabase(databaseUrl(base, TEMPLATE_DATABASE));
}

async function startCluster(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'genledger-test-'));
  // Run by root, the server is another user's, who has to pass.
  await chmod(home, 0o711);
  const server = await startEmbeddedPostgres({
    home,
    database: 'postgres',
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      autovacuum: 'on',
      max_connections: '200',
    },
  });
  const cluster: TestCluster = { server, home };
  (globalThis as { testCluster?: TestCluster }).testCluster = cluster;
  endWithProcess(cluster);
  return server.url;
}

/** An interrupted run skips the tear-down. */
function endWithProcess({ server, home }: TestCluster): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  process.once('exit', () => {
    if (!(globalThis as { testCluster?: TestCluster }).testCluster) return;
    process.kill(
      Number.parseInt(readFileSync(join(server.dataDirectory, 'postmaster.pid'), 'utf8'), 10),
      'SIGQUIT',
    );
    for (const folder of [home, dirname(server.dataDirectory)])
      rmSync(folder, { recursive: true, force: true });
  });
}
