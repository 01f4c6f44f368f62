import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import { STORED_EVENT_COLUMNS } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import { newId } from '@genledger/platform';
import { openJobStores, type JobStores } from '../../../test/support/job-stores';
import { idempotencyKey } from './admission';
import { actorMeta } from './commands/actor-meta';
import { isLive } from './job';
import { JOB_KINDS, JobKind } from './job-events';
import type { JobItem, JobOutcome } from './job-item';
import type { JobActor, JobCommand, NewJob } from './job-commands';
import { JobHeadRow, jobOfRow } from './job-rows';
import { JobRescuer } from './processes/job-rescuer';
import { GENERATION_JOB_COLUMNS } from './read-models/generation-job.entity';
import { replayJob } from './read-models/replay';
import { COST_GROUPS } from './read-models/statistics-reader';
import { commandsFor } from './testing/job-arbitraries';
import { EXTERNAL, newJob, output, WORKER } from './testing/job-fixtures';

jest.setTimeout(60_000);
Logger.overrideLogger(false);

let stores: JobStores;
beforeAll(async () => {
  stores = await openJobStores();
});
afterAll(() => stores.close());

const META = actorMeta(WORKER);
const someone = (): string => randomUUID();

function itemOf(id: string, userId: string, command: JobCommand, key?: JobItem['key']): JobItem {
  return { id, userId, command, meta: META, key };
}

function queueItem(userId: string, job: Partial<NewJob> = {}, key?: JobItem['key']): JobItem {
  const actor: JobActor = { userId, role: 'user' };
  return itemOf(newId(), userId, { type: 'queue', job: newJob(job), actor }, key);
}

async function queueOne(userId: string, job: Partial<NewJob> = {}): Promise<string> {
  const outcome = await stores.store.submit(queueItem(userId, job));
  expect(outcome.status).toBe('accepted');
  return outcome.id;
}

async function historyOf(id: string): Promise<StoredEvent[]> {
  return stores.database.write<StoredEvent>(
    `select ${STORED_EVENT_COLUMNS} from genledger.events e
       left join genledger.event_contents c on c.stream_id = e.stream_id and c.version = e.version
      where e.stream_id = $1 order by e.version`,
    [id],
  );
}

async function typesOf(id: string): Promise<string[]> {
  return (await historyOf(id)).map((event) => event.type);
}

/** The read models of a job and what its history says that they must be. */
async function expectReplayEqual(id: string): Promise<void> {
  const replayed = replayJob(await historyOf(id));
  const [row] = await stores.database.write(
    `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where id = $1`,
    [id],
  );
  expect(row ?? null).toEqual(replayed.row);
  const outputs = await stores.database.write(
    `select position, upload_id, mime_type, size, sha256, width, height from genledger.job_outputs
      where job_id = $1 order by position`,
    [id],
  );
  expect(outputs).toEqual(replayed.row === null ? [] : replayed.outputs);
  const [head] = await stores.database.transaction((query) =>
    query<JobHeadRow>(`select * from genledger.load_jobs(array[$1::uuid], true)`, [id]),
  );
  if (isLive(replayed.state)) expect(jobOfRow(head!)).toEqual(replayed.state);
  else if (replayed.state.status === 'ended')
    expect(head).toMatchObject({
      found: 'ended',
      status: replayed.state.reason,
      version: replayed.state.version,
    });
  else expect(head).toBeUndefined();
}

/** Statistics, summary and costs against sums over the jobs and the log. */
async function expectSumsExact(userId: string): Promise<void> {
  const actor = { userId, role: 'user' } as const;
  const statistics = await stores.statistics.statistics(actor);
  expect(statistics).toEqual(
    await stores.database.write(
      `select s.status, count(*) as count, sum(s.cost_cents)::bigint as total_cost_cents, round(avg(s.cost_cents), 2)::float8 as avg_cost_cents
         from (select user_id, status, cost_cents from genledger.job_states
               union all
               select e.user_id, r.state ->> 'to', (r.state ->> 'cost_cents')::int from genledger.ended_streams e
                cross join lateral (select data as state from genledger.events v
                                     where v.stream_id = e.stream_id order by version desc limit 1) r
                where e.reason = 'archived') s
        where s.user_id = $1 group by s.status order by s.status`,
      [userId],
    ),
  );
  const summary = await stores.statistics.summary(actor);
  expect(
    summary.map(({ project_id, status, job_count, total_cost_cents }) => ({
      project_id,
      status,
      job_count,
      total_cost_cents,
    })),
  ).toEqual(
    await stores.database.write(
      `select s.project_id, s.status, count(*) as job_count, sum(s.cost_cents)::bigint as total_cost_cents
         from (select user_id, project_id, status, cost_cents from genledger.job_states
               union all
               select e.user_id, (r.state ->> 'project_id')::uuid, r.state ->> 'to', (r.state ->> 'cost_cents')::int
                 from genledger.ended_streams e
                cross join lateral (select data as state from genledger.events v
                                     where v.stream_id = e.stream_id order by version desc limit 1) r
                where e.reason = 'archived') s
        where s.user_id = $1 group by 1, 2 order by 1, 2`,
      [userId],
    ),
  );
  const [incurred] = await stores.database.write<{ cents: number }>(
    `select coalesce(sum((data ->> 'cost_delta_cents')::bigint), 0)::bigint as cents from genledger.events where user_id = $1`,
    [userId],
  );
  for (const group of COST_GROUPS) {
    const costs = await stores.statistics.costs(actor, group);
    expect(costs.reduce((sum, { incurred_cents }) => sum + incurred_cents, 0)).toBe(incurred!.cents);
  }
}

describe('the read models', () => {
  it('equal the replay of the history, and the sums are exact at once, whatever is commanded', async () => {
    const users: string[] = [];
    const walk = fc.record({
      concurrent: fc.boolean(),
      steps: fc.array(fc.tuple(fc.nat(2), fc.nat(9)), { minLength: 20, maxLength: 20 }),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(walk, async ({ concurrent, steps, seed }) => {
        const userId = someone();
        users.push(userId);
        const owner: JobActor = { userId, role: 'user' };
        const [projectId, assetId, uploadId] = await Promise.all([
          stores.project(userId),
          stores.asset(userId),
          stores.upload(userId),
        ]);
        const commands = fc.sample(
          commandsFor({
            owner,
            projectIds: [null, projectId],
            assetId,
            deadlines: [null, Date.UTC(2100, 0)],
            uploadIds: [uploadId],
            leases: [null, 0, 30_000],
          }),
          { seed, numRuns: steps.length },
        );
        const ids = [newId(), newId(), newId()];
        const queues = commands.flatMap((command) => (command.type === 'queue' ? [command.job] : []));
        // Ids are made by the server, so a job is queued once.
        const unqueued = new Set(ids);
        const run = steps.map(([job, chance], at) => async (): Promise<void> => {
          const id = ids[job]!;
          if (chance === 0)
            await stores.store.claim({
              workerId: 'w',
              kinds: JOB_KINDS,
              max: 2,
              leaseMs: 30_000,
              meta: META,
            });
          else if (unqueued.delete(id)) await stores.store.submit({ ...queueItem(userId, queues[job]), id });
          else if (commands[at]!.type !== 'queue')
            await stores.store.submit(itemOf(id, userId, commands[at]!));
        });
        if (concurrent) await Promise.all(run.map((step) => step()));
        else for (const step of run) await step();
        for (const id of ids) await expectReplayEqual(id);
        await expectSumsExact(userId);
      }),
      { numRuns: 50 },
    );
    await stores.projector.drain();
    const [checkpoint] = await stores.database.write<{ position: number; last: number }>(
      `select position, (select max(position) from genledger.events) as last from genledger.checkpoints where name = 'jobs'`,
    );
    expect(checkpoint!.position).toBeGreaterThanOrEqual(checkpoint!.last);
    for (const userId of users) await expectSumsExact(userId);
  });

  it('are exact in the middle of folding, half folded and half not', async () => {
    const userId = someone();
    const first = await queueOne(userId, { ...EXTERNAL, statedCents: 5 });
    await stores.projector.drain();
    await queueOne(userId, { ...EXTERNAL, statedCents: 7 });
    await stores.store.submit(itemOf(first, userId, { type: 'delete', actor: { userId, role: 'user' } }));
    await expectSumsExact(userId);
    expect(await stores.statistics.statistics({ userId, role: 'user' })).toEqual([
      { status: 'queued', count: 1, total_cost_cents: 7, avg_cost_cents: 7 },
    ]);
    expect(await stores.statistics.costs({ userId, role: 'user' }, 'kind')).toEqual([
      { group: 'external', incurred_cents: 12, charges: 2 },
    ]);
  });

  it('span the jobs of a group, those included that came in the fold that as many left in', async () => {
    const userId = someone();
    const first = await queueOne(userId, EXTERNAL);
    await stores.projector.drain();
    const second = await queueOne(userId, EXTERNAL);
    await stores.store.submit(itemOf(first, userId, { type: 'delete', actor: { userId, role: 'user' } }));
    await stores.projector.drain();
    // Summaries go by the times of ids, which are made before the database takes its own.
    const [made] = await stores.database.write<{ at: Date }>(
      `select genledger.job_time(left($1, 13)) as at`,
      [second],
    );
    expect(await stores.statistics.summary({ userId, role: 'user' })).toMatchObject([
      { status: 'queued', job_count: 1, last_job_at: made!.at },
    ]);
  });
});

describe('claims', () => {
  const claim = (kinds: readonly JobKind[], max = 100, store = stores.store, leaseMs = 30_000) =>
    store.claim({ workerId: 'w', kinds, max, leaseMs, meta: META });
  const claimedIds = async (...args: Parameters<typeof claim>): Promise<string[]> =>
    (await claim(...args)).map((lease) => lease.jobId);

  beforeEach(async () => {
    await stores.superuser.query(`truncate genledger.job_states, genledger.job_requests`);
  });

  it('of two processes at once never share a job, and leave none', async () => {
    const ids = await Promise.all(Array.from({ length: 120 }, () => queueOne(someone())));
    const [a, b] = [stores.openStore(), stores.openStore()];
    const claimed: string[][] = [];
    for (let round = 0; round < 8; round++)
      claimed.push(
        ...(await Promise.all([a, b, a, b].map((store) => claimedIds(['text_to_image'], 5, store)))),
      );
    // What the resuming cursor stepped over while the other had it in hand is found from the front again.
    claimed.push(await claimedIds(['text_to_image'], 200, stores.openStore()));
    expect(claimed.flat().sort()).toEqual([...ids].sort());
  });

  it('take the highest priority first, then what was due first, then what was queued first', async () => {
    const userId = someone();
    const past = Date.now() - 60_000;
    const late = await queueOne(userId, { priority: 1, runAt: past + 2 });
    const urgent = await queueOne(userId, { priority: 9 });
    const early = await queueOne(userId, { priority: 1, runAt: past });
    const first = await queueOne(userId, { priority: -5, runAt: past });
    const second = await queueOne(userId, { priority: -5, runAt: past });
    expect(await claimedIds(['text_to_image'], 10, stores.openStore())).toEqual([
      urgent,
      early,
      late,
      first,
      second,
    ]);
  });

  it('leave alone what is not due yet', async () => {
    const later = await queueOne(someone(), { runAt: Date.now() + 3_600_000 });
    const now = await queueOne(someone());
    expect(await claimedIds(['text_to_image'])).toEqual([now]);
    expect(await typesOf(later)).toEqual(['JobQueued']);
  });

  it('get the kinds that were named, external work only by its name', async () => {
    const external = await queueOne(someone(), EXTERNAL);
    const image = await queueOne(someone());
    const variant = await queueOne(someone(), { kind: 'variant' });
    expect(await claimedIds(['external'])).toEqual([external]);
    expect(await claimedIds(['text_to_image'])).toEqual([image]);
    expect(await claimedIds(['nft_edition', 'variant'])).toEqual([variant]);
  });

  it('fail what is past its deadline in place of starting it', async () => {
    const id = await queueOne(someone(), { deadline: Date.now() + 250 });
    await stores.superuser.query('select pg_sleep(0.3)');
    expect(await claimedIds(['text_to_image'])).toEqual([]);
    expect(await typesOf(id)).toEqual(['JobQueued', 'JobFailed']);
    await expectReplayEqual(id);
  });

  it('give leases that hold as long as they are renewed', async () => {
    await queueOne(someone());
    const [lease] = await claim(['text_to_image'], 1, stores.store, 200);
    await stores.store.renewLeases([lease!], 60_000);
    await stores.superuser.query('select pg_sleep(0.25)');
    expect(await stores.store.expiredLeases(10)).toEqual([]);
    expect(
      await stores.store.renewLeases([{ ...lease!, leaseToken: lease!.leaseToken + 1 }], 60_000),
    ).toEqual([]);
    const [renewed] = await stores.store.renewLeases([lease!], 60_000);
    expect(renewed).toMatchObject({ id: lease!.jobId, cancel_requested: false });
  });

  it('give leases that are rescued when nobody renews them; the stale result is refused, on the record once', async () => {
    const userId = someone();
    await queueOne(userId);
    const [lost] = await claim(['text_to_image'], 1, stores.store, 20);
    await stores.superuser.query('select pg_sleep(0.05)');
    const rescuer = new JobRescuer(stores.store, { roles: new Set(['scheduler']) });
    // Two rescuers at once: one of them wins.
    const rescued = await Promise.all([
      rescuer.rescue(),
      new JobRescuer(stores.openStore(), { roles: new Set() }).rescue(),
    ]);
    expect(rescued[0] + rescued[1]).toBe(1);
    const [next] = await claim(['text_to_image'], 1, stores.openStore());
    expect(next).toMatchObject({ jobId: lost!.jobId, attempt: 2 });

    const uploadId = await stores.upload(userId);
    const result = (leaseToken: number): JobCommand => ({
      type: 'succeed',
      leaseToken,
      outputs: [output(1, uploadId)],
      outputErrors: [],
      costCents: 4,
      actor: WORKER,
    });
    const report = (leaseToken: number): Promise<JobOutcome> =>
      stores.store.submit(itemOf(lost!.jobId, '', result(leaseToken)));
    for (const outcome of [await report(lost!.leaseToken), await report(lost!.leaseToken)])
      expect(outcome).toMatchObject({ status: 'refused', code: 'lease_lost' });
    expect(await report(next!.leaseToken)).toMatchObject({ status: 'accepted' });
    expect(await report(next!.leaseToken)).toMatchObject({ status: 'unchanged' });
    expect(await report(lost!.leaseToken)).toMatchObject({ status: 'refused', code: 'lease_lost' });
    expect(await typesOf(lost!.jobId)).toEqual([
      'JobQueued',
      'JobStarted',
      'JobLeaseExpired',
      'JobStarted',
      'JobResultRefused',
      'JobSucceeded',
    ]);
    await expectReplayEqual(lost!.jobId);
  });
});

describe('an idempotency key', () => {
  const keyOf = (userId: string, payload = 'a payload', key = 'key') => idempotencyKey(userId, key, payload);

  it('that comes 50 times at once makes one job, of which all answers tell', async () => {
    const userId = someone();
    const others = [stores.openStore(), stores.openStore()];
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        [stores.store, ...others][at % 3]!.submit(queueItem(userId, {}, keyOf(userId))),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'accepted')).toHaveLength(1);
    expect(outcomes.filter(({ status }) => status === 'replayed')).toHaveLength(49);
    expect(new Set(outcomes.map(({ id }) => id)).size).toBe(1);
    const jobs = await stores.database.write(`select id from genledger.job_states where user_id = $1`, [
      userId,
    ]);
    expect(jobs).toEqual([{ id: outcomes[0]!.id }]);
  });

  it('with another payload is refused, at once and later', async () => {
    const userId = someone();
    const [first, second] = await Promise.all([
      stores.store.submit(queueItem(userId, {}, keyOf(userId))),
      stores.store.submit(queueItem(userId, {}, keyOf(userId, 'another payload'))),
    ]);
    const third = await stores.store.submit(queueItem(userId, {}, keyOf(userId, 'a third payload')));
    expect([first, second, third]).toMatchObject([
      { status: 'accepted' },
      { status: 'refused', code: 'idempotency_key_reused' },
      { status: 'refused', code: 'idempotency_key_reused' },
    ]);
  });

  it('of a command that was refused is free again', async () => {
    const userId = someone();
    const unknown = queueItem(userId, { projectId: newId() }, keyOf(userId));
    expect(await stores.store.submit(unknown)).toMatchObject({
      status: 'refused',
      code: 'unknown_reference',
    });
    expect(await stores.store.submit(queueItem(userId, {}, keyOf(userId, 'mended')))).toMatchObject({
      status: 'accepted',
    });
  });

  it('is a user’s own', async () => {
    const outcomes = await Promise.all(
      [someone(), someone()].map((user) => stores.store.submit(queueItem(user, {}, keyOf(user)))),
    );
    expect(outcomes).toMatchObject([{ status: 'accepted' }, { status: 'accepted' }]);
  });
});

describe('references', () => {
  it('to what does not exist or is another’s are refused one by one, and write nothing', async () => {
    const [userId, other] = [someone(), someone()];
    const [own, foreign, asset] = await Promise.all([
      stores.project(userId),
      stores.project(other),
      stores.asset(other),
    ]);
    const outcomes = await stores.store.submitMany([
      queueItem(userId, { projectId: own }),
      queueItem(userId, { projectId: foreign }),
      queueItem(userId, { projectId: newId() }),
      queueItem(userId, { inputAssetId: asset }),
      queueItem(userId),
    ]);
    const refused = (pointer: string) => ({ status: 'refused', code: 'unknown_reference', pointer });
    expect(outcomes).toMatchObject([
      { status: 'accepted' },
      refused('#/project_id'),
      refused('#/project_id'),
      refused('#/input_asset_id'),
      { status: 'accepted' },
    ]);
    const written = await stores.database.write(`select stream_id from genledger.events where user_id = $1`, [
      userId,
    ]);
    expect(written).toHaveLength(2);
  });

  it('of a result to another user’s file are refused', async () => {
    const id = await queueOne(someone(), EXTERNAL);
    const foreign = await stores.upload(someone());
    const start: JobCommand = { type: 'start', workerId: 'w', leaseMs: 30_000, actor: WORKER };
    await stores.store.submit(itemOf(id, '', start));
    const outcome = await stores.store.submit(
      itemOf(id, '', {
        type: 'succeed',
        leaseToken: 2,
        outputs: [output(1, foreign)],
        outputErrors: [],
        costCents: 0,
        actor: WORKER,
      }),
    );
    expect(outcome).toMatchObject({
      status: 'refused',
      code: 'unknown_reference',
      pointer: '#/outputs/0/upload_id',
    });
  });
});

it('takes 10,000 jobs in one call, in order, and each is read as it was sent', async () => {
  const userId = someone();
  const items = Array.from({ length: 10_000 }, (_, at) =>
    queueItem(userId, { content: { prompt: `picture ${at}` } }),
  );
  const outcomes = await stores.store.submitMany(items);
  expect(
    outcomes.every(({ status }, at) => status === 'accepted' && outcomes[at]!.id === items[at]!.id),
  ).toBe(true);
  const rows = await stores.database.write<{ prompt: string; id: string }>(
    `select id, prompt from genledger.generation_jobs where user_id = $1 order by id`,
    [userId],
  );
  const prompts = new Map(rows.map((row) => [row.id, row.prompt]));
  expect(items.every(({ id }, at) => prompts.get(id) === `picture ${at}`)).toBe(true);
  expect(await stores.statistics.statistics({ userId, role: 'user' })).toMatchObject([
    { status: 'queued', count: 10_000 },
  ]);
});
