import { Client, Pool } from 'pg';
import { Database, newId, serverUrls } from '@genledger/platform';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { until } from '../../../test/support/until';
import { Doorbell } from './doorbell';
import { Watermark } from './feed';
import { WatermarkWatch } from './watermark-watch';

jest.setTimeout(60_000);

let testDatabase: TestDatabase;
let database: Database;
let pool: Pool;
let doorbell: Doorbell;
let watch: WatermarkWatch;
let writer: Client;
let statements = 0;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  pool = new Pool({ connectionString: testDatabase.url, max: 2 });
  pool.on('acquire', () => statements++);
  pool.on('error', () => undefined);
  writer = await database.openSession('writer');
});

beforeEach(() => {
  doorbell = new Doorbell(() => database.openSession('test'));
  watch = new WatermarkWatch(new Watermark(pool), doorbell);
  statements = 0;
});

afterEach(async () => {
  watch.close();
  await doorbell.close();
});

afterAll(async () => {
  await writer.end();
  await pool.end();
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

const append = (): Promise<number> => appendRaw(writer, { streamId: newId(), version: 1 });

it('has reached what is settled, with one look', async () => {
  expect(await watch.reached(await append(), 0)).toBe(true);
  expect(statements).toBe(1);
});

it('reaches what is appended later: heard, or unheard and looked for', async () => {
  const next = (await append()) + 1;
  const heard = watch.reached(next, 10_000);
  await append();
  doorbell.ring();
  expect(await heard).toBe(true);
  const unheard = watch.reached(next + 1, 10_000);
  await append();
  expect(await unheard).toBe(true);
});

it('does not reach a position while one below it may still appear', async () => {
  await writer.query('begin');
  const held = await append();
  const other = await database.openSession('other');
  const later = await appendRaw(other, { streamId: newId(), version: 1 });
  await other.end();
  expect(later).toBeGreaterThan(held);
  expect(await watch.reached(later, 50)).toBe(false);
  const reached = watch.reached(later, 10_000);
  await writer.query('commit');
  expect(await reached).toBe(true);
});

it('gives up in time, when the caller is gone, and when it is closed', async () => {
  const never = (await append()) + 1_000;
  expect(await watch.reached(never, 20)).toBe(false);
  const caller = new AbortController();
  const abandoned = watch.reached(never, 60_000, caller.signal);
  const closed = watch.reached(never, 60_000);
  caller.abort();
  expect(await abandoned).toBe(false);
  watch.close();
  expect(await closed).toBe(false);
  expect(await watch.reached(never, 60_000)).toBe(false);
});

it('looks as often for a thousand followers as for one, and not at all for none', async () => {
  let looks = 0;
  const leave = watch.follow(() => void looks++);
  const others = Array.from({ length: 1_000 }, () => watch.follow(() => undefined));
  await until('it looked five times', () => {
    doorbell.ring();
    return looks >= 5;
  });
  // One may be under way.
  expect(statements).toBeLessThanOrEqual(looks + 1);
  for (const unfollow of [leave, ...others]) unfollow();
  const left = looks;
  // A second watch looks twice: the first one would have looked meanwhile.
  const other = new WatermarkWatch(new Watermark(pool), doorbell);
  let seen = 0;
  const unfollow = other.follow(() => void seen++);
  await until('another looked on', () => {
    doorbell.ring();
    return seen >= 3;
  });
  unfollow();
  expect(looks).toBe(left);
});

it('calls a follower again that failed, and the others all the same', async () => {
  let [failures, looks] = [0, 0];
  watch.follow(() => {
    failures++;
    throw new Error('not today');
  });
  watch.follow(() => void looks++);
  await until('both were called again', () => {
    doorbell.ring();
    return failures >= 2 && looks >= 2;
  });
});

it('goes on when the database was away for a moment', async () => {
  const next = (await append()) + 1;
  const reached = watch.reached(next, 20_000);
  await database.write(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '' and pid <> pg_backend_pid() and usename = current_user`,
  );
  await append();
  doorbell.ring();
  expect(await reached).toBe(true);
});
