import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { LogKeeper } from '@genledger/jobs';
import type { HistoryEvent } from '@genledger/jobs';
import { newId } from '@genledger/platform';
import { Caller, startApp, TestApp } from './support/app';
import { eraseContents } from './support/erase-contents';

jest.setTimeout(60_000);

let app: TestApp;
beforeAll(async () => {
  // Ticks are written by hand, and nobody else appends: each position is settled when it is read.
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
});
afterAll(() => app.close());

const someone = (): Promise<Caller> => app.as(randomUUID());

async function queue(caller: Caller, body: object): Promise<string> {
  const answer = await caller.post('/v1/jobs', body);
  expect(answer.status).toBe(201);
  return answer.body.id as string;
}

async function historyOf(caller: Caller, id: string): Promise<HistoryEvent[]> {
  return (await caller.get(`/v1/jobs/${id}/events`)).body.data as HistoryEvent[];
}

const asOf = (caller: Caller, id: string, moment: number | string) =>
  caller.get(`/v1/jobs/${id}?as_of=${encodeURIComponent(moment)}`);

function expectProblem(answer: Response, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  expect(answer.type).toBe('application/problem+json');
}

/** An answer without what names the request. */
function anonymous({ status, headers, text }: Response): unknown {
  const { date: _, 'x-request-id': _id, ...others } = headers as Record<string, string>;
  const { instance: _at, request_id: _request, ...body } = JSON.parse(text) as Record<string, unknown>;
  return { status, others, body };
}

/** An external job that was queued, changed, started, charged and failed, and what GET answered after each step. */
async function eventfulJob(caller: Caller): Promise<{ id: string; answers: Record<string, unknown>[] }> {
  const id = await queue(caller, {
    mode: 'lifestyle',
    tags: ['a'],
    metadata: { order: '17' },
    cost_cents: 5,
  });
  const answers: Record<string, unknown>[] = [];
  const look = async (): Promise<void> => void answers.push((await caller.get(`/v1/jobs/${id}`)).body);
  const move = (body: object) => caller.post(`/v1/jobs/${id}/transition`, body);
  await look();
  await caller.patch(`/v1/jobs/${id}`, { tags: ['b'], priority: 3 });
  await look();
  await move({ status: 'running' });
  await look();
  await move({ status: 'failed', error: 'Printer on fire', cost_cents: 12 });
  await look();
  return { id, answers };
}

describe('GET /v1/jobs/{id}?as_of=', () => {
  it('answers as it would have been answered then, by position and by time', async () => {
    const caller = await someone();
    const { id, answers } = await eventfulJob(caller);
    const history = await historyOf(caller, id);
    expect(history.map(({ type }) => type)).toEqual([
      'JobQueued',
      'JobDetailsChanged',
      'JobStarted',
      'JobFailed',
    ]);
    for (const [at, { position, recorded_at }] of history.entries()) {
      const then = { ...answers[at], queue_position: null };
      expect((await asOf(caller, id, position)).body).toEqual(then);
      const isLastOfItsTime = history[at + 1]?.recorded_at !== recorded_at;
      if (isLastOfItsTime) expect((await asOf(caller, id, recorded_at)).body).toEqual(then);
    }
    const now = new Date().toISOString();
    expect((await asOf(caller, id, now)).body).toEqual(answers.at(-1));
    const elsewhere = now.replace('Z', '+00:00');
    expect((await asOf(caller, id, elsewhere)).body).toEqual(answers.at(-1));
  });

  it('tells the owner of a job that it had not been queued yet', async () => {
    const caller = await someone();
    const id = await queue(caller, { mode: 'x' });
    const [first] = await historyOf(caller, id);
    for (const moment of [0, first!.position - 1, '2001-01-01T00:00:00Z'])
      expectProblem(await asOf(caller, id, moment), 404, 'not-created-yet');
  });

  it('shows a deleted job as it was before, and as absent afterwards', async () => {
    const caller = await someone();
    const { id, answers } = await eventfulJob(caller);
    await caller.delete(`/v1/jobs/${id}`);
    const history = await historyOf(caller, id);
    const [failed, deleted] = history.slice(-2);
    expect((await asOf(caller, id, failed!.position)).body).toEqual(answers.at(-1));
    expectProblem(await asOf(caller, id, deleted!.position), 404, 'not-found');
    expect(anonymous(await asOf(caller, id, deleted!.position))).toEqual(
      anonymous(await caller.get(`/v1/jobs/${id}`)),
    );
  });

  it('has no texts that were erased since', async () => {
    const caller = await someone();
    const { id } = await eventfulJob(caller);
    const history = await historyOf(caller, id);
    await eraseContents(app.superuser, id);
    expect((await asOf(caller, id, history[0]!.position)).body).toMatchObject({ metadata: null, tags: [] });
    expect((await asOf(caller, id, history.at(-1)!.position)).body.error).toEqual({
      code: 'failed',
      message: null,
      retryable: false,
    });
  });

  it('answers another user’s job as one that does not exist, byte for byte, whenever', async () => {
    const [owner, stranger] = [await someone(), await someone()];
    const id = await queue(owner, { mode: 'x' });
    const [{ position, recorded_at }] = (await historyOf(owner, id)) as [HistoryEvent];
    for (const moment of [0, position - 1, position, recorded_at, '2001-01-01T00:00:00Z']) {
      const theirs = await asOf(stranger, id, moment);
      expectProblem(theirs, 404, 'not-found');
      expect(anonymous(theirs)).toEqual(anonymous(await asOf(stranger, newId(), moment)));
    }
    for (const moment of [999_999_999, '2099-01-01T00:00:00Z']) {
      const theirs = await asOf(stranger, id, moment);
      expectProblem(theirs, 422, 'out-of-range');
      expect(anonymous(theirs)).toEqual(anonymous(await asOf(stranger, newId(), moment)));
    }
    const auditor = await app.as(randomUUID(), 'auditor');
    expect((await asOf(auditor, id, position)).body).toMatchObject({ id, user_id: owner.userId });
  });
});

describe('a moment that is not past, or none', () => {
  const routes = ['/v1/statistics', '/v1/summary', '/v1/costs', `/v1/jobs/${newId()}`];

  it.each<[string, string]>([
    ['999999999', 'out-of-range'],
    ['2099-01-01T00:00:00Z', 'out-of-range'],
    ['', 'validation-failed'],
    ['-1', 'validation-failed'],
    ['1e3', 'validation-failed'],
    ['yesterday', 'validation-failed'],
    ['2026-01-31', 'validation-failed'],
    ['2026-02-30T00:00:00Z', 'validation-failed'],
    ['9999999999999999', 'validation-failed'],
    ['1;select 1', 'validation-failed'],
  ])('%j is a 422 %s on every route', async (moment, code) => {
    const caller = await someone();
    for (const route of routes) {
      const answer = await caller.get(`${route}?as_of=${encodeURIComponent(moment)}`);
      expectProblem(answer, 422, code);
      expect(answer.body.errors).toMatchObject([{ pointer: '#/as_of' }]);
    }
  });

  it.each([
    ['as_of=1&as_of=2', 'duplicate-parameter'],
    ['as_of[a]=1', 'unknown-parameter'],
    ['as_of=1&version=2', 'unknown-parameter'],
  ])('%s is refused', async (query, code) => {
    const caller = await someone();
    for (const route of routes) expectProblem(await caller.get(`${route}?${query}`), 422, code);
  });
});

describe('sums as of a moment', () => {
  const sums = async (caller: Caller, route: string, moment: number | string) => {
    const answer = await caller.get(
      `${route}${route.includes('?') ? '&' : '?'}as_of=${encodeURIComponent(moment)}`,
    );
    expect(answer.status).toBe(200);
    return answer.body;
  };

  it('are those of a position, deleted jobs included until they were', async () => {
    const caller = await someone();
    const { id } = await eventfulJob(caller);
    await caller.delete(`/v1/jobs/${id}`);
    const history = await historyOf(caller, id);
    const told = [];
    for (const { position } of history) {
      const statistics = await sums(caller, '/v1/statistics', position);
      const costs = await sums(caller, '/v1/costs?group_by=kind', position);
      expect(statistics).toMatchObject({ cost_basis: 'listed', as_of_position: position, as_of_time: null });
      expect(costs).toMatchObject({ cost_basis: 'incurred', as_of_position: position, as_of_time: null });
      const [row] = statistics.data as { status: string; count: number; total_cost_cents: number }[];
      told.push([row?.status, row?.count, row?.total_cost_cents, costs.total_incurred_cents]);
    }
    expect(told).toEqual([
      ['queued', 1, 5, 5],
      ['queued', 1, 5, 5],
      ['running', 1, 5, 5],
      ['failed', 1, 12, 12],
      [undefined, undefined, undefined, 12],
    ]);
    const [first] = history;
    expect((await sums(caller, '/v1/summary', first!.position)).data).toEqual([
      {
        user_id: caller.userId,
        project_id: null,
        status: 'queued',
        job_count: 1,
        total_cost_cents: 5,
        avg_cost_cents: 5,
        first_job_at: expect.any(String),
        last_job_at: expect.any(String),
      },
    ]);
  });

  it('are those of the last tick at or before a time, and say which', async () => {
    const caller = await someone();
    await queue(caller, { mode: 'x', cost_cents: 10 });
    const tick = await writeTick();
    await queue(caller, { mode: 'x', cost_cents: 30 });
    const next = await writeTick();
    expect(await sums(caller, '/v1/statistics', tick.at)).toEqual({
      cost_basis: 'listed',
      as_of_position: tick.position,
      as_of_time: tick.at,
      data: [{ status: 'queued', count: 1, total_cost_cents: 10, avg_cost_cents: 10 }],
    });
    expect(await sums(caller, '/v1/costs', next.at)).toMatchObject({
      total_incurred_cents: 40,
      as_of_position: next.position,
      as_of_time: next.at,
    });
    expect(await sums(caller, '/v1/costs', '2001-01-01T00:00:00Z')).toEqual({
      cost_basis: 'incurred',
      group_by: 'day',
      total_incurred_cents: 0,
      as_of_position: 0,
      as_of_time: null,
      data: [],
    });
  });

  it('are one’s own, and all users’ for auditors', async () => {
    const [one, other, auditor] = [await someone(), await someone(), await app.as(randomUUID(), 'auditor')];
    const id = await queue(one, { mode: 'x', cost_cents: 10 });
    const [{ position }] = (await historyOf(one, id)) as [HistoryEvent];
    for (const route of ['/v1/statistics', '/v1/summary', '/v1/costs'])
      expect((await sums(other, route, position)).data).toEqual([]);
    const users = (await sums(auditor, '/v1/costs?group_by=user', position)).data;
    expect(users).toContainEqual({ group: one.userId, incurred_cents: 10, charges: 1 });
  });

  async function writeTick(): Promise<{ position: number; at: string }> {
    await app.app.get(LogKeeper).recordTick();
    const { rows } = await app.superuser.query<{ position: number; at: string }>(
      `select position, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
         from genledger.ticks order by position desc limit 1`,
    );
    return rows[0]!;
  }
});

it('the OpenAPI document tells of as_of wherever it is taken', async () => {
  const { body } = await (await someone()).get('/openapi.json');
  for (const path of ['/v1/jobs/{id}', '/v1/statistics', '/v1/summary', '/v1/costs']) {
    const parameters = body.paths[path].get.parameters as { name: string; required: boolean }[];
    expect(parameters.find(({ name }) => name === 'as_of')).toMatchObject({
      in: 'query',
      required: false,
      description: expect.stringContaining('RFC 3339'),
      schema: { type: 'string' },
    });
  }
});
