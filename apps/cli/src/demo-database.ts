import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '@genledger/platform';

/** The demo has a home of its own in the home. */
export function demoHome(home: string): string {
  return join(home, 'demo');
}

export interface DemoDatabase {
  readonly url: string;
  /** Drops the database and ends the use of its server. */
  remove(): Promise<void>;
}

/** A database of one run in the demo's own cluster: starting the cluster again takes a fraction of making it. */
export async function makeDemoDatabase(home: string, log: (line: string) => void): Promise<DemoDatabase> {
  const name = `demo_${process.pid}_${Date.now()}`;
  const server = await startEmbeddedPostgres({ home, database: name, log });
  const onServer = async (work: (admin: Client) => Promise<unknown>): Promise<void> => {
    const url = new URL(server.url);
    url.pathname = '/postgres';
    const admin = new Client({ connectionString: url.href });
    await admin.connect();
    try {
      await work(admin);
    } finally {
      await admin.end();
    }
  };
  await onServer((admin) => dropAbandoned(admin, name));
  return {
    url: server.url,
    remove: async () => {
      try {
        await onServer((admin) => admin.query(`drop database if exists ${name} with (force)`));
      } finally {
        await server.stop();
      }
    },
  };
}

/** What runs that were killed have left; another run's database has connections, and stays. */
async function dropAbandoned(admin: Client, own: string): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database d where datname ~ '^demo_[0-9]+_[0-9]+$' and datname <> $1
        and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
    [own],
  );
  for (const { name } of rows) await admin.query(`drop database if exists ${name}`).catch(() => undefined);
}
