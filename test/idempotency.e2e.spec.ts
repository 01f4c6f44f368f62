import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { Caller, startApp, TestApp } from './support/app';

jest.setTimeout(60_000);

let app: TestApp;
let user: Caller;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
});
beforeEach(async () => {
  user = await app.as(randomUUID());
});
afterAll(() => app.close());

const BODY = { mode: 'lifestyle', cost_cents: 3, metadata: { order: '17' }, tags: ['a'] };
const post = (key: string, body: object = BODY, caller = user, path = '/v1/jobs') =>
  caller.post(path, body).set('idempotency-key', key);

async function jobsOf(caller: Caller): Promise<number> {
  return (await caller.get('/v1/jobs?limit=100')).body.data.length as number;
}

function expectProblem(answer: Response, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  expect(answer.type).toBe('application/problem+json');
}

it('D18 a repeated request gets the same answer, and makes no other job', async () => {
  const first = await post('key-1');
  const second = await post('key-1');
  expect(first.status).toBe(201);
  expect(second.status).toBe(201);
  expect(second.text).toBe(first.text);
  expect(second.headers['location']).toBe(first.headers['location']);
  expect(await jobsOf(user)).toBe(1);
});

it('D18 the answer is that of then, whatever became of the job', async () => {
  const first = await post('key-1');
  const path = `/v1/jobs/${first.body.id}`;
  await user.post(`${path}/transition`, { status: 'running' });
  await user.post(`${path}/transition`, { status: 'succeeded', cost_cents: 9 });
  expect((await post('key-1')).text).toBe(first.text);
  await user.delete(path);
  expect((await post('key-1')).text).toBe(first.text);
  expect(await jobsOf(user)).toBe(0);
});

it('D18 the order of the fields does not matter', async () => {
  const first = await post('key-1');
  const again = await post('key-1', Object.fromEntries(Object.entries(BODY).reverse()));
  expect(again.body.id).toBe(first.body.id);
});

it('D18 another request under the same key is refused', async () => {
  await post('key-1');
  for (const other of [{ ...BODY, cost_cents: 4 }, { mode: 'lifestyle' }, { prompt: 'x' }])
    expectProblem(await post('key-1', other), 422, 'idempotency-key-reused');
  expectProblem(
    await post('key-1', { prompt: 'x' }, user, '/api/generate/text-to-image'),
    422,
    'idempotency-key-reused',
  );
  expect(await jobsOf(user)).toBe(1);
});

it('D18 fifty at once make one job, and each gets its answer', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => post('key-1')));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(await jobsOf(user)).toBe(1);
});

it('D18 a key is a user’s own', async () => {
  const other = await app.as(randomUUID());
  const [mine, theirs] = [await post('key-1'), await post('key-1', BODY, other)];
  expect(mine.status).toBe(201);
  expect(theirs.status).toBe(201);
  expect(mine.body.id).not.toBe(theirs.body.id);
});

it('D18 a request that was refused does not use up its key', async () => {
  expectProblem(await post('key-1', { ...BODY, project_id: randomUUID() }), 422, 'unknown-reference');
  expectProblem(await post('key-1', { mode: 7 }), 422, 'validation-failed');
  expect((await post('key-1')).status).toBe(201);
});

it.each([
  ['255 characters', 'k'.repeat(255), 201, undefined],
  ['256 characters', 'k'.repeat(256), 422, 'idempotency-key-invalid'],
  ['nothing', '', 422, 'idempotency-key-invalid'],
  ['other characters than ASCII', 'k\u00e9y', 422, 'idempotency-key-invalid'],
  ['quotes', '"k e y"', 201, undefined],
])('D18 a key of %s is answered %i', async (_, key, status, code) => {
  const answer = await post(key);
  expect({ status: answer.status, code: answer.body.code as unknown }).toEqual({ status, code });
});

it('D18 no key is needed', async () => {
  expect((await user.post('/v1/jobs', BODY)).status).toBe(201);
});

it('the seed’s route replays too', async () => {
  const route = '/api/generate/text-to-image';
  const first = await post('key-1', { prompt: 'x', numberOfImages: 2 }, user, route);
  expect(first.status).toBe(202);
  expect((await post('key-1', { prompt: 'x', numberOfImages: 2 }, user, route)).text).toBe(first.text);
});
