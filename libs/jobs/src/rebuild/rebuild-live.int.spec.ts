import { newId } from '@genledger/platform';
import { JobStores, openJobStores } from '../../../../test/support/job-stores';
import { admit } from '../admission';
import type { JobCommand } from '../job-commands';
import type { JobOutcome } from '../job-item';
import type { WorkItem } from '../claim-batch';
import { verifyLedger } from '../verification/verify-ledger';
import { JobFinding, rebuildJobs } from './rebuild-jobs';

const alice = '11111111-1111-4111-8111-111111111111';
const owner = { userId: alice, role: 'user' } as const;
const meta = { actor: 'test' };
const LEASE_END = new Date('2099-01-01T00:00:00Z');

let stores: JobStores;
/** Version of each job after the last command that was acknowledged. */
const acknowledged = new Map<string, number>();

beforeAll(async () => {
  stores = await openJobStores();
});
afterAll(() => stores.close());

function note(outcome: JobOutcome): void {
  if (outcome.status !== 'accepted') throw new Error(JSON.stringify(outcome));
  acknowledged.set(outcome.id, outcome.version);
}

async function submit(id: string, command: JobCommand): Promise<void> {
  note(await stores.store.submit({ id, userId: alice, command, meta }));
}

async function queue(kind: 'text_to_image' | 'external'): Promise<string> {
  const id = newId();
  const textToImage = kind === 'external' ? {} : { textToImage: { prompt: 'a lake' } };
  await submit(id, { type: 'queue', actor: owner, job: admit({ kind, mode: 'test', ...textToImage }) });
  return id;
}

const times = <T>(n: number, work: (at: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, at) => work(at)));

async function claim(max: number): Promise<readonly WorkItem[]> {
  const items = await stores.store.claim({
    workerId: 'w',
    kinds: ['text_to_image'],
    max,
    leaseMs: 60_000,
    meta,
  });
  for (const { jobId, leaseToken } of items) acknowledged.set(jobId, leaseToken);
  return items;
}

it('loses no command that runs beside it, touches no lease, and ends with everything equal', async () => {
  await times(150, () => queue('text_to_image'));
  const toCancel = await times(150, () => queue('external'));
  const held = (await claim(20)).map(({ jobId }) => jobId);
  await stores.superuser.query(
    `update genledger.job_states set lease_expires_at = $2, worker_id = 'other' where id = any ($1::uuid[])`,
    [held, LEASE_END],
  );
  // Wrong in every row, and of no account to any command.
  await stores.superuser.query('update genledger.job_states set max_attempts = 99');
  await stores.superuser.query('update genledger.job_requests set estimated_cents = 99');

  let rebuilt = false;
  let beside = 0;
  const findings: JobFinding[] = [];
  const rebuilding = rebuildJobs(stores.database, {
    check: false,
    onFinding: (finding) => findings.push(finding),
    streamsAtOnce: 20,
  }).finally(() => (rebuilt = true));
  const whileRebuilding = async (command: () => Promise<unknown>): Promise<void> => {
    while (!rebuilt) {
      await command();
      if (!rebuilt) beside++;
    }
  };
  await Promise.all([
    rebuilding,
    whileRebuilding(() => queue('text_to_image')),
    whileRebuilding(async () => {
      const items = await claim(3);
      const successes = items.map(({ jobId: id, leaseToken }) => {
        return { id, leaseToken, meta, outputs: [], outputErrors: [], costCents: 3 };
      });
      for (const outcome of await stores.store.succeedMany(successes)) note(outcome);
    }),
    whileRebuilding(async () => {
      const id = toCancel.pop() ?? (await queue('external'));
      await submit(id, { type: 'cancel', actor: owner });
      await submit(id, { type: 'delete', actor: owner });
    }),
  ]);

  expect(beside).toBeGreaterThan(10);
  expect(new Set(findings.map(({ fate }) => fate))).toEqual(new Set(['mended']));
  expect((await verifyLedger(stores.database)).filter(({ holds }) => !holds)).toEqual([]);
  const versions = await stores.database.write<{ id: string; version: number }>(
    `select id, version from genledger.job_states
     union all select stream_id, version from genledger.ended_streams`,
  );
  expect(new Map(versions.map(({ id, version }) => [id, version]))).toEqual(acknowledged);
  const leases = await stores.database.write(
    `select distinct lease_expires_at, worker_id, max_attempts from genledger.job_states where id = any ($1::uuid[])`,
    [held],
  );
  expect(leases).toEqual([{ lease_expires_at: LEASE_END, worker_id: 'other', max_attempts: 3 }]);
});
