import { Client } from 'pg';
import { Database, serverUrls } from '@genledger/platform';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { until } from '../../../test/support/until';
import { Doorbell } from './doorbell';

jest.setTimeout(60_000);

let testDatabase: TestDatabase;
let database: Database;
let admin: Client;
let open: Doorbell[] = [];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  admin = new Client({ connectionString: testDatabase.adminUrl });
  await admin.connect();
});

afterEach(async () => {
  await Promise.all(open.map((doorbell) => doorbell.close()));
  open = [];
});

afterAll(async () => {
  await admin.end();
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

/** A doorbell as a process of that name has one, and how often it was heard. */
async function doorbell(name: string): Promise<{ bell: Doorbell; heard: () => number }> {
  const bell = new Doorbell(() => database.openSession(name));
  open.push(bell);
  await bell.open();
  let heard = 0;
  bell.onRing(() => heard++);
  return { bell, heard: () => heard };
}

/** Backends that listen under that name. */
async function listening(name: string): Promise<number[]> {
  const { rows } = await admin.query<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = $1 and query ~ '^(listen|notify)' and state = 'idle'`,
    [name],
  );
  return rows.map(({ pid }) => pid);
}

it('wakes the listeners of its own process at once', async () => {
  const { bell, heard } = await doorbell('one');
  bell.ring();
  expect(heard()).toBe(1);
});

it('wakes another process, once for many rings in a row', async () => {
  const [ringing, other] = [await doorbell('ringing'), await doorbell('other')];
  for (let n = 0; n < 100; n++) ringing.bell.ring();
  await until('the other heard it', () => other.heard() > 0);
  // Notifications arrive in the order of their commits: had there been a second one, it would stand before this.
  const before = other.heard();
  await admin.query('notify genledger_events');
  await until('the other heard the end', () => other.heard() > before);
  expect(other.heard()).toBe(2);
});

it('wakes nobody who has left', async () => {
  const { bell } = await doorbell('leaving');
  let heard = 0;
  const leave = bell.onRing(() => heard++);
  leave();
  bell.ring();
  expect(heard).toBe(0);
});

it('listens again after its session was ended, and wakes in case something was missed', async () => {
  const [ringing, deaf] = [await doorbell('ringing again'), await doorbell('deaf')];
  const [pid] = await listening('deaf');
  await admin.query(`select pg_terminate_backend($1, 5000)`, [pid]);
  await until('it listens again', async () => (await listening('deaf')).some((other) => other !== pid));
  await until('it wakes of itself', () => deaf.heard() === 1);
  ringing.bell.ring();
  await until('it hears others', () => deaf.heard() === 2);
});

it('rings after its own session was ended', async () => {
  const [ringing, other] = [await doorbell('cut'), await doorbell('hearing')];
  const [pid] = await listening('cut');
  await admin.query(`select pg_terminate_backend($1, 5000)`, [pid]);
  await until('it is heard', () => {
    ringing.bell.ring();
    return other.heard() > 0;
  });
});

it('goes on trying when there is no server to listen to at first', async () => {
  let down = true;
  const bell = new Doorbell(() =>
    down ? Promise.reject(new Error('no server')) : database.openSession('late'),
  );
  open.push(bell);
  await bell.open();
  let heard = 0;
  bell.onRing(() => heard++);
  bell.ring();
  expect(heard).toBe(1);
  down = false;
  await until('it listens', async () => (await listening('late')).length === 1);
});

it('leaves no session behind when it is closed, not even one that was being opened', async () => {
  const { bell } = await doorbell('closing');
  await bell.close();
  const hasty = new Doorbell(() => database.openSession('closing'));
  const opening = hasty.open();
  await hasty.close();
  await opening;
  await until('the sessions are gone', async () => {
    const { rows } = await admin.query(`select 1 from pg_stat_activity where application_name = 'closing'`);
    return rows.length === 0;
  });
  bell.ring();
});
