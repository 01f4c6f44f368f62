import { Client } from 'pg';
import { Doorbell, Projector, Watermark } from '@genledger/event-store';
import { Database, newId, serverUrls } from '@genledger/platform';
import type { VerificationResult } from '@genledger/platform';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database';
import { admit, JobRequest } from '../admission';
import type { JobActor, JobCommand } from '../job-commands';
import { JobStore } from '../job-store';
import { JOB_FOLD } from '../processes/job-fold';
import { verifyLedger } from './verify-ledger';

const alice = '11111111-1111-4111-8111-111111111111';
const bob = '22222222-2222-4222-8222-222222222222';
const worker: JobActor = { userId: null, role: 'worker' };
const system: JobActor = { userId: null, role: 'system' };
const TABLES = [
  'events',
  'contents',
  'job_states',
  'job_requests',
  'job_outputs',
  'job_statistics',
  'generation_job_summary',
  'job_costs',
  'checkpoints',
  'ended_streams',
  'projects',
  'assets',
  'uploads',
];

let testDatabase: TestDatabase;
let superuser: Client;
let database: Database;
let store: JobStore;
let doorbell: Doorbell;
const jobs: Record<string, string> = {};

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  database = new Database(serverUrls(testDatabase.adminUrl));
  await database.connect();
  const openSession = () => database.openSession('verify test');
  doorbell = new Doorbell(openSession);
  store = new JobStore({ pool: database.writer, openSession }, doorbell);
  await runMixOfJobs();
  await superuser.query('create schema saved');
  for (const table of TABLES)
    await superuser.query(`create table saved.${table} as table genledger.${table}`);
  // Neither triggers nor foreign keys stand in the way of what a test does by hand.
  await superuser.query('set session_replication_role = replica');
});
afterEach(async () => {
  await superuser.query(`truncate ${TABLES.map((table) => `genledger.${table}`).join()}`);
  for (const table of TABLES)
    await superuser.query(`insert into genledger.${table} select * from saved.${table}`);
  await superuser.query('delete from genledger.ticks');
});
afterAll(async () => {
  await doorbell.close();
  await database.onApplicationShutdown();
  await superuser.end();
  await testDatabase.drop();
});

async function submit(id: string, command: JobCommand, userId = alice): Promise<number> {
  const outcome = await store.submit({ id, userId, command, meta: { actor: 'test' } });
  if (outcome.status !== 'accepted') throw new Error(`${command.type}: ${JSON.stringify(outcome)}`);
  return outcome.version;
}

async function queue(name: string, request: Partial<JobRequest> = {}, userId = alice): Promise<string> {
  const id = newId();
  jobs[name] = id;
  const job = admit({ kind: 'external', mode: 'test', ...request });
  await submit(id, { type: 'queue', job, actor: { userId, role: 'user' } }, userId);
  return id;
}

function start(id: string): Promise<number> {
  return submit(id, { type: 'start', workerId: 'w', leaseMs: 60_000, actor: worker });
}

async function upload(userId: string): Promise<string> {
  const id = newId();
  await superuser.query(
    `insert into genledger.uploads (id, user_id, purpose, storage_key, mime_type, size, sha256, width, height)
     values ($1::uuid, $2, 'generation_output', $1::uuid::text, 'image/png', 7, repeat('0', 64), 3, 2)`,
    [id, userId],
  );
  return id;
}

const output = (uploadId: string, position: number) => ({
  position,
  upload_id: uploadId,
  mime_type: 'image/png',
  size: 7,
  sha256: '0'.repeat(64),
  width: 3,
  height: 2,
});

async function runMixOfJobs(): Promise<void> {
  const [first, second] = [newId(), newId()];
  await superuser.query(
    `insert into genledger.projects (id, user_id, name) values ($1, $3, 'one'), ($2, $3, 'two')`,
    [first, second, alice],
  );
  const assetId = newId();
  await superuser.query(`insert into genledger.assets (id, user_id) values ($1, $2)`, [assetId, alice]);

  const painted = await queue('painted', {
    kind: 'text_to_image',
    textToImage: { prompt: 'a lake', number_of_images: 2, aspect_ratio: '16:9' },
    metadata: { b: '1', a: '2' },
    tags: ['blue "lake"', 'two'],
  });
  // Claimed and ended by the statements that write their events themselves.
  const claim = {
    workerId: 'w',
    kinds: ['text_to_image'],
    max: 1,
    leaseMs: 60_000,
    meta: { actor: 'test' },
  } as const;
  const leaseToken = (await store.claim(claim))[0]!.leaseToken;
  await queue('waiting', { textToImage: { prompt: 'a fjord' }, kind: 'text_to_image' }, bob);
  for (const fraction of [0.3, 0.6])
    await submit(painted, { type: 'progress', leaseToken, fraction, stage: 'paint', actor: worker });
  const outputs = [output(await upload(alice), 1), output(await upload(alice), 2)];
  await store.succeedMany([
    { id: painted, leaseToken, outputs, outputErrors: [], costCents: 4, meta: { actor: 'test' } },
  ]);
  await submit(painted, { type: 'add_outputs', outputs: [output(await upload(alice), 0)], actor: system });

  const failed = await queue('failed', {
    kind: 'text_to_image',
    textToImage: { prompt: 'no' },
    maxAttempts: 2,
  });
  const failure = {
    type: 'fail',
    code: 'rate_limited',
    message: 'later',
    retryable: true,
    retryAfterMs: 0,
  } as const;
  const stale = await start(failed);
  await submit(failed, { ...failure, leaseToken: stale, actor: worker });
  const second_ = await start(failed);
  await store.submit({
    id: failed,
    userId: alice,
    meta: { actor: 'test' },
    command: { ...failure, leaseToken: stale, actor: worker },
  });
  await submit(failed, { ...failure, leaseToken: second_, message: null, actor: worker });

  const moved = await queue('moved', { projectId: first, metadata: { old: 'x' } });
  await submit(moved, {
    type: 'change_details',
    projectId: second,
    mode: 'other',
    priority: 3,
    content: { metadata: { new: 'y' }, tags: ['t'] },
    actor: system,
  });
  const transition = {
    type: 'transition',
    code: null,
    message: null,
    costCents: null,
    actor: system,
  } as const;
  const stated = await queue('stated', { inputAssetId: assetId, costCents: 5 }, alice);
  await submit(stated, { ...transition, to: 'running', costCents: 8 });
  await submit(stated, { type: 'remove_input_asset', assetId, actor: system });
  await submit(stated, { ...transition, to: 'failed', code: 'broken', message: 'it broke', costCents: 9 });
  await submit(await queue('canceled', {}, bob), { type: 'cancel', actor: system });
  await foldAll();

  await submit(await queue('deleted', { projectId: first, costCents: 3 }), { type: 'delete', actor: system });
  await submit(await queue('archived', {}, bob), { type: 'cancel', actor: system });
  await submit(jobs['archived']!, { type: 'archive', actor: system });
  await queue('tail', { projectId: second, costCents: 2 });
}

async function foldAll(): Promise<void> {
  const raise = (error: unknown): never => {
    throw error;
  };
  await new Projector(database.writer, new Watermark(database.writer), doorbell, JOB_FOLD, raise).drain();
}

async function failing(): Promise<VerificationResult[]> {
  return (await verifyLedger(database)).filter(({ holds }) => !holds);
}

it('finds nothing in what the store has written, and has looked at all of it', async () => {
  const results = await verifyLedger(database);
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
  const checked = Object.fromEntries(results.map(({ invariant, checked }) => [invariant, checked]));
  expect(checked).toMatchObject({
    streams_gapless: 9,
    histories_legal: 9,
    jobs_equal_replay: 9,
    statistics_equal_jobs: 7,
    costs_equal_events: 2,
    contents_match: 7,
    checkpoints_settled: 1,
  });
});

it('finds nothing once the tail is folded too, and says how far it is', async () => {
  await foldAll();
  const steps: string[] = [];
  const results = await verifyLedger(database, ({ step, done, total }) =>
    steps.push(`${step} ${done === total}`),
  );
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
  expect(steps).toEqual(['streams true', 'positions true', 'statistics true']);
});

const SUMS = ['statistics_equal_jobs', 'summary_equals_jobs'];
const progressed = `stream_id = :painted and type = 'JobProgressed' and version = 3`;

/** What is done by hand (`:name` is that job's id), what then fails, and whose id is named. */
const corruptions: [string, string, string[], string][] = [
  [
    'a version that is missing',
    `delete from genledger.events where ${progressed}`,
    ['streams_gapless'],
    'painted',
  ],
  [
    'an event recorded before the one in front of it',
    `update genledger.events set recorded_at = recorded_at - interval '1 hour' where ${progressed}`,
    ['time_never_falls'],
    'painted',
  ],
  [
    'an event that stands behind the next one',
    `update genledger.events e set position = o.position from genledger.events o
      where e.stream_id = :painted and o.stream_id = :painted and (e.version, o.version) in ((3, 4), (4, 3))`,
    ['positions_ascend'],
    'painted',
  ],
  [
    "an event of another user's",
    `update genledger.events set user_id = '${bob}' where ${progressed}`,
    ['streams_have_one_owner'],
    'painted',
  ],
  [
    'an event that leaves a status in which the job was not',
    `update genledger.events set data = replace(data::text, '"from":"running"', '"from":"queued"')::json, tally[1] = 1
      where ${progressed}`,
    ['histories_legal'],
    'painted',
  ],
  [
    'an event of a type that may not come there',
    `update genledger.events set type = 'JobContentErased' where ${progressed}`,
    ['histories_legal'],
    'painted',
  ],
  [
    'a second end',
    `insert into genledger.events
     select position, stream_id, version + 1, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally
       from genledger.events where stream_id = :canceled and version = 2`,
    ['histories_legal', 'jobs_equal_replay', 'one_terminal_event', 'positions_ascend', 'positions_unique'],
    'canceled',
  ],
  [
    'a cost that does not follow from the one before',
    `update genledger.events set data = replace(data::text, '"cost_cents":0', '"cost_cents":7')::json, tally[3] = 7
      where ${progressed}`,
    ['costs_chain'],
    'painted',
  ],
  [
    'a tally that its event does not bear out',
    `update genledger.events set tally[4] = 9 where ${progressed}`,
    ['tallies_match'],
    'painted',
  ],
  [
    'a status that no event tells of',
    `update genledger.job_states set status = 'running' where id = :moved`,
    ['jobs_equal_replay', ...SUMS],
    'moved',
  ],
  [
    'one attempt too many',
    `update genledger.job_states set attempt = attempt + 1 where id = :failed`,
    ['jobs_equal_replay'],
    'failed',
  ],
  [
    'a live history without a row',
    `with gone as (delete from genledger.job_states where id = :waiting)
     delete from genledger.job_requests where id = :waiting`,
    // Its prompt stood beside it.
    ['contents_match', 'jobs_equal_replay', ...SUMS],
    'waiting',
  ],
  [
    'a row without a history',
    `with gone as (update genledger.job_requests set content_salt = null, content_body = null where id = :waiting)
     delete from genledger.events where stream_id = :waiting`,
    ['jobs_equal_replay'],
    'waiting',
  ],
  [
    'halves of a row that disagree',
    `update genledger.job_states set project_id = null where id = :moved`,
    ['jobs_equal_replay'],
    'moved',
  ],
  [
    'an output that is missing',
    `delete from genledger.job_outputs where job_id = :painted and position = 2`,
    ['outputs_equal_replay'],
    'painted',
  ],
  [
    'an output of a job that has none',
    `insert into genledger.job_outputs select :failed, 9, user_id, upload_id, mime_type, size, sha256, width, height
       from genledger.job_outputs where job_id = :painted and position = 1`,
    ['outputs_equal_replay'],
    'failed',
  ],
  [
    'a deleted job without a tombstone',
    `delete from genledger.ended_streams where stream_id = :deleted`,
    ['tombstones_equal_replay'],
    'deleted',
  ],
  [
    'a job that reserves after its end',
    `update genledger.job_states set reserved_cents = 5 where id = :painted`,
    ['jobs_equal_replay', 'reservations_released'],
    'painted',
  ],
  [
    'a prompt that was rewritten',
    `update genledger.job_requests set content_body = '{"prompt":"another"}' where id = :waiting`,
    ['contents_match'],
    'waiting',
  ],
  [
    'an error message that was rewritten',
    `update genledger.contents set body = '{"message":"another"}' where stream_id = :failed`,
    ['contents_match'],
    'failed',
  ],
  [
    'an account that its event does not bear out',
    `update genledger.events set account = '["other","text_to_image",null]' where stream_id = :painted and account is not null`,
    ['tallies_match'],
    'painted',
  ],
  [
    'a prompt that is gone without an erasure',
    `update genledger.job_requests set content_body = null where id = :waiting`,
    ['contents_match'],
    'waiting',
  ],
  [
    "a project that is another tenant's",
    `update genledger.projects set user_id = '${bob}' where name = 'two'`,
    ['tenants_apart'],
    'moved',
  ],
  [
    "an upload that is another tenant's",
    `update genledger.uploads set user_id = '${bob}'`,
    ['tenants_apart'],
    'painted',
  ],
  [
    'a cent that no event has charged',
    `update genledger.job_costs set incurred_cents = incurred_cents + 1 where user_id = '${alice}' and kind = 'text_to_image'`,
    ['costs_equal_events'],
    alice,
  ],
  [
    'a statistic that is off by one',
    `update genledger.job_statistics set count = count + 1 where user_id = '${bob}' and status = 'canceled'`,
    ['statistics_equal_jobs'],
    bob,
  ],
  [
    'a cost without jobs in the statistics',
    `insert into genledger.job_statistics values ('${bob}', 'failed', 0, 3)`,
    ['statistics_equal_jobs'],
    bob,
  ],
  [
    'a cent too much in the summary',
    `update genledger.generation_job_summary set total_cost_cents = total_cost_cents + 1
      where user_id = '${alice}' and status = 'failed'`,
    ['summary_equals_jobs'],
    alice,
  ],
  [
    'a summary that begins after its first job',
    `update genledger.generation_job_summary set first_job_at = now() + interval '1 day' where user_id = '${bob}'`,
    ['summary_equals_jobs'],
    bob,
  ],
  [
    'a checkpoint ahead of the log',
    `insert into genledger.checkpoints (name, position) values ('other', 1000000)`,
    ['checkpoints_settled'],
    'other',
  ],
  [
    'a tick ahead of the log',
    `insert into genledger.ticks (position, at) values (1000000, now())`,
    ['checkpoints_settled'],
    'tick',
  ],
];

it.each(corruptions)('finds %s', async (_what, sql, invariants, name) => {
  const { rowCount } = await superuser.query(
    sql.replace(/:([a-z]+)/g, (match, job: string) => (jobs[job] ? `'${jobs[job]}'` : match)),
  );
  expect(rowCount).toBeGreaterThan(0);

  const found = await failing();

  expect(found.map(({ invariant }) => invariant).sort()).toEqual(invariants);
  expect(found.flatMap(({ examples }) => examples.map(({ id }) => id))).toContain(jobs[name] ?? name);
});

it('counts all offenders and names the first twenty', async () => {
  await superuser.query(
    `insert into genledger.checkpoints (name, position) select 'c' || n, 1000000 from generate_series(1, 30) as n`,
  );
  const [found] = await failing();
  expect(found).toMatchObject({ invariant: 'checkpoints_settled', holds: false, offenders: 30 });
  expect(found?.examples).toHaveLength(20);
});
