import { Client } from 'pg';
import { CommandRejected, NotIJson, StoreUnavailable, StreamAppend } from '@genledger/event-store';
import { newId, newIdAt, serverUrls } from '@genledger/platform';
import type { JobItem, JobOutcome } from '../../libs/jobs/src/job-item';
import { createTestDatabase, TestDatabase } from '../support/test-database';
import { startTcpProxy, TcpProxy } from '../support/tcp-proxy';
import { until } from '../support/until';
import { naiveBatch } from './naive-batch';
import { changePriority, queueJob, startProcess, StoreProcess, USER } from './processes';

jest.setTimeout(60_000);

const NUL = String.fromCharCode(0);
const TOO_LARGE = 'x'.repeat(1_500_000);

let testDatabase: TestDatabase;
let process1: StoreProcess;
let admin: Client;
let strangers: Client[] = [];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  process1 = await startProcess(testDatabase.adminUrl);
  admin = new Client({ connectionString: testDatabase.adminUrl });
  await admin.connect();
});

afterEach(async () => {
  await Promise.all(strangers.map((stranger) => stranger.end()));
  strangers = [];
});

afterAll(async () => {
  await admin.end();
  await process1.stop();
  await testDatabase.drop();
});

/** A session that has begun a transaction, and holds what the statement takes until it ends. */
async function stranger(statement: string, ...values: unknown[]): Promise<Client> {
  const client = new Client({ connectionString: testDatabase.adminUrl });
  strangers.push(client);
  await client.connect();
  await client.query('begin');
  await client.query(statement, values);
  return client;
}

const holdJob = (id: string): Promise<Client> =>
  stranger(`select 1 from genledger.job_states where id = $1 for update`, id);

async function queued(count: number): Promise<string[]> {
  const items = Array.from({ length: count }, () => queueJob());
  const outcomes = await process1.jobs.submitMany(items);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['accepted']));
  return items.map(({ id }) => id);
}

/** Versions in the log, by stream. */
async function logged(ids: readonly string[]): Promise<Map<string, number[]>> {
  const { rows } = await admin.query<{ stream_id: string; versions: number[] }>(
    `select stream_id, array_agg(version order by version) as versions from genledger.events
      where stream_id = any ($1::uuid[]) group by 1`,
    [ids],
  );
  return new Map(rows.map((row) => [row.stream_id, row.versions]));
}

/** Each job that was accepted has one event and its rows; no other has any. */
async function expectStoredOnce(items: readonly JobItem[], accepted: (id: string) => boolean): Promise<void> {
  const versions = await logged(items.map(({ id }) => id));
  const { rows } = await admin.query<{ id: string }>(
    `select id from genledger.generation_jobs where id = any ($1::uuid[])`,
    [items.map(({ id }) => id)],
  );
  const present = new Set(rows.map(({ id }) => id));
  for (const { id } of items) {
    expect([id, versions.get(id) ?? [], present.has(id)]).toEqual([
      id,
      accepted(id) ? [1] : [],
      accepted(id),
    ]);
  }
}

interface Situation {
  readonly what: string;
  /** What the neighbours must not notice. */
  arrange(): Promise<JobItem>;
  readonly answer: unknown;
}

const SITUATIONS: readonly Situation[] = [
  {
    what: 'has an id of a month that has no partition',
    arrange: async () => queueJob({}, newIdAt(Date.UTC(2001, 0, 1))),
    answer: expect.any(CommandRejected),
  },
  {
    what: 'has an id that is taken',
    arrange: async () => queueJob({}, (await queued(1))[0]),
    answer: expect.any(CommandRejected),
  },
  {
    what: 'holds text that nobody can store',
    arrange: async () => queueJob({ metadata: { note: NUL } }),
    answer: expect.any(NotIJson),
  },
  {
    what: 'holds a number that the column cannot',
    arrange: async () => queueJob({ priority: 2 ** 40 }),
    answer: expect.objectContaining({ name: 'RangeError' }),
  },
  {
    what: 'meets a row that a stranger keeps',
    arrange: async () => {
      const [id] = await queued(1);
      await holdJob(id!);
      return changePriority(id!, 5);
    },
    answer: expect.objectContaining({ status: 'conflict' }),
  },
  {
    what: 'refers to a project that a stranger keeps',
    arrange: async () => {
      const projectId = newId();
      await admin.query(`insert into genledger.projects (id, user_id, name) values ($1, $2, 'held')`, [
        projectId,
        USER,
      ]);
      await stranger(`select 1 from genledger.projects where id = $1 for update`, projectId);
      return queueJob({ projectId });
    },
    answer: expect.objectContaining({ status: 'conflict' }),
  },
  {
    what: 'has a key that a stranger has taken and may still give back',
    arrange: async () => {
      const key = newId();
      await stranger(
        `insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version) values ($1, $1, $1, 1)`,
        key,
      );
      return { ...queueJob(), key: { hash: key, fingerprint: key } };
    },
    answer: expect.objectContaining({ status: 'conflict' }),
  },
  {
    what: 'is larger than a batch may be',
    arrange: async () => queueJob({ metadata: { note: TOO_LARGE } }),
    answer: expect.objectContaining({ status: 'accepted' }),
  },
];

describe('a batch in which one command', () => {
  it.each(SITUATIONS)(
    '$what: it is answered, and all others as if it were not there',
    async ({ arrange, answer }) => {
      const odd = await arrange();
      const others = Array.from({ length: 200 }, () => queueJob());
      const changed = await queued(50);
      const items = [
        ...others.slice(0, 77),
        odd,
        ...others.slice(77),
        ...changed.map((id) => changePriority(id, 9)),
      ];
      const answers = await Promise.allSettled(items.map((item) => process1.jobs.submit(item)));
      const values = answers.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as unknown)));
      expect(values[77]).toEqual(answer);
      values.splice(77, 1);
      expect(new Set(values.map((value) => (value as JobOutcome).status))).toEqual(new Set(['accepted']));
      await expectStoredOnce(others, () => true);
      expect(new Set([...(await logged(changed)).values()].map(String))).toEqual(new Set(['1,2']));
    },
  );

  it('is each of these at once: every one is answered as if alone', async () => {
    const odd = await Promise.all(SITUATIONS.map(({ arrange }) => arrange()));
    const others = Array.from({ length: 1_500 }, () => queueJob());
    const items = [...others];
    odd.forEach((item, at) => items.splice(at * 190 + 3, 0, item));
    const answers = await Promise.allSettled(items.map((item) => process1.jobs.submit(item)));
    const byId = new Map(items.map(({ id }, at) => [id, answers[at]!]));
    odd.forEach(({ id }, at) => {
      const answer = byId.get(id)!;
      expect(answer.status === 'fulfilled' ? answer.value : answer.reason).toEqual(SITUATIONS[at]!.answer);
    });
    await expectStoredOnce(others, () => true);
  });

  it('waits for a row: the others are answered before it, and it goes through when the row is free', async () => {
    const [id] = await queued(1);
    const holder = await holdJob(id!);
    let answered = false;
    const waiting = process1.jobs.submit(changePriority(id!, 5)).finally(() => (answered = true));
    const others = await Promise.all(Array.from({ length: 100 }, () => process1.jobs.submit(queueJob())));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(['accepted']));
    expect(answered).toBe(false);
    await holder.query('rollback');
    expect(await waiting).toMatchObject({ status: 'accepted', version: 2 });
  });

  it('is followed by another on the same stream: they keep their order', async () => {
    const [id] = await queued(1);
    const holder = await holdJob(id!);
    const outcomes = Promise.all(
      Array.from({ length: 20 }, (_, n) => process1.jobs.submit(changePriority(id!, n + 1))),
    );
    await process1.jobs.submit(queueJob());
    await holder.query('rollback');
    expect((await outcomes).map((outcome) => 'version' in outcome && outcome.version)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 2),
    );
    const { rows } = await admin.query(`select -rank as priority from genledger.job_states where id = $1`, [
      id,
    ]);
    expect(rows).toEqual([{ priority: 20 }]);
  });
});

describe('a batch without that care', () => {
  let client: Client;

  beforeEach(async () => {
    client = new Client({ connectionString: testDatabase.url });
    strangers.push(client);
    await client.connect();
  });

  const fresh = (): { streamId: string; version: number } => ({ streamId: newId(), version: 1 });

  it('goes through when nothing is odd', async () => {
    expect(await naiveBatch(client, [fresh(), fresh()])).toBe('all');
  });

  it('fails everyone for the id of a month that has no partition', async () => {
    const odd = { streamId: newIdAt(Date.UTC(2001, 0, 1)), version: 1 };
    expect(await naiveBatch(client, [fresh(), odd, fresh()])).toBe('none');
  });

  it('fails everyone for an id that is taken', async () => {
    const taken = fresh();
    await naiveBatch(client, [taken]);
    expect(await naiveBatch(client, [fresh(), taken, fresh()])).toBe('none');
  });

  it('fails everyone for a row that a stranger keeps', async () => {
    const [held] = await streamsWithHeads(1);
    await stranger(`select 1 from genledger.stream_heads where stream_id = $1 for update`, held);
    expect(await naiveBatch(client, [fresh(), { streamId: held!, version: 2 }, fresh()])).toBe('none');
  });

  it('fails everyone for a key that was used before', async () => {
    const key = newId();
    await naiveBatch(client, [{ ...fresh(), key }]);
    expect(await naiveBatch(client, [fresh(), { ...fresh(), key }, fresh()])).toBe('none');
  });
});

async function streamsWithHeads(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId()).sort();
  await process1.streams.append({ streams: ids.map(note), meta: { actor: USER } });
  return ids;
}

function note(streamId: string): StreamAppend {
  return { streamId, userId: USER, expected: 'any', events: [{ type: 'Noted', data: {} }] };
}

describe('batches of several processes', () => {
  let process2: StoreProcess;

  beforeAll(async () => {
    process2 = await startProcess(testDatabase.adminUrl);
  });

  afterAll(() => process2.stop());

  it("that repeat each other's keys in the opposite order: each key is one job, and both are told of it", async () => {
    const keys = Array.from({ length: 400 }, () => newId());
    const ask = (process: StoreProcess, order: readonly string[]): Promise<JobOutcome[]> =>
      Promise.all(
        order.map((key) => process.jobs.submit({ ...queueJob(), key: { hash: key, fingerprint: USER } })),
      );
    const [one, two] = await Promise.all([ask(process1, keys), ask(process2, [...keys].reverse())]);
    two.reverse();
    const jobs = new Set<string>();
    keys.forEach((_, at) => {
      expect([one[at]!.status, two[at]!.status].sort()).toEqual(['accepted', 'replayed']);
      expect(one[at]!.id).toBe(two[at]!.id);
      jobs.add(one[at]!.id);
    });
    expect(jobs.size).toBe(keys.length);
    expect((await logged([...jobs])).size).toBe(keys.length);
  });

  it('that change the same jobs: every change is one version', async () => {
    const ids = await queued(30);
    const change = (process: StoreProcess, offset: number): Promise<JobOutcome>[] =>
      ids.flatMap((id) => [1, 2, 3, 4].map((n) => process.jobs.submit(changePriority(id, offset + n))));
    const outcomes = await Promise.all([...change(process1, 0), ...change(process2, 10)]);
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['accepted']));
    expect(new Set([...(await logged(ids)).values()].map(String))).toEqual(new Set(['1,2,3,4,5,6,7,8,9']));
  });

  it('that a stranger draws into a deadlock: the batch gives way, is repeated and goes through', async () => {
    const [first, second] = await streamsWithHeads(2);
    const head = `select 1 from genledger.stream_heads where stream_id = $1 for update`;
    const other = await stranger(`set local deadlock_timeout = '30s'`);
    await other.query(head, [second]);
    // Waits for `second` with `first` locked, alone in its batch.
    const appending = process2.streams.append({
      streams: [note(first!), note(second!)],
      meta: { actor: USER },
    });
    await until('the batch waits', async () => {
      const { rows } = await admin.query(
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%load_stream_heads%'
            and datname = current_database()`,
      );
      return rows.length === 1;
    });
    // Granted only when the batch has let go of it: PostgreSQL ends one of the two, after a second.
    await other.query(head, [first]);
    await other.query('commit');
    expect(await appending).toMatchObject({ status: 'appended', versions: [2, 2] });
  });
});

describe('throughput', () => {
  const CALLERS = 48;
  const RUN_MS = 600;

  it('hardly falls for a stranger who keeps one row', async () => {
    const ids = await queued(CALLERS * 8);
    const [held] = await queued(1);
    await changesIn(ids);
    const free: number[] = [];
    const beside: number[] = [];
    for (let round = 0; round < 3; round++) {
      free.push(await changesIn(ids));
      const holder = await holdJob(held!);
      const waiting = Array.from({ length: 6 }, (_, n) =>
        process1.jobs.submit(changePriority(held!, n + 10 * round + 1)),
      );
      beside.push(await changesIn(ids));
      await holder.end();
      strangers = strangers.filter((one) => one !== holder);
      await Promise.all(waiting);
    }
    const ratio = median(beside) / median(free);
    process.stdout.write(
      `torture of the group commit: ${Math.round(median(free))} commands/s, ${Math.round(median(beside))} beside a held ` +
        `row (${ratio.toFixed(2)} of it)\n`,
    );
    // The aim is 0.8; a busy machine blurs it. Without the side lane it is below 0.1.
    expect(ratio).toBeGreaterThan(0.5);
  });

  /** Commands a second, of callers that each go on with a job of their own. */
  async function changesIn(ids: readonly string[]): Promise<number> {
    const started = performance.now();
    let done = 0;
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let n = 0; performance.now() - started < RUN_MS; n++) {
          const id = ids[caller * 8 + (n % 8)]!;
          const outcome = await process1.jobs.submit(changePriority(id, 1 + Math.floor(Math.random() * 90)));
          if (outcome.status === 'accepted' || outcome.status === 'unchanged') done++;
        }
      }),
    );
    return (done * 1_000) / (performance.now() - started);
  }

  function median(values: readonly number[]): number {
    return [...values].sort((a, b) => a - b)[values.length >> 1]!;
  }
});

describe('a connection that breaks', () => {
  let proxy: TcpProxy;
  let process3: StoreProcess;

  beforeAll(async () => {
    proxy = await startTcpProxy(testDatabase.adminUrl);
    process3 = await startProcess(proxy.through(testDatabase.adminUrl));
  });

  afterAll(async () => {
    await process3.stop();
    await proxy.close();
  });

  it.each([1, 40])(
    'with the answer of COMMIT lost: %i callers are told the truth, and it is stored once',
    async (count) => {
      const items = Array.from({ length: count }, () => queueJob());
      const cut = proxy.cutNext('after_commit');
      const outcomes = await Promise.all(items.map((item) => process3.jobs.submit(item)));
      await cut;
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['accepted']));
      await expectStoredOnce(items, () => true);
    },
  );

  it.each([1, 40])('before COMMIT gets there: %i commands are repeated, and stored once', async (count) => {
    const items = Array.from({ length: count }, () => queueJob());
    const cut = proxy.cutNext('before_commit');
    const outcomes = await Promise.all(items.map((item) => process3.jobs.submit(item)));
    await cut;
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['accepted']));
    await expectStoredOnce(items, () => true);
  });

  it('again and again: a key is one job, whatever breaks', async () => {
    const key = { hash: newId(), fingerprint: USER };
    const answers: JobOutcome[] = [];
    for (const how of ['after_commit', 'before_commit', 'after_commit'] as const) {
      const cut = proxy.cutNext(how);
      answers.push(await process3.jobs.submit({ ...queueJob(), key }));
      await cut;
    }
    expect(answers.map(({ status }) => status)).toEqual(['accepted', 'replayed', 'replayed']);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await logged([answers[0]!.id])).toEqual(new Map([[answers[0]!.id, [1]]]));
  });

  it('and none to be had: the store is unavailable, nothing is stored, and later all is well', async () => {
    const items = Array.from({ length: 30 }, () => queueJob());
    await proxy.refuse();
    const answers = await Promise.allSettled(items.map((item) => process3.jobs.submit(item)));
    for (const answer of answers)
      expect(answer).toEqual({ status: 'rejected', reason: expect.any(StoreUnavailable) });
    await expectStoredOnce(items, () => false);
    await proxy.accept();
    const again = await Promise.all(items.map((item) => process3.jobs.submit(item)));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set(['accepted']));
    await expectStoredOnce(items, () => true);
  });

  it('because its backend is ended, over and over: what is acknowledged is stored once, the rest not at all', async () => {
    const { username } = new URL(serverUrls(testDatabase.adminUrl).writerUrl);
    const accepted = new Set<string>();
    const refused = new Set<string>();
    const items: JobItem[] = [];
    let over = false;
    const callers = Array.from({ length: 24 }, async () => {
      while (!over) {
        const item = queueJob();
        items.push(item);
        try {
          const outcome = await process1.jobs.submit(item);
          if (outcome.status === 'accepted') accepted.add(item.id);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreUnavailable);
          refused.add(item.id);
        }
      }
    });
    for (let kill = 0; kill < 30; kill++) {
      await admin.query('select pg_sleep(0.05)');
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and datname = current_database()
          order by state = 'idle', random() limit 1`,
        [username],
      );
    }
    over = true;
    await Promise.all(callers);
    expect(accepted.size + refused.size).toBe(items.length);
    expect(accepted.size).toBeGreaterThan(100);
    await expectStoredOnce(items, (id) => accepted.has(id));
    process.stdout.write(
      `torture of the group commit: 30 backends ended under ${items.length} commands, ${accepted.size} accepted and ` +
        `stored once, ${refused.size} refused and not stored\n`,
    );
  });
});
