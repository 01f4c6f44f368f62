import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Pool } from 'pg';
import { Doorbell, Watermark, WatermarkWatch } from '@genledger/event-store';
import { newId } from '@genledger/platform';
import { openJobStores, type JobStores } from '../../../../test/support/job-stores';
import { until } from '../../../../test/support/until';
import { actorMeta } from '../commands/actor-meta';
import type { JobCommand } from '../job-commands';
import { EXTERNAL, newJob, WORKER } from '../testing/job-fixtures';
import { JobAwaiter } from './job-awaiter';

jest.setTimeout(60_000);
Logger.overrideLogger(false);

const META = actorMeta(WORKER);
const OWNER = randomUUID();
const ACTOR = { userId: OWNER, role: 'user' } as const;
const LONG = 60_000;
const no = (): Promise<boolean> => Promise.resolve(false);

let stores: JobStores;
let pool: Pool;
let doorbell: Doorbell;
let watch: WatermarkWatch;
let awaiter: JobAwaiter;
let statements = 0;

// Another process than the store's: it hears of ends by a notification, or finds them by itself.
beforeAll(async () => {
  stores = await openJobStores();
  pool = new Pool({ ...stores.database.writer.options, max: 2 });
  pool.on('acquire', () => statements++);
  pool.on('error', () => undefined);
});

beforeEach(async () => {
  doorbell = new Doorbell(() => stores.database.openSession('test'));
  await doorbell.open();
  watch = new WatermarkWatch(new Watermark(pool), doorbell);
  awaiter = new JobAwaiter({ pool, openSession: () => stores.database.openSession('test') }, watch);
  statements = 0;
});

afterEach(async () => {
  awaiter.onModuleDestroy();
  watch.close();
  await doorbell.close();
});

afterAll(async () => {
  await pool.end();
  await stores.close();
});

const submit = (ids: readonly string[], command: JobCommand) =>
  stores.store.submitMany(ids.map((id) => ({ id, userId: OWNER, meta: META, command })));

async function queue(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  await submit(ids, { type: 'queue', job: newJob(EXTERNAL), actor: ACTOR });
  return ids;
}

const move = (id: string, to: 'running' | 'succeeded' | 'failed') =>
  submit([id], { type: 'transition', to, code: null, message: null, costCents: null, actor: ACTOR });

it.each(['succeeded', 'failed'] as const)('waits until a job has %s, not only until it runs', async (end) => {
  const [id] = await queue(1);
  const moments: string[] = [];
  const waited = awaiter.untilEnded(id!, no, LONG).then(() => moments.push('waited'));
  await move(id!, 'running');
  // Whoever waits for the position of the start has been told by the same look.
  expect(await watch.reached(await lastPosition(), 10_000)).toBe(true);
  moments.push('running');
  await move(id!, end);
  await waited;
  expect(moments).toEqual(['running', 'waited']);
  expect(awaiter.awaited).toBe(0);
});

async function lastPosition(): Promise<number> {
  const { rows } = await stores.superuser.query<{ last: number }>(
    `select max(position) as last from genledger.events`,
  );
  return rows[0]!.last;
}

it('misses no end, whenever it comes', async () => {
  for (const id of await queue(40)) {
    const hasEnded = async (): Promise<boolean> => {
      const { rows } = await stores.superuser.query<{ status: string }>(
        `select status from genledger.job_states where id = $1`,
        [id],
      );
      return rows[0]!.status === 'canceled';
    };
    await Promise.all([
      awaiter.untilEnded(id, hasEnded, LONG),
      submit([id], { type: 'cancel', actor: ACTOR }),
    ]);
  }
});

it('asks no more for six hundred waits than for one', async () => {
  const ids = await queue(600);
  const waits = ids.flatMap((id) => [awaiter.untilEnded(id, no, LONG), awaiter.untilEnded(id, no, LONG)]);
  expect(awaiter.awaited).toBe(600);
  await submit(ids, { type: 'cancel', actor: ACTOR });
  await Promise.all(waits);
  // A few looks, of two statements each.
  expect(statements).toBeLessThan(30);
  expect(awaiter.awaited).toBe(0);
});

it('asks once whether a job has ended already, and is done if so', async () => {
  let asked = 0;
  await awaiter.untilEnded(newId(), () => Promise.resolve(++asked > 0), LONG);
  expect(asked).toBe(1);
});

it('ends in time, when the caller is gone, when it cannot ask, and when the server stops', async () => {
  const [id] = await queue(1);
  await awaiter.untilEnded(id!, no, 20);
  await expect(awaiter.untilEnded(id!, () => Promise.reject(new Error('no database')), LONG)).rejects.toThrow(
    'no database',
  );
  const caller = new AbortController();
  const abandoned = awaiter.untilEnded(id!, no, LONG, caller.signal);
  const stopped = awaiter.untilEnded(id!, no, LONG);
  caller.abort();
  await abandoned;
  expect(awaiter.awaited).toBe(1);
  awaiter.onModuleDestroy();
  await stopped;
  await awaiter.untilEnded(id!, no, LONG);
  expect(awaiter.awaited).toBe(0);
});

it('goes on after its connections were cut', async () => {
  const [id] = await queue(1);
  const waited = awaiter.untilEnded(id!, no, LONG);
  await until('it looks', () => statements > 0);
  await stores.superuser.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where usename = 'genledger_server' and datname = current_database() and query like '%read_watermark%'`,
  );
  await submit([id!], { type: 'cancel', actor: ACTOR });
  await waited;
});
