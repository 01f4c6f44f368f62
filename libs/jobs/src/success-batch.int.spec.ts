import { randomUUID } from 'node:crypto';
import { newId } from '@genledger/platform';
import { openJobStores, type JobStores } from '../../../test/support/job-stores';
import { until } from '../../../test/support/until';
import { actorMeta } from './commands/actor-meta';
import type { Success } from './success-batch';
import { newJob, output, WORKER } from './testing/job-fixtures';

jest.setTimeout(60_000);

const META = actorMeta(WORKER);
const USER = randomUUID();

let stores: JobStores;
beforeAll(async () => {
  stores = await openJobStores();
});
afterAll(() => stores.close());

/** A job in a worker's hands. Other jobs of the queue are started, too. */
async function startOne(): Promise<{ id: string; leaseToken: number }> {
  const id = newId();
  const command = { type: 'queue', job: newJob(), actor: { userId: USER, role: 'user' } } as const;
  await stores.store.submit({ id, userId: USER, meta: META, command });
  const items = await stores.store.claim({
    workerId: 'w1',
    kinds: ['text_to_image'],
    max: 100,
    leaseMs: 30_000,
    meta: META,
  });
  return { id, leaseToken: items.find(({ jobId }) => jobId === id)!.leaseToken };
}

function success(id: string, leaseToken: number, outputs: Success['outputs'] = []): Success {
  return { id, leaseToken, outputs, outputErrors: [], costCents: 3, meta: META };
}

it.each(['first', 'last'])(
  'tells a stale worker from the right one when the stale one comes %s in one batch',
  async (order) => {
    const { id, leaseToken } = await startOne();
    const both = [success(id, leaseToken + 7), success(id, leaseToken)];
    if (order === 'last') both.reverse();
    const outcomes = await stores.store.succeedMany(both);
    if (order === 'last') outcomes.reverse();
    expect(outcomes).toMatchObject([{ status: 'refused', code: 'lease_lost' }, { status: 'accepted' }]);
  },
);

it('counts a result that is reported twice in one batch once', async () => {
  const { id, leaseToken } = await startOne();
  const outcomes = await stores.store.succeedMany([success(id, leaseToken), success(id, leaseToken)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['accepted', 'unchanged']);
  const [row] = await stores.database.write(
    `select cost_cents, version from genledger.job_states where id = $1`,
    [id],
  );
  expect(row).toEqual({ cost_cents: 3, version: 3 });
});

it('records the others of a batch beside a row that somebody holds', async () => {
  const [held, free] = [await startOne(), await startOne()];
  const stranger = await stores.database.openSession('stranger');
  await stranger.query('begin');
  await stranger.query('select 1 from genledger.job_states where id = $1 for update', [held.id]);
  // Reported in one turn, so they share a batch.
  const waiting = stores.store.succeedMany([success(held.id, held.leaseToken)]);
  const outcomes = await stores.store.succeedMany([success(free.id, free.leaseToken)]);
  expect(outcomes).toMatchObject([{ status: 'accepted', version: 3 }]);
  await stranger.query('rollback');
  await stranger.end();
  expect(await waiting).toMatchObject([{ status: 'accepted', version: 3 }]);
});

it('does not link a file that is being deleted', async () => {
  const { id, leaseToken } = await startOne();
  const upload = await stores.upload(USER);
  const sweeper = await stores.database.openSession('sweeper');
  await sweeper.query('begin');
  await sweeper.query('delete from genledger.uploads where id = $1', [upload]);
  const recording = stores.store.succeedMany([
    success(id, leaseToken, [{ ...output(1), upload_id: upload }]),
  ]);
  await until('the result waits for the file', async () => {
    const { rows } = await stores.superuser.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%lock_references%'
          and datname = current_database()`,
    );
    return rows.length === 1;
  });
  await sweeper.query('commit');
  await sweeper.end();
  expect(await recording).toMatchObject([{ status: 'refused', code: 'unknown_reference' }]);
  expect(await stores.database.write('select 1 from genledger.job_outputs where job_id = $1', [id])).toEqual(
    [],
  );
});
