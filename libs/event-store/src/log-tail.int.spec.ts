import { Client } from 'pg';
import { Database, newId, serverUrls } from '@genledger/platform';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { until } from '../../../test/support/until';
import { Doorbell } from './doorbell';
import { Watermark } from './feed';
import type { Follower, News } from './follower';
import { LogTail } from './log-tail';

jest.setTimeout(60_000);

let testDatabase: TestDatabase;
let database: Database;
let doorbell: Doorbell;
let tail: LogTail;
let writer: Client;
let sessions: Client[] = [];
let errors: unknown[] = [];

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  doorbell = new Doorbell(() => Promise.reject(new Error('deaf to other processes')));
  errors = [];
  tail = new LogTail(database.writer, new Watermark(database.writer), doorbell, (error) =>
    errors.push(error),
  );
  writer = await session();
});

afterEach(async () => {
  await tail.close();
  await doorbell.close();
  await Promise.all(sessions.map((client) => client.end()));
  sessions = [];
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

async function session(url = testDatabase.url): Promise<Client> {
  const client = new Client({ connectionString: url });
  sessions.push(client);
  await client.connect();
  return client;
}

/** Appends one event to each of the streams (their user is the stream's id) and rings. The last position. */
async function append(...streams: readonly { id: string; version: number }[]): Promise<number> {
  const position = await appendRaw(writer, ...streams.map(({ id, version }) => ({ streamId: id, version })));
  doorbell.ring();
  return position;
}

/** A follower that has heard where the log stands, and what that was. */
async function following(interest: Parameters<LogTail['follow']>[0]): Promise<[Follower, News]> {
  const follower = tail.follow(interest);
  return [follower, (await follower.next())!];
}

/** Statements on the writer's pool during the work. */
async function statements(work: () => Promise<unknown>): Promise<number> {
  let taken = 0;
  const count = (): void => void taken++;
  database.writer.on('acquire', count);
  await work();
  database.writer.off('acquire', count);
  return taken;
}

it('tells at first where the log stands, and then of what concerns one, as a stream or as a user', async () => {
  const [mine, other] = [newId(), newId()];
  const first = await append({ id: mine, version: 1 }, { id: other, version: 1 });
  const [byStream, standing] = await following({ streamId: mine });
  const [byUser] = await following({ userId: mine });
  expect(standing).toEqual({ after: 0, upTo: first });
  const next = [byStream.next(), byUser.next()];
  const foreign = await append({ id: other, version: 2 });
  await until('the tail has come by', () => byStream.clearUpTo === foreign);
  const own = await append({ id: mine, version: 2 });
  for (const news of next) expect(await news).toEqual({ after: foreign, upTo: own });
});

it('puts together what a busy reader was told of meanwhile', async () => {
  const mine = newId();
  const [busy] = await following({ userId: mine });
  const [witness] = await following({ userId: mine });
  const positions: number[] = [];
  for (let version = 1; version <= 3; version++) {
    const heard = witness.next();
    positions.push(await append({ id: mine, version }));
    await heard;
  }
  expect(await busy.next()).toEqual({ after: 0, upTo: positions.at(-1) });
  expect(busy.clearUpTo).toBe(0);
});

it('asks the database as often for 500 followers as for one, and only those whose event it was hear of it', async () => {
  const users = Array.from({ length: 500 }, () => newId());
  const followers = await Promise.all(users.map(async (userId) => (await following({ userId }))[0]));
  const heard: number[] = [];
  followers.forEach((follower, n) => void follower.next().then((news) => news && heard.push(n)));
  const asked = await statements(async () => {
    await append({ id: users[7]!, version: 1 }, { id: users[300]!, version: 1 }, { id: newId(), version: 1 });
    await until('both have heard', () => heard.length === 2);
  });
  expect(heard.sort((a, b) => a - b)).toEqual([7, 300]);
  // Epoch, watermark and one look; twice where the poll of a second fell into it.
  expect(asked).toBeLessThanOrEqual(6);
});

it('asks nothing where nobody follows', async () => {
  const [follower] = await following({ userId: newId() });
  follower.leave();
  expect(await follower.next()).toBeNull();
  await tail.close();
  const asked = await statements(async () => {
    doorbell.ring();
    await append({ id: newId(), version: 1 });
  });
  expect(asked).toBe(0);
});

it('loses nothing to whoever joins while it looks', async () => {
  const mine = newId();
  const seen = new Set<number>();
  let version = 0;
  let last = 0;
  for (let round = 0; round < 60; round++) {
    const appended = append({ id: mine, version: ++version });
    const [follower, news] = await following({ userId: mine });
    last = await appended;
    if (news.upTo < last) expect(await follower.next()).toMatchObject({ upTo: last });
    seen.add(last);
    follower.leave();
  }
  expect(seen.size).toBe(60);
});

it('holds back what an open append may still come before, and finds it when that is over', async () => {
  const [early, late] = [newId(), newId()];
  const [follower] = await following({ userId: late });
  const open = await session();
  await open.query('begin');
  await appendRaw(open, { streamId: early, version: 1 });
  const position = await append({ id: late, version: 1 });
  const [, standing] = await following({ userId: newId() });
  expect(standing.upTo).toBeLessThan(position);
  await open.query('rollback');
  expect(await follower.next()).toMatchObject({ upTo: position });
});

it('never goes back, though an append that announced itself late lowers the watermark', async () => {
  const mine = newId();
  const position = await append({ id: newId(), version: 1 });
  const [follower] = await following({ userId: mine });
  const forger = await session();
  await forger.query(`begin; set local genledger.bound = '0'; select genledger.announce_append()`);
  const [, standing] = await following({ userId: newId() });
  expect(standing.upTo).toBe(position);
  const own = await append({ id: mine, version: 1 });
  await forger.query('rollback');
  expect(await follower.next()).toEqual({ after: position, upTo: own });
});

it('goes through a great deal in pieces, and tells of the first', async () => {
  const mine = newId();
  const [follower] = await following({ userId: mine });
  await writer.query('begin');
  const first = await appendRaw(writer, { streamId: mine, version: 1 });
  const admin = await session(testDatabase.adminUrl);
  await admin.query(`select setval('genledger.event_position', $1)`, [first + 65_000]);
  const last = await appendRaw(writer, { streamId: mine, version: 2 });
  await writer.query('commit');
  doorbell.ring();
  const news = await follower.next();
  expect(news).toEqual({ after: 0, upTo: 20_000 });
  let upTo = news!.upTo;
  while (upTo < last) upTo = (await follower.next())!.upTo;
  expect(upTo).toBe(last);
});

it('lets everyone go when the log is another one', async () => {
  await append({ id: newId(), version: 1 });
  const [follower] = await following({ userId: newId() });
  const admin = await session(testDatabase.adminUrl);
  const before = await tail.extent();
  await admin.query('update genledger.log_epoch set epoch = epoch + 1');
  expect(await follower.next()).toBeNull();
  expect(await tail.extent()).toEqual({ ...before, epoch: before.epoch + 1 });
  const [, standing] = await following({ userId: newId() });
  expect(standing.upTo).toBe(before.highest);
});

it('goes on after the database was away', async () => {
  const mine = newId();
  const [follower] = await following({ userId: mine });
  const admin = await session(testDatabase.adminUrl);
  await admin.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'genledger writer'`,
  );
  const position = await append({ id: mine, version: 1 });
  expect(await follower.next()).toMatchObject({ upTo: position });
});
