import { Client, Pool } from 'pg';
import { Database, newId, serverUrls } from '@genledger/platform';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { until } from '../../../test/support/until';
import { Doorbell } from './doorbell';
import { Watermark } from './feed';
import { CheckpointOutcome, Fold, Projector } from './projector';
import { StreamStore } from './streams';

jest.setTimeout(60_000);

const USER = '11111111-1111-4111-8111-111111111111';

let testDatabase: TestDatabase;
let database: Database;
let doorbell: Doorbell;
let store: StreamStore;
let running: Projector[] = [];

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  const admin = new Client({ connectionString: testDatabase.adminUrl });
  await admin.connect();
  await admin.query(`create table genledger.counted (stream_id uuid primary key, events int not null);
                     grant select, insert, update on genledger.counted to genledger_writer`);
  await admin.end();
  database = new Database({ ...serverUrls(testDatabase.adminUrl) });
  await database.connect();
  doorbell = new Doorbell(() => database.openSession('test'));
  store = new StreamStore(database.writer, { onCommitted: () => doorbell.ring() });
});

afterEach(async () => {
  await Promise.all(running.map((projector) => projector.stop()));
  running = [];
  await doorbell.close();
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

/** Counts the events of each stream: an event that is folded twice or never shows. */
const COUNTS: Fold = {
  name: 'counts',
  async apply(pool: Pool, expected: number, watermark: number, max: number) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const { rows } = await client.query<{ last: number | null; folded: number }>(
        `select max(position) as last, count(*) as folded from (select position from genledger.events
           where position > $1 and position <= $2 order by position limit $3) page`,
        [expected, watermark, max],
      );
      const { last, folded } = rows[0]!;
      const reached = folded < max ? watermark : last!;
      const stored = await client.query<{ outcome: CheckpointOutcome }>(
        `select genledger.store_checkpoint($1, $2, $3) as outcome`,
        [COUNTS.name, expected, reached],
      );
      const { outcome } = stored.rows[0]!;
      if (outcome === 'stored')
        await client.query(
          `insert into genledger.counted as c select stream_id, count(*) from genledger.events
            where position > $1 and position <= $2 group by 1 order by 1
           on conflict (stream_id) do update set events = c.events + excluded.events`,
          [expected, reached],
        );
      await client.query('commit');
      return { outcome, reached, folded };
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  },
};

function projector(fold: Fold = COUNTS, onError: (error: unknown) => void = fail): Projector {
  const made = new Projector(database.writer, new Watermark(database.writer), doorbell, fold, onError);
  running.push(made);
  return made;
}

function fail(error: unknown): void {
  throw error;
}

async function append(streamId: string, events = 1): Promise<number> {
  const outcome = await store.append({
    streams: [
      {
        streamId,
        userId: USER,
        expected: 'any',
        events: Array.from({ length: events }, () => ({ type: 'Noted', data: {} })),
      },
    ],
    meta: { actor: USER },
  });
  if (outcome.status !== 'appended') throw new Error(outcome.status);
  return outcome.position;
}

async function counted(): Promise<Map<string, number>> {
  const { rows } = await database.writer.query<{ stream_id: string; events: number }>(
    `select stream_id, events from genledger.counted`,
  );
  return new Map(rows.map((row) => [row.stream_id, row.events]));
}

describe('storing a checkpoint', () => {
  const move = async (expected: number, next: number): Promise<CheckpointOutcome> => {
    const [row] = await database.write<{ outcome: CheckpointOutcome }>(
      `select genledger.store_checkpoint('x', $1, $2) as outcome`,
      [expected, next],
    );
    return row!.outcome;
  };

  it('moves it from where it was expected, once', async () => {
    expect(await move(0, 10)).toBe('stored');
    expect(await move(10, 25)).toBe('stored');
    expect(await move(10, 25)).toBe('already_there');
  });

  it('leaves it where it is when it was not where it was expected', async () => {
    await move(0, 10);
    expect(await move(5, 20)).toBe('mismatch');
    expect(await move(5, 8)).toBe('someone_ahead');
    expect(await move(10, 5)).toBe('someone_ahead');
    expect(await move(10, 10)).toBe('already_there');
    expect(await move(10, 11)).toBe('stored');
  });

  it('lets one of many win', async () => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => move(0, 7)));
    expect(outcomes.sort()).toEqual([...Array.from({ length: 9 }, () => 'already_there'), 'stored']);
  });

  it('undoes with its transaction', async () => {
    await database
      .transaction(async (query) => {
        await query(`select genledger.store_checkpoint('x', 0, 10)`);
        throw new Error('the fold failed');
      })
      .catch(() => undefined);
    expect(await move(0, 3)).toBe('stored');
  });
});

describe('a projector', () => {
  it('folds what is there when it is told to drain, and stands where it says', async () => {
    const stream = newId();
    const position = await append(stream, 7);
    const folding = projector();
    expect(await folding.storedPosition()).toBe(0);
    await folding.drain();
    expect(await folding.storedPosition()).toBe(position);
    expect(await counted()).toEqual(new Map([[stream, 7]]));
    await folding.drain();
    expect(await counted()).toEqual(new Map([[stream, 7]]));
  });

  it('keeps up by itself, and tells who waits', async () => {
    const folding = projector();
    folding.start();
    const streams = Array.from({ length: 30 }, () => newId());
    for (const stream of streams) {
      await folding.waitFor(await append(stream, 2));
      expect((await counted()).get(stream)).toBe(2);
    }
  });

  it('is waited for from elsewhere, by one who does not fold', async () => {
    projector().start();
    const position = await append(newId());
    await projector().waitFor(position);
    expect((await counted()).size).toBe(1);
  });

  it('is waited for only as long as the caller says', async () => {
    await expect(projector().waitFor(1, 20)).rejects.toThrow('counts did not reach position 1 in time');
  });

  it('folds in pages where more is waiting than a page holds', async () => {
    const stream = newId();
    for (let n = 0; n < 4; n++) await append(stream, 3_000);
    await projector().drain();
    expect(await counted()).toEqual(new Map([[stream, 12_000]]));
  });

  it('shares its fold with others: every event counts once', async () => {
    const projectors = [projector(), projector(), projector()];
    for (const one of projectors) one.start();
    const streams = Array.from({ length: 20 }, () => newId());
    const positions = await Promise.all(
      Array.from({ length: 600 }, (_, n) => append(streams[n % streams.length]!)),
    );
    await projectors[0]!.waitFor(Math.max(...positions));
    await Promise.all(projectors.map((one) => one.drain()));
    expect(await counted()).toEqual(new Map(streams.map((stream) => [stream, 30])));
  });

  it('tells of an error, stays where it was, and goes on when the fold works again', async () => {
    let broken = true;
    const errors: unknown[] = [];
    const flaky: Fold = {
      name: COUNTS.name,
      apply: (...args) => (broken ? Promise.reject(new Error('poison')) : COUNTS.apply(...args)),
    };
    const folding = projector(flaky, (error) => errors.push(error));
    folding.start();
    const stream = newId();
    const position = await append(stream);
    await until('the error is told', () => errors.length > 0);
    expect(await folding.storedPosition()).toBe(0);
    broken = false;
    await folding.waitFor(position);
    expect(await counted()).toEqual(new Map([[stream, 1]]));
  });

  it('stops with a fold that is under way finished, and folds no more', async () => {
    const folding = projector();
    folding.start();
    await folding.waitFor(await append(newId()));
    await folding.stop();
    const stood = await folding.storedPosition();
    const position = await append(newId());
    expect(await folding.storedPosition()).toBe(stood);
    expect(position).toBeGreaterThan(stood);
  });
});
