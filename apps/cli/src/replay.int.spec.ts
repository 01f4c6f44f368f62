import { newId } from '@genledger/platform';
import type { JobStory } from '@genledger/jobs';
import { CommandLine } from '../../../test/support/command-line';
import { JobStores, openJobStores } from '../../../test/support/job-stores';

const alice = '11111111-1111-4111-8111-111111111111';
const actor = { userId: alice, role: 'user' } as const;
const meta = { actor: `user:${alice}` };
const id = newId();

let line: CommandLine;
let stores: JobStores;
let env: { DATABASE_URL: string };

beforeAll(async () => {
  line = new CommandLine();
  stores = await openJobStores();
  env = { DATABASE_URL: stores.adminUrl };
  await submit({
    type: 'queue',
    actor,
    job: {
      kind: 'external',
      mode: 'lifestyle',
      model: null,
      projectId: null,
      inputAssetId: null,
      collectionId: null,
      ordinalNumber: null,
      traitOverrides: null,
      requested: {},
      effective: {},
      content: null,
      priority: 0,
      maxAttempts: 3,
      runAt: null,
      deadline: null,
      retryOf: null,
      estimatedCents: 0,
      statedCents: 5,
    },
  });
  await submit({ type: 'transition', actor, to: 'running', code: null, message: null, costCents: null });
  await submit({ type: 'transition', actor, to: 'failed', code: null, message: 'Fire', costCents: 12 });
});
afterAll(async () => {
  line.remove();
  await stores.close();
});

async function submit(command: Parameters<JobStores['store']['submit']>[0]['command']): Promise<void> {
  const outcome = await stores.store.submit({ id, userId: alice, command, meta });
  expect(outcome.status).toBe('accepted');
}

const replay = (...argv: string[]) => line.run(['replay', ...argv], env);

async function positions(): Promise<number[]> {
  const rows = await stores.database.write<{ position: number }>(
    'select position from genledger.events where stream_id = $1 order by version',
    [id],
  );
  return rows.map(({ position }) => position);
}

it('tells a job from its first event to its state', async () => {
  const { code, out, err } = await replay(id);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(new RegExp(`^Job ${id}\n  of user ${alice}\n  external, mode lifestyle\n`));
  expect(out).toContain(`JobFailed             failed for good; $0.07 charged\n`);
  expect(out).toContain(`        by user:${alice}, because: failed: Fire\n`);
  expect(out).toContain('Cost   $0.12 incurred, $0.00 still reserved\n');
  expect(out).toMatch(/\nState {2}failed, by event 3 at position \d+, \S+Z\n$/);
});

it('tells it up to a position, or a time, as one line of JSON too', async () => {
  const [queued, started] = (await positions()) as [number, number, number];
  const plain = await replay(id, '--as-of', String(started));
  expect(plain.out).toMatch(/\nState {2}running, by event 2 /);
  const { code, out } = await replay(id, '--as-of', String(queued), '--json');
  expect([code, out.trim().split('\n').length]).toEqual([0, 1]);
  const told = JSON.parse(out) as JobStory & { as_of: unknown; job: { status: string } };
  expect(told).toMatchObject({
    as_of: { position: queued },
    job_id: id,
    state: 'queued',
    version: 1,
    incurred_cents: 5,
    job: { status: 'queued', cost_cents: 5 },
    outputs: [],
    output_errors: [],
  });
  expect(told.steps.map(({ type, actor: who }) => [type, who])).toEqual([['JobQueued', meta.actor]]);
  const now = await replay(id, '--as-of', new Date().toISOString(), '--json');
  expect(JSON.parse(now.out)).toMatchObject({ state: 'failed', version: 3 });
});

it('ends with 1 where there is no such job, or was not by then', async () => {
  const absent = newId();
  expect(await replay(absent)).toEqual({ code: 1, out: '', err: `genledger: there is no job ${absent}\n` });
  expect(await replay(absent, '--as-of', '1')).toMatchObject({ code: 1, out: '' });
  for (const moment of ['0', '2001-01-01T00:00:00Z'])
    expect(await replay(id, '--as-of', moment)).toEqual({
      code: 1,
      out: '',
      err: `genledger: job ${id} had not been queued by then\n`,
    });
});

it.each([
  ['999999999', '--as-of: the log is not settled up to that position'],
  ['2099-01-01T00:00:00Z', '--as-of: the time is still to come'],
])('--as-of %s is wrong use: 2', async (moment, said) => {
  expect(await replay(id, '--as-of', moment)).toEqual({ code: 2, out: '', err: `genledger: ${said}\n` });
});

it('tells a deleted job with what had been asked for', async () => {
  await submit({ type: 'delete', actor });
  const { code, out } = await replay(id);
  expect(code).toBe(0);
  expect(out).toContain('  external, mode lifestyle\n');
  expect(out).toMatch(/\nState {2}deleted, by event 4 /);
});

it('tells to migrate first where the database is not migrated', async () => {
  await stores.superuser.query('delete from genledger.migrations');
  expect(await replay(id)).toMatchObject({
    code: 2,
    err: expect.stringContaining('run "genledger migrate"'),
  });
});
