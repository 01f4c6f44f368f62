import { Client, Pool } from 'pg';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { Doorbell, Feed, LogTail, Watermark } from '@genledger/event-store';
import { Actor, Database, newId, serverUrls } from '@genledger/platform';
import { explainEverything, Plan, PlanNode, plansOf } from '../../../test/support/explained';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import { actorMeta } from './commands/actor-meta';
import { JobStore } from './job-store';
import { EventFeed } from './read-models/event-feed';
import { GenerationJobRow } from './read-models/generation-job.entity';
import { JobFilter, JobReader } from './read-models/job-reader';
import { LogClock } from './read-models/log-clock';
import { PastStatisticsReader } from './read-models/past-statistics-reader';
import { newJob, WORKER } from './testing/job-fixtures';

jest.setTimeout(60_000);

const JOBS = 20_000;
const USERS = 50;
const META = actorMeta(WORKER);

let testDatabase: TestDatabase;
let superuser: Client;
let database: Database;
let doorbell: Doorbell;
let store: JobStore;
let reader: JobReader;
let pools: Pool[];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  await fill();
  await explainEverything(superuser);
  database = new Database({ ...serverUrls(testDatabase.adminUrl), entities: [GenerationJobRow] });
  await database.connect();
  const connection = { pool: database.writer, openSession: () => database.openSession('test') };
  doorbell = new Doorbell(connection.openSession);
  store = new JobStore(connection, doorbell);
  reader = new JobReader(database, { sign: (url) => ({ url, url_expires_at: '' }) });
  pools = [
    database.writer,
    await database.readEntities(
      user(1),
      async ({ connection: { driver } }) => (driver as PostgresDriver).master,
    ),
  ];
});

afterAll(async () => {
  await doorbell.close();
  await database.onApplicationShutdown();
  await superuser.end();
  await testDatabase.drop();
});

/**
 * Fifty users' jobs of the last fortnight: 80 % done, 10 % failed, 1 % running, the others queued, a fifth of all
 * external; four projects and two assets a user.
 */
async function fill(): Promise<void> {
  await superuser.query(`
    create function pg_temp.named(n int, what int) returns uuid language sql
      as $$ select (lpad(n::text, 8, '0') || '-0000-4000-8000-' || lpad(what::text, 12, '0'))::uuid $$;
    select setseed(0.5);
    create temp table picked as
      select n, genledger.uuid_floor(clock_timestamp() - (${JOBS} - n) * interval '1 minute') as id,
             floor(random() * ${USERS})::int as u, floor(random() * 4)::int as p, floor(random() * 14)::int as a,
             random() as s, random() as k
        from generate_series(1, ${JOBS}) n;
    create temp table numbered as
      select n, id, pg_temp.named(u, 0) as user_id, pg_temp.named(u, 10 + p) as project_id,
             case when a < 2 then pg_temp.named(u, 20 + a) end as asset_id,
             case when s < 0.8 then 'succeeded' when s < 0.9 then 'failed' when s < 0.91 then 'running' else 'queued' end
               as status,
             case when k < 0.2 then 'external' else 'text_to_image' end as kind
        from picked;
    insert into genledger.job_states (id, user_id, project_id, kind, mode, status, version, attempt, max_attempts, rank, run_at,
                                      lease_token, lease_expires_at, reserved_cents, cost_cents, input_asset_id, updated_at)
    select id, user_id, project_id, kind, kind, status, 1, 0, 3, 0, now() - interval '1 day',
           case when status = 'running' then 1 end,
           case when status = 'running' then now() + interval '1 hour' end, 0, 0, asset_id, now()
      from numbered;
    insert into genledger.job_requests (id, user_id, project_id, kind, mode, input_asset_id, requested, effective,
                                        estimated_cents, content_version, content_salt, content_body, created_at)
    select id, user_id, project_id, kind, kind, asset_id, '{}', '{}', 0, 1, '\\x00',
           '{"prompt":"a sunset over the hills, in oil"}', now()
      from numbered;
    insert into genledger.events (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch)
    select nextval('genledger.event_position'), id, 1, user_id, 'JobQueued', 1, '{}', '{}', now(), 1 from numbered`);
  await superuser.query('vacuum analyze');
}

/** What a user has, numbered: 0 is the user. */
function named(n: number, what: number): string {
  return `${String(n).padStart(8, '0')}-0000-4000-8000-${String(what).padStart(12, '0')}`;
}

function user(n: number): Actor {
  return { userId: named(n, 0), role: 'user' };
}

/** The plans of the statements that touch a table, of all that `work` makes the server run. */
async function plansOn(table: string, work: () => Promise<unknown>): Promise<Plan[]> {
  const plans = await plansOf(pools, work);
  const touching = plans.filter(({ nodes }) => scansOf(nodes, table).length > 0);
  expect(touching.map(({ query }) => query)).not.toEqual([]);
  return touching;
}

function scansOf(nodes: readonly PlanNode[], table: string): PlanNode[] {
  return nodes.filter(
    (node) =>
      /Scan/.test(node['Node Type']) && (node['Relation Name']?.startsWith(table) || indexOf(node, table)),
  );
}

function indexOf(node: PlanNode, table: string): boolean {
  return node['Index Name']?.startsWith(table) ?? false;
}

/** The ways into a table, by index where there is one. */
function waysInto(plans: readonly Plan[], table: string): Set<string> {
  return new Set(
    plans.flatMap(({ nodes }) =>
      scansOf(nodes, table).map((node) => node['Index Name'] ?? node['Node Type']),
    ),
  );
}

function nodeTypes(plans: readonly Plan[]): Set<string> {
  return new Set(plans.flatMap(({ nodes }) => nodes.map((node) => node['Node Type'])));
}

describe('commands', () => {
  const queued = async (kind: string, count: number): Promise<string[]> => {
    const { rows } = await superuser.query<{ id: string }>(
      `select id from genledger.job_states where status = 'queued' and kind = $1 limit $2`,
      [kind, count],
    );
    return rows.map(({ id }) => id);
  };

  const claim = (kind: 'text_to_image' | 'external') =>
    store.claim({ workerId: 'w1', kinds: [kind], max: 20, leaseMs: 60_000, meta: META });

  it.each([
    ['text_to_image', 'job_states_claim'],
    ['external', 'job_states_claim_external'],
  ] as const)('claiming %s walks its index in order, without sorting', async (kind, index) => {
    let claimed = 0;
    const plans = await plansOn('job_states', async () => (claimed = (await claim(kind)).length));
    expect(claimed).toBe(20);
    expect(waysInto(plans, 'job_states')).toEqual(new Set([index, 'Tid Scan']));
    expect(nodeTypes(plans)).not.toContain('Sort');
    expect(waysInto(plans, 'job_requests')).toEqual(new Set(['job_requests_pkey']));
  });

  it.each([1, 300])(
    'loading %i jobs by id takes the primary key, and writing them back their addresses',
    async (count) => {
      const ids = await queued('external', count);
      const items = ids.map((id, n) => ({
        id,
        userId: '',
        meta: META,
        command: {
          type: 'change_details',
          actor: { userId: null, role: 'admin' },
          priority: (n % 90) + 1,
        } as const,
      }));
      const plans = await plansOn('job_states', () => store.submitMany(items));
      expect(waysInto(plans, 'job_states')).toEqual(new Set(['job_states_pkey', 'Tid Scan']));
    },
  );

  it('recording results takes the primary key', async () => {
    const items = await claim('text_to_image');
    const plans = await plansOn('job_states', () =>
      store.succeedMany(
        items.map(({ jobId, leaseToken }) => ({
          id: jobId,
          leaseToken,
          outputs: [],
          outputErrors: [],
          costCents: 1,
          meta: META,
        })),
      ),
    );
    expect(waysInto(plans, 'job_states')).toEqual(new Set(['job_states_pkey', 'Tid Scan']));
  });

  it('queueing scans nothing', async () => {
    const item = {
      id: newId(),
      userId: user(1).userId,
      meta: META,
      command: { type: 'queue', job: newJob(), actor: { userId: user(1).userId, role: 'user' } } as const,
    };
    const plans = await plansOf(pools, () => store.submit(item));
    expect(plans.length).toBeGreaterThan(0);
    expect(nodeTypes(plans)).not.toContain('Seq Scan on job_states');
    for (const table of ['job_states', 'job_requests', 'contents'])
      expect(plans.flatMap(({ nodes }) => scansOf(nodes, table))).toEqual([]);
  });

  it('renewing leases takes the primary key', async () => {
    const items = await claim('text_to_image');
    const plans = await plansOn('job_states', () => store.renewLeases(items, 60_000));
    expect(waysInto(plans, 'job_states')).toEqual(new Set(['job_states_pkey']));
  });

  it('looking for expired leases walks the running jobs only', async () => {
    const plans = await plansOn('job_states', () => store.expiredLeases(100));
    expect(waysInto(plans, 'job_states')).toContain('job_states_running');
    for (const other of ['job_states_pkey', 'Seq Scan'])
      expect(waysInto(plans, 'job_states')).not.toContain(other);
  });
});

describe('deadlines', () => {
  it('looking for overdue jobs walks the index of deadlines, without sorting', async () => {
    // The jobs of this table have none: all but these cost the index nothing.
    const { rowCount } = await superuser.query(`
      update genledger.job_states set deadline = clock_timestamp() - random() * interval '1 hour'
       where id in (select id from genledger.job_states where status = 'queued' order by id limit 200)`);
    expect(rowCount).toBe(200);
    const { rows } = await superuser.query(
      `select reltuples::int as entries from pg_class where oid = 'genledger.job_states_deadline'::regclass`,
    );
    expect(rows).toEqual([{ entries: 0 }]);
    let found = 0;
    const plans = await plansOn('job_states', async () => (found = (await store.overdueJobs(50)).length));
    expect(found).toBe(50);
    expect(waysInto(plans, 'job_states')).toEqual(new Set(['job_states_deadline']));
    const [scan] = plans.flatMap(({ nodes }) => scansOf(nodes, 'job_states'));
    expect(scan?.['Index Cond']).toMatch(/deadline <=/);
    expect(nodeTypes(plans)).not.toContain('Sort');
  });
});

describe('lists, newest first,', () => {
  it.each<[string, JobFilter, string, string]>([
    ['of a user', {}, 'job_requests', 'job_requests_by_user'],
    ['of a project', { projectId: named(1, 11) }, 'job_requests', 'job_requests_by_project'],
    ['of an asset', { inputAssetId: named(1, 20) }, 'job_requests', 'job_requests_by_asset'],
    ['of what failed', { status: 'failed' }, 'job_states', 'job_states_failed'],
    ['of what runs', { status: 'running' }, 'job_states', 'job_states_running'],
    ['of what succeeded', { status: 'succeeded' }, 'job_requests', 'job_requests_by_user'],
    [
      'of a time',
      { createdAfter: Date.now() - 86_400_000, createdBefore: Date.now() - 3_600_000 },
      'job_requests',
      'job_requests_by_user',
    ],
  ])('%s come from their index, without sorting', async (_what, filter, table, index) => {
    let found = 0;
    const plans = await plansOn(table, async () => {
      found = (await reader.list(user(1), filter, 20)).jobs.length;
    });
    expect(found).toBeGreaterThan(0);
    expect(waysInto(plans, table)).toContain(index);
    expect(nodeTypes(plans)).not.toContain('Sort');
    for (const wide of ['job_states', 'job_requests'])
      expect(waysInto(plans, wide)).not.toContain('Seq Scan');
  });

  it('go on below an id as they began', async () => {
    const { next } = await reader.list(user(1), {}, 20);
    const plans = await plansOn('job_requests', () => reader.list(user(1), {}, 20, next!));
    expect(waysInto(plans, 'job_requests')).toEqual(new Set(['job_requests_by_user']));
    expect(nodeTypes(plans)).not.toContain('Sort');
  });

  it("of everyone's jobs, for an auditor, come from the primary key", async () => {
    const plans = await plansOn('job_requests', () =>
      reader.list({ userId: newId(), role: 'auditor' }, {}, 20),
    );
    expect(waysInto(plans, 'job_requests')).toEqual(new Set(['job_requests_pkey']));
    expect(nodeTypes(plans)).not.toContain('Sort');
  });
});

describe('the log', () => {
  it('is read on from a position by the index of positions, without sorting', async () => {
    const feed = new Feed(database.writer, new Watermark(database.writer));
    let read = 0;
    const plans = await plansOn(
      'events_',
      async () => (read = (await feed.read(JOBS - 500, 100)).events.length),
    );
    expect(read).toBe(100);
    expect([...waysInto(plans, 'events_')].filter((way) => !/_position_idx$/.test(way))).toEqual([]);
    expect(nodeTypes(plans)).not.toContain('Sort');
  });

  it('is added up for a user by the block ranges that have something of theirs, for an auditor in order', async () => {
    const past = new PastStatisticsReader(database, new LogClock(database, new Watermark(database.writer)));
    const auditor: Actor = { userId: newId(), role: 'auditor' };
    for (const [actor, index] of [
      [user(1), /_user_id_idx$/],
      [auditor, /_position_idx$/],
    ] as const) {
      const plans = await plansOn('events_', () => past.statistics(actor, { position: JOBS }));
      const ways = [...waysInto(plans, 'events_')];
      expect(ways).toContainEqual(expect.stringMatching(index));
      expect(ways).not.toContain('Seq Scan');
    }
  });

  it('tells which jobs ended from the index of positions', async () => {
    const plans = await plansOn('events_', () =>
      database.write(`select id from genledger.ended_jobs($1, $2)`, [JOBS - 500, JOBS]),
    );
    expect([...waysInto(plans, 'events_')].filter((way) => !/_position_idx$/.test(way))).toEqual([]);
  });

  it("gives a job's history from one partition", async () => {
    const { jobs } = await reader.list(user(1), {}, 1);
    const plans = await plansOn('events_', () => reader.history(user(1), jobs[0]!.id));
    const ways = [...waysInto(plans, 'events_')];
    expect(ways).toEqual([expect.stringMatching(/^events_\d{4}_\d{2}_pkey$/)]);
  });

  describe('followed live', () => {
    const onError = (error: unknown): never => {
      throw error;
    };
    let tail: LogTail;
    beforeAll(() => (tail = new LogTail(database.writer, new Watermark(database.writer), doorbell, onError)));
    afterAll(() => tail.close());

    it('by a user, is read on by the index of positions, and looked at by it', async () => {
      const following = await new EventFeed(database, tail).ofUser(user(1), `1:${JOBS - 5_000}`);
      if (following.status !== 'following') throw new Error(following.status);
      const { pages } = following;
      const follower = tail.follow({ userId: user(2).userId });
      await follower.next();
      let told = 0;
      const plans = await plansOn('events_', async () => {
        const page = await pages.next();
        told = 'events' in page ? page.events.length : 0;
        const heard = follower.next();
        await store.submit({
          id: newId(),
          userId: user(2).userId,
          meta: META,
          command: { type: 'queue', job: newJob(), actor: { userId: user(2).userId, role: 'user' } },
        });
        await heard;
      });
      pages.close();
      expect(told).toBe(32);
      expect(plans).toHaveLength(2);
      const { rows } = await superuser.query<{ partition: string }>(
        `select split_part(tableoid::regclass::text, '.', 2) as partition
           from genledger.events group by 1 having count(*) > 1000`,
      );
      expect(rows.length).toBeGreaterThan(0);
      for (const { partition } of rows)
        expect(waysInto(plans, partition)).toEqual(new Set([`${partition}_position_idx`]));
      expect(nodeTypes(plans.slice(0, 1))).not.toContain('Sort');
    });

    it('by a job, is read from one partition', async () => {
      const { jobs } = await reader.list(user(1), {}, 1);
      const following = await new EventFeed(database, tail).ofJob(user(1), jobs[0]!.id, undefined);
      if (following.status !== 'following') throw new Error(following.status);
      const plans = await plansOn('events_', () => following.pages.next());
      following.pages.close();
      expect([...waysInto(plans, 'events_')]).toEqual([expect.stringMatching(/^events_\d{4}_\d{2}_pkey$/)]);
    });
  });
});
