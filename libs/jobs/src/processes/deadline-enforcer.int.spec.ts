import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { newId } from '@genledger/platform';
import { openJobStores, type JobStores } from '../../../../test/support/job-stores';
import { actorMeta, SYSTEM } from '../commands/actor-meta';
import type { NewJob } from '../job-commands';
import { newJob } from '../testing/job-fixtures';
import { DeadlineEnforcer } from './deadline-enforcer';

jest.setTimeout(60_000);
Logger.overrideLogger(false);

const OWNER = randomUUID();
const HOUR_MS = 3_600_000;

let stores: JobStores;
beforeAll(async () => {
  stores = await openJobStores();
});
afterAll(() => stores.close());

const enforcer = (): DeadlineEnforcer =>
  new DeadlineEnforcer(stores.openStore(), { roles: new Set(['scheduler'] as const) });

async function queue(count: number, job: Partial<NewJob> = {}): Promise<string[]> {
  const command = { type: 'queue', job: newJob(job), actor: { userId: OWNER, role: 'user' } } as const;
  const ids = Array.from({ length: count }, () => newId());
  const meta = actorMeta(SYSTEM);
  await stores.store.submitMany(ids.map((id) => ({ id, userId: OWNER, meta, command })));
  return ids;
}

/** Puts the deadlines of jobs into the past. */
async function pass(ids: readonly string[]): Promise<void> {
  await stores.superuser.query(
    `update genledger.job_states set deadline = clock_timestamp() - interval '1 second' where id = any ($1)`,
    [ids],
  );
}

async function endsOf(ids: readonly string[]): Promise<Record<string, number>> {
  const { rows } = await stores.superuser.query<{ what: string; jobs: number }>(
    `select concat_ws(' ', s.status, s.error_code, s.reserved_cents, string_agg(e.type, '+' order by e.version)) as what, s.id
       from genledger.job_states s join genledger.events e on e.stream_id = s.id where s.id = any ($1) group by s.id`,
    [ids],
  );
  const ends: Record<string, number> = {};
  for (const { what } of rows) ends[what] = (ends[what] ?? 0) + 1;
  return ends;
}

const MISSED = 'failed deadline_exceeded 0 JobQueued+JobFailed';

it('fails more overdue jobs than a batch has, each once, whoever else does it', async () => {
  const ids = await queue(1_200, { deadline: Date.now() + HOUR_MS });
  await pass(ids);
  const failed = await Promise.all([enforcer().enforce(), enforcer().enforce()]);
  expect(failed[0] + failed[1]).toBe(1_200);
  expect(await endsOf(ids)).toEqual({ [MISSED]: 1_200 });
  expect(await enforcer().enforce()).toBe(0);
});

it('leaves alone what has no deadline, has time left, or was started in time', async () => {
  const [plain] = await queue(1);
  const [running] = await queue(1, { kind: 'variant', deadline: Date.now() + HOUR_MS });
  const claim = {
    workerId: 'w',
    kinds: ['variant'],
    max: 1,
    leaseMs: HOUR_MS,
    meta: actorMeta(SYSTEM),
  } as const;
  expect((await stores.store.claim(claim)).map(({ jobId }) => jobId)).toEqual([running]);
  const [early] = await queue(1, { deadline: Date.now() + HOUR_MS });
  await pass([running!]);
  expect(await enforcer().enforce()).toBe(0);
  expect(await endsOf([plain!, early!, running!])).toEqual({
    'queued 8 JobQueued': 2,
    'running 8 JobQueued+JobStarted': 1,
  });
});

it('does not let a job that someone holds keep the others', async () => {
  const [held, ...others] = await queue(3, { deadline: Date.now() + HOUR_MS });
  await pass([held!, ...others]);
  await stores.superuser.query('begin');
  await stores.superuser.query(`select 1 from genledger.job_states where id = $1 for update`, [held]);
  expect(await enforcer().enforce()).toBe(2);
  await stores.superuser.query('rollback');
  expect(await endsOf(others)).toEqual({ [MISSED]: 2 });
  expect(await enforcer().enforce()).toBe(1);
  expect(await endsOf([held!])).toEqual({ [MISSED]: 1 });
});
