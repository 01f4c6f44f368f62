import { Client } from 'pg';
import { commitContent } from '@genledger/event-store';
import { verifyLedger } from '@genledger/jobs';
import { Database, migrateDatabase, newId, serverUrls } from '@genledger/platform';
import { migrations } from '../migrations';
import { createTestDatabase, TestDatabase } from './support/test-database';

/** The database of a build that kept all contents in one table and knew no accounts. */
const OLD_BUILD = migrations.slice(0, 3);

let testDatabase: TestDatabase;
let superuser: Client;
let database: Database;
const id = newId();
const userId = newId();

beforeAll(async () => {
  testDatabase = await createTestDatabase('template0');
  await migrateDatabase(testDatabase.adminUrl, OLD_BUILD);
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  await insertOldJob();
  await migrateDatabase(testDatabase.adminUrl);
  database = new Database(serverUrls(testDatabase.adminUrl));
  await database.connect();
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await superuser.end();
  await testDatabase.drop();
});

/** A job that has succeeded at 8 cents, as the old build stored it. */
async function insertOldJob(): Promise<void> {
  const { body, salt, sha256 } = commitContent({ prompt: 'a fjord' });
  const at = '2026-11-01T10:00:00.000Z';
  const facts = (from: string | null, to: string, cost: number, delta: number, reserved: number): object => ({
    project_id: null,
    from,
    to,
    cost_cents: cost,
    cost_delta_cents: delta,
    reserved_delta_cents: reserved,
  });
  const named = { kind: 'text_to_image', mode: 'poster', model: 'painter-1' };
  const requested = { number_of_images: 2 };
  const effective = { number_of_images: 2, aspect_ratio: '1:1', seed: 7, model: 'painter-1' };
  const events = [
    {
      type: 'JobQueued',
      tally: [0, 1, 0, 0, 0],
      data: {
        ...facts(null, 'queued', 0, 0, 8),
        ...named,
        attempt: 0,
        max_attempts: 3,
        priority: 0,
        requested,
        effective,
        content_sha256: sha256,
      },
    },
    {
      type: 'JobStarted',
      tally: [1, 2, 0, 0, 0],
      data: { ...facts('queued', 'running', 0, 0, 0), attempt: 1, worker_id: 'w', lease_expires_at: at },
    },
    {
      type: 'JobSucceeded',
      tally: [2, 3, 8, 8, 0],
      data: {
        ...facts('running', 'succeeded', 8, 8, -8),
        ...named,
        attempt: 1,
        outputs: [],
        output_errors: [],
      },
    },
  ];
  for (const [n, { type, data, tally }] of events.entries()) {
    await superuser.query(
      `insert into genledger.events
         (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, tally)
       values (nextval('genledger.event_position'), $1, $2, $3, $4, 1, $5, '{"actor":"test"}', $6, 1, $7)`,
      [id, n + 1, userId, type, JSON.stringify(data), at, tally],
    );
  }
  await superuser.query(
    `insert into genledger.contents (stream_id, version, user_id, salt, body) values ($1, 1, $2, $3, $4)`,
    [id, userId, salt, body],
  );
  await superuser.query(
    `insert into genledger.job_states (id, user_id, kind, mode, model, status, version, attempt, max_attempts, rank, run_at,
       lease_token, worker_id, reserved_cents, cost_cents, started_at, completed_at, updated_at)
     values ($1, $2, 'text_to_image', 'poster', 'painter-1', 'succeeded', 3, 1, 3, 0, $3, 2, 'w', 0, 8, $3, $3, $3)`,
    [id, userId, at],
  );
  await superuser.query(
    `insert into genledger.job_requests (id, user_id, kind, mode, requested, effective, estimated_cents, content_version,
       created_at)
     values ($1, $2, 'text_to_image', 'poster', $3, $4, 8, 1, $5)`,
    [id, userId, JSON.stringify(requested), JSON.stringify(effective), at],
  );
}

it('keeps what the old build has stored', async () => {
  const [job] = await database.write(
    `select status, prompt, mode, cost_cents from genledger.generation_jobs where id = $1`,
    [id],
  );
  expect(job).toEqual({ status: 'succeeded', prompt: 'a fjord', mode: 'poster', cost_cents: 8 });
});

it('folds charges from before there were accounts by what their data say', async () => {
  const [{ watermark }] = (await database.write<{ watermark: number }>(
    'select genledger.read_watermark() as watermark',
  )) as [{ watermark: number }];
  await database.write('select genledger.fold_jobs(0, $1, 1000)', [watermark]);
  const costs = await database.write(
    `select user_id, mode, kind, model, charges, incurred_cents from genledger.job_costs`,
  );
  expect(costs).toEqual([
    {
      user_id: userId,
      mode: 'poster',
      kind: 'text_to_image',
      model: 'painter-1',
      charges: 1,
      incurred_cents: 8,
    },
  ]);
});

it('leaves a ledger that is in order', async () => {
  const verified = await verifyLedger(database);
  expect(verified.filter(({ holds }) => !holds)).toEqual([]);
});
