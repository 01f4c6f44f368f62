import { randomUUID } from 'node:crypto';
import { JobProjector } from '@genledger/jobs';
import { Caller, startApp, TestApp } from './support/app';

jest.setTimeout(60_000);

let app: TestApp;
beforeAll(async () => {
  // Nobody folds by itself: answers are exact all the same, and after a fold too.
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
});
afterAll(() => app.close());

interface Spring {
  readonly caller: Caller;
  readonly project: string;
}

/** Two queued, one running, one succeeded, one deleted; 100 cents spent, 60 of them on what is still listed. */
async function someoneBusy(): Promise<Spring> {
  const caller = await app.as(randomUUID());
  const project = (await caller.post('/v1/projects', { name: 'spring' })).body.id as string;
  const queue = async (body: object): Promise<string> =>
    (await caller.post('/v1/jobs', { mode: 'lifestyle', ...body })).body.id as string;
  const move = (id: string, body: object) => caller.post(`/v1/jobs/${id}/transition`, body);
  await queue({ cost_cents: 10 });
  await queue({ project_id: project });
  await move(await queue({ mode: 'packaging' }), { status: 'running', cost_cents: 20 });
  const done = await queue({ project_id: project });
  await move(done, { status: 'running' });
  await move(done, { status: 'succeeded', cost_cents: 30 });
  const deleted = await queue({ cost_cents: 40 });
  await caller.delete(`/v1/jobs/${deleted}`);
  return { caller, project };
}

const read = async (caller: Caller, path: string) => (await caller.get(path)).body;

async function expectSums({ caller, project }: Spring): Promise<void> {
  expect(await read(caller, '/v1/statistics')).toEqual({
    cost_basis: 'listed',
    data: [
      { status: 'queued', count: 2, total_cost_cents: 10, avg_cost_cents: 5 },
      { status: 'running', count: 1, total_cost_cents: 20, avg_cost_cents: 20 },
      { status: 'succeeded', count: 1, total_cost_cents: 30, avg_cost_cents: 30 },
    ],
  });
  const summary = await read(caller, '/v1/summary');
  expect(summary.cost_basis).toBe('listed');
  expect(
    summary.data.map(
      (row: { project_id: string; status: string; job_count: number; total_cost_cents: number }) => [
        row.project_id,
        row.status,
        row.job_count,
        row.total_cost_cents,
      ],
    ),
  ).toEqual([
    [project, 'queued', 1, 0],
    [project, 'succeeded', 1, 30],
    [null, 'queued', 1, 10],
    [null, 'running', 1, 20],
  ]);
  const today = new Date().toISOString().slice(0, 10);
  const groups: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    day: { [today]: 100 },
    project: { [project]: 30, null: 70 },
    mode: { lifestyle: 80, packaging: 20 },
    kind: { external: 100 },
    model: { null: 100 },
    user: { [caller.userId]: 100 },
  };
  for (const [group, expected] of Object.entries(groups)) {
    const costs = await read(caller, `/v1/costs?group_by=${group}`);
    expect(costs).toMatchObject({ cost_basis: 'incurred', group_by: group, total_incurred_cents: 100 });
    expect(
      Object.fromEntries(
        costs.data.map((row: { group: string | null; incurred_cents: number }) => [
          String(row.group),
          row.incurred_cents,
        ]),
      ),
    ).toEqual(expected);
  }
}

it('sums are exact at once, and the same when they have been folded', async () => {
  const spring = await someoneBusy();
  await expectSums(spring);
  await app.app.get(JobProjector).drain();
  await expectSums(spring);
  const { rows } = await app.superuser.query<{ tail: number }>(
    `select count(*)::int as tail from genledger.events e where e.position >
       (select position from genledger.checkpoints where name = 'jobs')`,
  );
  expect(rows).toEqual([{ tail: 0 }]);
});

it('costs are grouped by day where nothing is said', async () => {
  const { caller } = await someoneBusy();
  expect((await read(caller, '/v1/costs')).group_by).toBe('day');
});

it('nobody sees another user’s sums, but auditors see the sum of all', async () => {
  const { caller } = await someoneBusy();
  const other = await app.as(randomUUID());
  expect((await read(other, '/v1/statistics')).data).toEqual([]);
  expect((await read(other, '/v1/costs')).total_incurred_cents).toBe(0);
  const auditor = await app.as(randomUUID(), 'auditor');
  const users = (await read(auditor, '/v1/costs?group_by=user')).data as {
    group: string;
    incurred_cents: number;
  }[];
  expect(users.find(({ group }) => group === caller.userId)?.incurred_cents).toBe(100);
  const { rows } = await app.superuser.query<{ count: number }>(
    `select count(*)::int as count from genledger.job_states`,
  );
  const all = (await read(auditor, '/v1/statistics')).data as { count: number }[];
  expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(rows[0]!.count);
});

it('of two jobs at the largest cost there is a sum', async () => {
  const caller = await app.as(randomUUID());
  for (let n = 0; n < 2; n++) await caller.post('/v1/jobs', { mode: 'x', cost_cents: 2_147_483_647 });
  expect((await read(caller, '/v1/statistics')).data).toEqual([
    { status: 'queued', count: 2, total_cost_cents: 4_294_967_294, avg_cost_cents: 2_147_483_647 },
  ]);
  expect((await read(caller, '/v1/costs')).total_incurred_cents).toBe(4_294_967_294);
});

it.each([
  '/v1/costs?group_by=name',
  '/v1/statistics?user_id=x',
  '/v1/summary?limit=1',
  '/v1/costs?group_by=day&group_by=mode',
])('%s is refused', async (path) => {
  const answer = await (await app.as(randomUUID())).get(path);
  expect(answer.status).toBe(422);
  expect(answer.type).toBe('application/problem+json');
});
