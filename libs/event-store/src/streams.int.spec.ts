import { Client } from 'pg';
import { Database, newId, newIdAt, serverUrls } from '@genledger/platform';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { contentHash, NotIJson } from './event-rows';
import { CommandRejected } from './sqlstate';
import { Append, AppendedEvent, AppendOutcome, ExpectedVersion, StreamStore } from './streams';

jest.setTimeout(60_000);

const USER = '11111111-1111-4111-8111-111111111111';
const noted = (text: string): AppendedEvent => ({ type: 'Noted', data: { text } });

let testDatabase: TestDatabase;
let database: Database;
let store: StreamStore;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  store = new StreamStore(database.writer);
});

afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

function append(streamId: string, expected: ExpectedVersion, ...events: AppendedEvent[]): Append {
  return { streams: [{ streamId, userId: USER, expected, events }], meta: { actor: USER } };
}

/** Stores of processes of their own, as far as the log can tell: nothing is shared but the database. */
function processes(count: number): StreamStore[] {
  return Array.from({ length: count }, () => new StreamStore(database.writer));
}

const statuses = (outcomes: readonly AppendOutcome[]): string[] =>
  outcomes.map(({ status }) => status).sort();

describe('appending to one stream', () => {
  it('starts a stream, and goes on from the version that is expected', async () => {
    const id = newId();
    const started = await store.append(append(id, 'none', noted('a'), noted('b')));
    expect(started).toMatchObject({ status: 'appended', versions: [2] });
    const gone = await store.append(append(id, 2, noted('c')));
    expect(gone).toMatchObject({ status: 'appended', versions: [3] });
    expect((await store.read(id)).map(({ version, data }) => [version, data.text])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
  });

  it.each([
    ['none' as const, 2],
    [1, 2],
    [3, 2],
    [0, 2],
  ])('answers a conflict that carries the actual version where %p was expected', async (expected, actual) => {
    const id = newId();
    await store.append(append(id, 'none', noted('a'), noted('b')));
    expect(await store.append(append(id, expected, noted('c')))).toEqual({
      status: 'conflict',
      streamId: id,
      expected,
      actual,
    });
    expect(await store.read(id)).toHaveLength(2);
  });

  it('answers a conflict with version 0 where the stream does not exist', async () => {
    const id = newId();
    expect(await store.append(append(id, 1, noted('a')))).toMatchObject({ status: 'conflict', actual: 0 });
    expect(await store.read(id)).toEqual([]);
  });

  it('takes any version when any is good, and 0 for none', async () => {
    const id = newId();
    expect(await store.append(append(id, 'any', noted('a')))).toMatchObject({ versions: [1] });
    expect(await store.append(append(id, 'any', noted('b')))).toMatchObject({ versions: [2] });
    expect(await store.append(append(newId(), 0, noted('a')))).toMatchObject({ versions: [1] });
  });

  it('stores nothing where no events are given, and leaves the way open for the first', async () => {
    const id = newId();
    const [nothing] = await store.appendMany([append(id, 'none'), append(newId(), 'none', noted('other'))]);
    expect(nothing).toMatchObject({ status: 'appended', versions: [0] });
    expect(await store.append(append(id, 'none', noted('a')))).toMatchObject({ versions: [1] });
  });

  it('reads on after a version, and as many as are asked for', async () => {
    const id = newId();
    await store.append(append(id, 'none', ...['a', 'b', 'c', 'd'].map(noted)));
    expect((await store.read(id, 1, 2)).map(({ version }) => version)).toEqual([2, 3]);
    expect(await store.read(id, 4)).toEqual([]);
    expect(await store.read(newId())).toEqual([]);
  });
});

describe('appending to several streams', () => {
  const both = (a: string, b: string, expected: ExpectedVersion): Append => ({
    streams: [
      { streamId: a, userId: USER, expected: 'any', events: [noted('one')] },
      { streamId: b, userId: USER, expected, events: [noted('two'), noted('three')] },
    ],
    meta: { actor: USER },
  });

  it('is all of them', async () => {
    const [a, b] = [newId(), newId()];
    expect(await store.append(both(a, b, 'none'))).toMatchObject({ status: 'appended', versions: [1, 2] });
    expect(await store.read(a)).toHaveLength(1);
    expect(await store.read(b)).toHaveLength(2);
  });

  it('is none of them when one is not at its version', async () => {
    const [a, b] = [newId(), newId()];
    expect(await store.append(both(a, b, 5))).toEqual({
      status: 'conflict',
      streamId: b,
      expected: 5,
      actual: 0,
    });
    expect(await store.read(a)).toEqual([]);
    expect(await store.read(b)).toEqual([]);
  });

  it('is none of them when the database refuses one', async () => {
    const [a, b] = [newId(), newIdAt(Date.UTC(2001, 0, 1))];
    await expect(store.append(both(a, b, 'none'))).rejects.toThrow(CommandRejected);
    expect(await store.read(a)).toEqual([]);
  });
});

describe('writers that meet', () => {
  it('at one version: one of fifty wins, the others are told where the stream is now', async () => {
    const id = newId();
    await store.append(append(id, 'none', noted('start')));
    const outcomes = await Promise.all(
      processes(5).flatMap((process) =>
        Array.from({ length: 10 }, (_, n) => process.append(append(id, 1, noted(`writer ${n}`)))),
      ),
    );
    expect(statuses(outcomes)).toEqual(['appended', ...Array.from({ length: 49 }, () => 'conflict')]);
    for (const outcome of outcomes.filter(({ status }) => status === 'conflict'))
      expect(outcome).toMatchObject({ actual: 2 });
    expect(await store.read(id)).toHaveLength(2);
  });

  it('at the start of a stream: one of fifty makes it', async () => {
    const id = newId();
    const outcomes = await Promise.all(
      processes(5).flatMap((process) =>
        Array.from({ length: 10 }, (_, n) => process.append(append(id, 'none', noted(`writer ${n}`)))),
      ),
    );
    expect(statuses(outcomes)).toEqual(['appended', ...Array.from({ length: 49 }, () => 'conflict')]);
    expect(await store.read(id)).toHaveLength(1);
  });

  it('with any version: all 64 go in, without a gap, in the order of their positions', async () => {
    const id = newId();
    const outcomes = await Promise.all(
      processes(4).flatMap((process, p) =>
        Array.from({ length: 16 }, (_, n) => process.append(append(id, 'any', noted(`${p}/${n}`)))),
      ),
    );
    expect(new Set(statuses(outcomes))).toEqual(new Set(['appended']));
    const events = await store.read(id);
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 64 }, (_, at) => at + 1));
    const positions = events.map(({ position }) => position);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(new Set(events.map(({ data }) => data.text)).size).toBe(64);
    const times = events.map(({ recorded_at }) => recorded_at.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('in opposite orders of the same streams: all go in', async () => {
    const ids = Array.from({ length: 6 }, () => newId());
    const [ahead, back] = processes(2);
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, n) => {
        const order = n % 2 === 0 ? ids : [...ids].reverse();
        return (n % 2 === 0 ? ahead! : back!).append({
          streams: order.map((streamId) => ({
            streamId,
            userId: USER,
            expected: 'any',
            events: [noted(`${n}`)],
          })),
          meta: { actor: USER },
        });
      }),
    );
    expect(new Set(statuses(outcomes))).toEqual(new Set(['appended']));
    for (const id of ids) expect(await store.read(id)).toHaveLength(40);
  });

  it('with a stranger who keeps the head: busy is the answer, and others go through meanwhile', async () => {
    const [held, free] = [newId(), newId()];
    await store.append(append(held, 'none', noted('a')));
    const stranger = new Client({ connectionString: testDatabase.url });
    await stranger.connect();
    await stranger.query('begin');
    await stranger.query(`select 1 from genledger.stream_heads where stream_id = $1 for update`, [held]);
    try {
      const waiting = store.append(append(held, 'any', noted('b')));
      expect(await store.append(append(free, 'none', noted('a')))).toMatchObject({ status: 'appended' });
      expect(await waiting).toEqual({ status: 'busy', streamId: held });
    } finally {
      await stranger.end();
    }
    expect(await store.append(append(held, 'any', noted('c')))).toMatchObject({ versions: [2] });
  });
});

describe('what is stored', () => {
  it('never goes back in time, though the clock does', async () => {
    const start = Date.now();
    let now = start;
    const drifting = new StreamStore(database.writer, { clock: () => (now -= 1_000) });
    const id = newId();
    for (let n = 0; n < 50; n++) await drifting.append(append(id, 'any', noted(`${n}`)));
    const times = (await store.read(id)).map(({ recorded_at }) => recorded_at.getTime());
    expect(times).toEqual(Array.from({ length: 50 }, () => start - 1_000));
  });

  it('takes its time from the database', async () => {
    const id = newId();
    const { rows } = await database.writer.query<{ now: Date }>(`select clock_timestamp() as now`);
    await store.append(append(id, 'none', noted('a')));
    const recorded = (await store.read(id))[0]!.recorded_at.getTime();
    expect(recorded).toBeGreaterThanOrEqual(rows[0]!.now.getTime() - 1);
    expect(recorded).toBeLessThan(rows[0]!.now.getTime() + 10_000);
  });

  it('keeps data and meta byte for byte', async () => {
    const id = newId();
    const data = { z: 1, a: { 'ключ"\\': 'Grüße 🧀 \u2028 \\u0041', list: [1.5, -0.1, 1e21, null, true] } };
    await store.append({
      streams: [{ streamId: id, userId: USER, expected: 'none', events: [{ type: 'Noted', data }] }],
      meta: { actor: USER, correlation_id: 'größe' },
    });
    const { rows } = await database.writer.query<{ data: string; meta: string }>(
      `select data::text as data, meta::text as meta from genledger.events where stream_id = $1`,
      [id],
    );
    expect(rows).toEqual([
      { data: JSON.stringify(data), meta: JSON.stringify({ actor: USER, correlation_id: 'größe' }) },
    ]);
    expect((await store.read(id))[0]).toMatchObject({
      data,
      user_id: USER,
      schema_version: 1,
      type: 'Noted',
    });
  });

  it('keeps erasable text beside the log, which carries only its commitment', async () => {
    const id = newId();
    const content = { prompt: 'ein Bär 🐻, der "tanzt"' };
    await store.append(
      append(id, 'none', { type: 'Asked', data: { n: 1 }, content, schemaVersion: 3 }, noted('without')),
    );
    const { rows } = await database.writer.query<{
      version: number;
      salt: Buffer;
      body: string;
      user_id: string;
    }>(`select version, salt, body::text as body, user_id from genledger.contents where stream_id = $1`, [
      id,
    ]);
    expect(rows).toMatchObject([{ version: 1, user_id: USER, body: JSON.stringify(content) }]);
    const [asked, other] = await store.read(id);
    expect(asked).toMatchObject({
      content,
      schema_version: 3,
      data: { n: 1, content_sha256: contentHash(rows[0]!.salt, rows[0]!.body) },
    });
    expect(other!.content).toBeNull();
    const logged = await database.writer.query(
      `select 1 from genledger.events where data::text like '%tanzt%'`,
    );
    expect(logged.rowCount).toBe(0);
  });

  it('reads as null where the text was erased, and the log stays as it was', async () => {
    const id = newId();
    await store.append(append(id, 'none', { type: 'Asked', data: {}, content: { prompt: 'secret' } }));
    const [before] = await store.read(id);
    await database.writer.query(`delete from genledger.contents where stream_id = $1`, [id]);
    const [after] = await store.read(id);
    expect(after).toEqual({ ...before, content: null });
  });
});

describe('months', () => {
  it('without a partition refuse their streams, and only these', async () => {
    const old = newIdAt(Date.UTC(2001, 5, 1));
    const ids = Array.from({ length: 40 }, () => newId());
    const outcomes = await Promise.allSettled(
      [...ids.slice(0, 17), old, ...ids.slice(17)].map((id) => store.append(append(id, 'none', noted('a')))),
    );
    const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(rejected).toHaveLength(1);
    expect(rejected[0]!.reason).toBeInstanceOf(CommandRejected);
    expect(rejected[0]!.reason).toMatchObject({ sqlState: '23514' });
    for (const id of ids) expect(await store.read(id)).toHaveLength(1);
    expect(await store.read(old)).toEqual([]);
  });

  it('that were made beforehand take theirs', async () => {
    const old = newIdAt(Date.UTC(2002, 5, 1));
    const make = `select genledger.ensure_partitions('2002-05-20', '2002-07-01') as made`;
    expect((await database.writer.query(make)).rows).toEqual([{ made: 3 }]);
    expect((await database.writer.query(make)).rows).toEqual([{ made: 0 }]);
    expect(await store.append(append(old, 'none', noted('a')))).toMatchObject({ status: 'appended' });
    expect(await partitionOf(old)).toBe('events_2002_06');
  });

  it('begin and end where UTC says', async () => {
    await database.writer.query(`select genledger.ensure_partitions('2003-01-01', '2003-02-01')`);
    const last = newIdAt(Date.UTC(2003, 1, 1) - 1);
    const first = newIdAt(Date.UTC(2003, 1, 1));
    await store.appendMany([last, first].map((id) => append(id, 'none', noted('a'))));
    expect([await partitionOf(last), await partitionOf(first)]).toEqual(['events_2003_01', 'events_2003_02']);
  });

  it('do not matter to streams that live long', async () => {
    const id = `f${newId().slice(1)}`;
    expect(await store.append(append(id, 'none', noted('a')))).toMatchObject({ status: 'appended' });
    expect(await partitionOf(id)).toBe('events_permanent');
  });

  async function partitionOf(id: string): Promise<string | undefined> {
    const { rows } = await database.writer.query<{ name: string }>(
      `select replace(tableoid::regclass::text, 'genledger.', '') as name from genledger.events where stream_id = $1`,
      [id],
    );
    return rows[0]?.name;
  }
});

describe('a command that cannot be written', () => {
  const NUL = String.fromCharCode(0);

  it.each([
    ['data', { type: 'Noted', data: { text: NUL } }, NotIJson],
    ['erasable text', { type: 'Asked', data: {}, content: { prompt: '\ud800' } }, NotIJson],
    ['a number that JSON does not have', { type: 'Noted', data: { n: 10n } }, TypeError],
  ])('for its %s is refused by itself', async (_what, event, why) => {
    const ids = Array.from({ length: 20 }, () => newId());
    const outcomes = await Promise.allSettled(
      ids.map((id, at) => store.append(append(id, 'none', at === 7 ? event : noted('fine')))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(
      ids.map((_, at) => (at === 7 ? 'rejected' : 'fulfilled')),
    );
    expect((outcomes[7] as PromiseRejectedResult).reason).toBeInstanceOf(why);
    expect(await store.read(ids[7]!)).toEqual([]);
  });

  it('for its id is refused by itself', async () => {
    const ids = [newId(), newId().toUpperCase(), newId()];
    const outcomes = await Promise.allSettled(ids.map((id) => store.append(append(id, 'none', noted('a')))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
