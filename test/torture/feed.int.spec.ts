import { Client } from 'pg';
import { Database, newId, serverUrls } from '@genledger/platform';
import { appendRaw } from '../support/raw-append';
import { seeded } from '../support/random';
import { createTestDatabase, TestDatabase } from '../support/test-database';
import { judge, NaiveReader, Seen, TransactionReader, WatermarkReader } from './feed-readers';
import type { FeedReader, Verdict } from './feed-readers';
import { FeedWriter } from './feed-writer';

jest.setTimeout(120_000);

const WRITERS = 14;
const STREAMS = 40;
const LOAD_SECONDS = 10;
const OUR_CLASS = '(42::bigint << 48)';
const OTHER_CLASS = '(41::bigint << 48)';

const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);

let testDatabase: TestDatabase;
let elsewhere: TestDatabase;
let database: Database;
const sessions: Client[] = [];

beforeAll(async () => {
  [testDatabase, elsewhere] = [await createTestDatabase(), await createTestDatabase()];
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
});

afterAll(async () => {
  await Promise.all(sessions.map((session) => session.end()));
  await database.onApplicationShutdown();
  await Promise.all([testDatabase.drop(), elsewhere.drop()]);
});

async function session(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  sessions.push(client);
  await client.connect();
  return client;
}

it('loses nothing, inverts nothing and does not stall, where reading by position loses events', async () => {
  process.stdout.write(`torture of the feed: TORTURE_SEED=${seed}\n`);
  const ours = new WatermarkReader(database.writer);
  const naive = new NaiveReader(await session(testDatabase.url));
  const byTransaction = new TransactionReader(await session(testDatabase.url));

  await firstEventOfTheSequence(ours);
  const strangers = await openStrangers();
  const streams = Array.from({ length: STREAMS }, () => newId());
  await makeHeads(streams);

  const writers = Array.from(
    { length: WRITERS },
    (_, n) => new FeedWriter(n, { url: testDatabase.url, streams, random: seeded(seed + n) }),
  );
  const writing = Promise.all(writers.map((writer) => writer.run()));
  let over = false;
  const reading = Promise.all([
    keepReading(ours, 0, () => over),
    keepReading(naive, 0, () => over),
    keepReading(byTransaction, 0.2, () => over),
  ]);
  const executioner = await session(testDatabase.adminUrl);
  const choice = seeded(seed - 1);
  for (let second = 0; second < LOAD_SECONDS; second++) {
    await executioner.query('select pg_sleep(1)');
    const victim = writers[Math.floor(choice() * WRITERS)]!;
    await executioner.query('select pg_terminate_backend($1, 5000)', [victim.pid]);
  }
  for (const writer of writers) writer.stop();
  await writing;
  over = true;
  await reading;

  // The strangers still hold what they hold: a reader that waits for them is behind now.
  await Promise.all([ours.read(), naive.read(), byTransaction.read()]);
  const { rows: log } = await executioner.query<Seen>(
    `select position::int, stream_id, version from genledger.events order by position`,
  );
  const verdicts = { ours: judge(ours, log), naive: judge(naive, log) };
  const behind = log.length - byTransaction.seen.length;
  for (const stranger of strangers) await stranger.query('rollback');
  await byTransaction.read();
  report(log.length, writers, { ...verdicts, 'by transaction id': judge(byTransaction, log) }, behind, ours);

  expect(verdicts.ours).toEqual({ lost: 0, twice: 0, inverted: 0 });
  expect(ours.reached).toBeGreaterThanOrEqual(log.at(-1)!.position);
  expect(ours.advances).toBeGreaterThan(LOAD_SECONDS * 5);
  expect(ours.longestPause).toBeLessThan(LOAD_SECONDS * 500);
  expectGapless(log);
  // The test's own teeth.
  expect(log.length).toBeGreaterThan(1_000);
  expect(verdicts.naive.lost).toBeGreaterThan(0);
  expect(writers.reduce((sum, { killed }) => sum + killed, 0)).toBeGreaterThan(0);
  expect(writers.reduce((sum, { rolledBack }) => sum + rolledBack, 0)).toBeGreaterThan(0);
});

/** A sequence that was never used says 1 before and after its first number: is_called tells them apart. */
async function firstEventOfTheSequence(ours: WatermarkReader): Promise<void> {
  await ours.read();
  expect(ours.seen).toEqual([]);
  const first = await session(testDatabase.url);
  await appendRaw(first, { streamId: newId(), version: 1 });
  await ours.read();
  expect(ours.seen.map(({ position }) => position)).toEqual([1]);
}

/** None of these may hold the feed up: they stay for the whole run. */
async function openStrangers(): Promise<Client[]> {
  const inAnotherDatabase = await session(elsewhere.url);
  await inAnotherDatabase.query('begin');
  await appendRaw(inAnotherDatabase, { streamId: newId(), version: 1 });
  const ourClassElsewhere = await session(elsewhere.adminUrl);
  await ourClassElsewhere.query(`begin; select pg_advisory_xact_lock_shared(${OUR_CLASS})`);
  const anotherClass = await session(testDatabase.adminUrl);
  await anotherClass.query(
    `begin; select pg_advisory_xact_lock(${OTHER_CLASS}), pg_advisory_xact_lock(42, 0)`,
  );
  const writesButAppendsNothing = await session(testDatabase.url);
  await writesButAppendsNothing.query(
    `begin; insert into genledger.checkpoints (name, position) values ('stranger', 0)`,
  );
  const snapshot = await session(testDatabase.url);
  await snapshot.query('begin isolation level repeatable read; savepoint asking');
  await expect(snapshot.query('select genledger.read_watermark()')).rejects.toMatchObject({ code: '25001' });
  await snapshot.query('rollback to asking; select count(*) from genledger.events');
  return [inAnotherDatabase, ourClassElsewhere, anotherClass, writesButAppendsNothing, snapshot];
}

async function makeHeads(streams: readonly string[]): Promise<void> {
  await database.write(
    `insert into genledger.stream_heads (stream_id, user_id, version, recorded_at)
     select id, id, 0, clock_timestamp() from unnest($1::uuid[]) id`,
    [streams],
  );
}

async function keepReading(reader: FeedReader, restSeconds: number, over: () => boolean): Promise<void> {
  const resting = restSeconds > 0 ? await session(testDatabase.url) : null;
  while (!over()) {
    await reader.read();
    await resting?.query('select pg_sleep($1)', [restSeconds]);
  }
}

function expectGapless(log: readonly Seen[]): void {
  const next = new Map<string, number>();
  for (const { stream_id, version } of log) {
    expect(version).toBe(next.get(stream_id) ?? 1);
    next.set(stream_id, version + 1);
  }
}

function report(
  events: number,
  writers: readonly FeedWriter[],
  verdicts: Record<string, Verdict>,
  behind: number,
  ours: WatermarkReader,
): void {
  const sum = (of: (writer: FeedWriter) => number): number =>
    writers.reduce((total, one) => total + of(one), 0);
  const readers = Object.entries(verdicts).map(
    ([name, { lost, inverted }]) => `${name} lost ${lost}, inverted ${inverted}`,
  );
  process.stdout.write(
    `torture of the feed: ${events} events of ${sum((one) => one.committed)} transactions ` +
      `(${sum((one) => one.rolledBack)} rolled back, ${sum((one) => one.killed)} killed); ${readers.join('; ')} ` +
      `(and ${behind} behind while strangers were open); ours stood still for ${Math.round(ours.longestPause)} ms at most\n`,
  );
}
