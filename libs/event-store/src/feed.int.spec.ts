import { Client, ClientBase } from 'pg';
import { Database, newId, serverUrls } from '@genledger/platform';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { Feed, Watermark } from './feed';
import { StreamStore } from './streams';

jest.setTimeout(60_000);

const USER = '11111111-1111-4111-8111-111111111111';

let testDatabase: TestDatabase;
let database: Database;
let watermark: Watermark;
let feed: Feed;
let sessions: Client[] = [];

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  watermark = new Watermark(database.writer);
  feed = new Feed(database.writer, watermark);
});

afterEach(async () => {
  await Promise.all(sessions.map((session) => session.end()));
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

const event = (): { streamId: string; version: number } => ({ streamId: newId(), version: 1 });

async function announcements(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ held: number }>(
    `select count(*)::int as held from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
  );
  return rows[0]!.held;
}

describe('the watermark', () => {
  it('is 0 before the first event, and covers the first', async () => {
    expect(await watermark.read()).toBe(0);
    expect(await feed.read(0, 10)).toEqual({ events: [], reached: 0 });
    expect(await appendRaw(await session(), event())).toBe(1);
    expect(await watermark.read()).toBe(1);
    expect((await feed.read(0, 10)).events).toHaveLength(1);
  });

  it('stays below an append that is not committed, and passes it when it is', async () => {
    const [slow, fast] = [await session(), await session()];
    await appendRaw(fast, event());
    await slow.query('begin');
    const held = await appendRaw(slow, event(), event());
    const later = await appendRaw(fast, event());
    expect(later).toBeGreaterThan(held);
    expect(await watermark.read()).toBe(1);
    expect((await feed.read(1, 10)).events).toEqual([]);
    await slow.query('commit');
    expect(await watermark.read()).toBe(later);
    expect((await feed.read(1, 10)).events.map(({ position }) => position)).toEqual([2, 3, 4]);
  });

  it('passes a gap at once when its append is rolled back', async () => {
    const [slow, fast] = [await session(), await session()];
    await slow.query('begin');
    await appendRaw(slow, event(), event());
    const later = await appendRaw(fast, event());
    expect(await watermark.read()).toBe(0);
    await slow.query('rollback');
    expect(await watermark.read()).toBe(later);
    expect((await feed.read(0, 10)).events.map(({ position }) => position)).toEqual([later]);
  });

  it('passes a gap at once when the session of its append is ended', async () => {
    const [slow, fast, admin] = [await session(), await session(), await session(testDatabase.adminUrl)];
    slow.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => slow.once('end', resolve));
    const { rows } = await slow.query<{ pid: number }>(`select pg_backend_pid() as pid`);
    await slow.query('begin');
    await appendRaw(slow, event());
    const later = await appendRaw(fast, event());
    // Waits until the backend is gone.
    await admin.query(`select pg_terminate_backend($1, 5000)`, [rows[0]!.pid]);
    await ended;
    expect(await watermark.read()).toBe(later);
  });

  it('is not held up by a transaction that writes and appends nothing', async () => {
    const [writing, appending] = [await session(), await session()];
    await writing.query(`begin; insert into genledger.checkpoints (name, position) values ('stranger', 0)`);
    const position = await appendRaw(appending, event());
    expect(await watermark.read()).toBe(position);
  });

  it('stays below what an append outside of a rolled-back savepoint holds', async () => {
    const [writer, other] = [await session(), await session()];
    await writer.query('begin; savepoint s');
    await appendRaw(writer, event());
    await writer.query('rollback to s');
    expect(await announcements(writer)).toBe(0);
    const between = await appendRaw(other, event());
    expect(await watermark.read()).toBe(between);
    const after = await appendRaw(writer, event());
    await appendRaw(other, event());
    expect(await watermark.read()).toBe(between);
    await writer.query('commit');
    expect((await feed.read(0, 10)).events.map(({ position }) => position)).toEqual([
      between,
      after,
      after + 1,
    ]);
  });

  it.each(['0', '-5', '9000000000000000'])(
    'is at most delayed by a session that makes up a bound of %s',
    async (made) => {
      const [forger, honest] = [await session(), await session()];
      await appendRaw(honest, event());
      await forger.query(`set genledger.bound = '${made}'`);
      await forger.query('begin');
      const held = await appendRaw(forger, event());
      await appendRaw(honest, event());
      expect(await watermark.read()).toBeLessThan(held);
      await forger.query('commit');
      expect(await watermark.read()).toBe(held + 1);
    },
  );

  it('ignores the advisory locks of others', async () => {
    const [stranger, appending] = [await session(testDatabase.adminUrl), await session()];
    await stranger.query(
      `select pg_advisory_lock((41::bigint << 48)), pg_advisory_lock(42, 0), pg_advisory_lock(0)`,
    );
    const position = await appendRaw(appending, event());
    expect(await watermark.read()).toBe(position);
  });

  it.each(['repeatable read', 'serializable'])('refuses %s, in readers and in writers', async (level) => {
    const client = await session();
    for (const work of [
      () => client.query('select genledger.read_watermark()'),
      () => appendRaw(client, event()),
    ]) {
      await client.query(`begin isolation level ${level}`);
      await expect(work()).rejects.toMatchObject({ code: '25001' });
      await client.query('rollback');
    }
  });

  it('covers what was committed before it was asked for, and asks once for all that ask meanwhile', async () => {
    const store = new StreamStore(database.writer);
    let queries = 0;
    database.writer.on('acquire', () => queries++);
    for (let round = 0; round < 20; round++) {
      const early = Array.from({ length: 50 }, () => watermark.read());
      const outcome = await store.append({
        streams: [
          { streamId: newId(), userId: USER, expected: 'none', events: [{ type: 'Noted', data: {} }] },
        ],
        meta: { actor: USER },
      });
      const before = queries;
      const late = await Promise.all(Array.from({ length: 50 }, () => watermark.read()));
      expect(queries - before).toBeLessThanOrEqual(2);
      for (const position of late)
        expect(position).toBeGreaterThanOrEqual(outcome.status === 'appended' ? outcome.position : Infinity);
      await Promise.all(early);
    }
  });
});

describe('an announcement', () => {
  it('is one lock a transaction, whatever it appends: 100,000 events do not exhaust lock memory', async () => {
    const client = await session();
    await client.query('begin');
    for (let batch = 0; batch < 200; batch++) {
      await appendRaw(client, ...Array.from({ length: 500 }, event));
    }
    expect(await announcements(client)).toBe(1);
    expect(await watermark.read()).toBe(0);
    await client.query('commit');
    expect(await watermark.read()).toBe(100_000);
  });

  it('ends with its transaction', async () => {
    const client = await session();
    await client.query('begin');
    await appendRaw(client, event());
    expect(await announcements(client)).toBe(1);
    await client.query('commit');
    expect(await announcements(client)).toBe(0);
  });

  it('that is held for too long ends with its session, and others stay', async () => {
    const [stuck, watchdog] = [await session(), await session()];
    stuck.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => stuck.once('end', resolve));
    await stuck.query('begin');
    await appendRaw(stuck, event());
    const end = (age: string): Promise<{ rows: unknown[] }> =>
      watchdog.query(`select genledger.end_stuck_announcers($1::interval) as ended`, [age]);
    expect((await end('1 hour')).rows).toEqual([{ ended: 0 }]);
    expect((await end('0')).rows).toEqual([{ ended: 1 }]);
    await ended;
    expect(await appendRaw(watchdog, event())).toBe(2);
  });
});

describe('the feed', () => {
  it('hands out events in order, a page at a time, each once', async () => {
    const client = await session();
    for (let n = 0; n < 25; n++) await appendRaw(client, event());
    await client.query('begin');
    await appendRaw(client, event());
    await client.query('rollback');
    const seen: number[] = [];
    let after = 0;
    const pages: number[] = [];
    for (;;) {
      const { events, reached } = await feed.read(after, 10);
      if (events.length === 0 && reached === after) break;
      pages.push(events.length);
      seen.push(...events.map(({ position }) => position));
      after = reached;
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, at) => at + 1));
    expect(pages).toEqual([10, 10, 5]);
    // The gap at the end is behind the reader too.
    expect(after).toBe(26);
  });

  it('carries erasable text as long as it is there', async () => {
    const store = new StreamStore(database.writer);
    await store.append({
      streams: [
        {
          streamId: newId(),
          userId: USER,
          expected: 'none',
          events: [{ type: 'Asked', data: {}, content: { prompt: 'a cat' } }],
        },
      ],
      meta: { actor: USER },
    });
    expect((await feed.read(0, 10)).events).toMatchObject([{ content: { prompt: 'a cat' } }]);
    await database.writer.query('delete from genledger.contents');
    expect((await feed.read(0, 10)).events).toMatchObject([{ type: 'Asked', content: null }]);
  });

  it('reads across the months in the order of positions, not of ids', async () => {
    const client = await session();
    const permanent = { streamId: `f${newId().slice(1)}`, version: 1 };
    const first = event();
    await appendRaw(client, permanent);
    await appendRaw(client, first);
    await appendRaw(client, { ...permanent, version: 2 });
    expect((await feed.read(0, 10)).events.map(({ stream_id, version }) => [stream_id, version])).toEqual([
      [permanent.streamId, 1],
      [first.streamId, 1],
      [permanent.streamId, 2],
    ]);
  });
});
