import { Client } from 'pg';
import { Doorbell, EventStoreConnection, Watermark } from '@genledger/event-store';
import { Database, newId, serverUrls } from '@genledger/platform';
import { JobStore } from '../../libs/jobs/src/job-store';
import { JobProjector } from '../../libs/jobs/src/processes/job-projector';
import { StatisticsReader } from '../../libs/jobs/src/read-models/statistics-reader';
import { createTestDatabase } from './test-database';

/** Job streams on a database of their own, without Nest and without anything that runs by itself. */
export interface JobStores {
  readonly database: Database;
  readonly store: JobStore;
  readonly statistics: StatisticsReader;
  readonly projector: JobProjector;
  /** Sees behind row-level security. */
  readonly superuser: Client;
  /** What DATABASE_URL holds. */
  readonly adminUrl: string;
  /** Another process's store on the same database. */
  openStore(): JobStore;
  project(userId: string): Promise<string>;
  asset(userId: string): Promise<string>;
  upload(userId: string): Promise<string>;
  close(): Promise<void>;
}

export async function openJobStores(): Promise<JobStores> {
  const testDatabase = await createTestDatabase();
  const database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  const superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  const connection: EventStoreConnection = {
    pool: database.writer,
    openSession: () => database.openSession('test'),
  };
  const doorbells: Doorbell[] = [];
  const openStore = (): JobStore => {
    const doorbell = new Doorbell(() => connection.openSession());
    doorbells.push(doorbell);
    return new JobStore(connection, doorbell);
  };
  const store = openStore();
  const projector = new JobProjector(connection, new Watermark(database.writer), doorbells[0]!, {
    roles: new Set(['projector'] as const),
  });
  const insert = async (statement: string, ...values: unknown[]): Promise<string> => {
    const id = newId();
    await database.write(statement, [id, ...values]);
    return id;
  };
  return {
    database,
    store,
    statistics: new StatisticsReader(database),
    projector,
    superuser,
    adminUrl: testDatabase.adminUrl,
    openStore,
    project: (userId) =>
      insert(`insert into genledger.projects (id, user_id, name) values ($1, $2, 'spring')`, userId),
    asset: (userId) => insert(`insert into genledger.assets (id, user_id) values ($1, $2)`, userId),
    upload: (userId) =>
      insert(
        `insert into genledger.uploads (id, user_id, purpose, storage_key, mime_type, size, sha256, width, height)
         values ($1, $2, 'generation_output', $3, 'image/png', 10, repeat('a', 64), 4, 3)`,
        userId,
        newId(),
      ),
    close: async () => {
      for (const doorbell of doorbells) await doorbell.close();
      await database.onApplicationShutdown();
      await superuser.end();
      await testDatabase.drop();
    },
  };
}
