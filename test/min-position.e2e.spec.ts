import { randomUUID } from 'node:crypto';
import { Caller, startApp, TestApp } from './support/app';
import { appendRaw } from './support/raw-append';
import { newId } from '@genledger/platform';

jest.setTimeout(60_000);

let app: TestApp;
let user: Caller;
let id: string;
beforeAll(async () => {
  // Nobody folds: answers include what is not folded.
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
  user = await app.as(randomUUID());
  id = (await user.post('/v1/jobs', { mode: 'upscale', cost_cents: 5 })).body.id as string;
});
afterAll(() => app.close());

const PATHS = (): string[] => ['/v1/jobs', `/v1/jobs/${id}`, '/v1/statistics', '/v1/summary', '/v1/costs'];

async function positionOf(job: string): Promise<number> {
  const { body } = await user.get(`/v1/jobs/${job}/events`);
  return body.data.at(-1).position as number;
}

it('is passed at once where the log has got there, and changes no answer', async () => {
  const position = await positionOf(id);
  for (const path of PATHS()) {
    const plain = await user.get(path);
    for (const min of [0, 1, position]) {
      const answer = await user.get(`${path}?min_position=${min}`);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(plain.body);
    }
  }
});

it('waits for what is being written, and includes it', async () => {
  const next = (await positionOf(id)) + 1;
  const reading = Promise.all(
    ['/v1/statistics', '/v1/costs'].map(
      async (path) => (await user.get(`${path}?min_position=${next}`)).body,
    ),
  );
  const other = await user.post('/v1/jobs', { mode: 'upscale', cost_cents: 7 });
  expect(await positionOf(other.body.id as string)).toBe(next);
  const [statistics, costs] = await reading;
  expect(statistics.data).toMatchObject([{ count: 2, total_cost_cents: 12 }]);
  expect(costs.total_incurred_cents).toBe(12);
});

it('waits while something below it may still appear', async () => {
  await app.superuser.query('begin');
  await appendRaw(app.superuser, { streamId: newId(), version: 1 });
  const queued = await user.post('/v1/jobs', { mode: 'upscale' });
  const position = await positionOf(queued.body.id as string);
  let isAnswered = false;
  const answer = Promise.resolve(user.get(`/v1/jobs/${queued.body.id}?min_position=${position}`)).finally(
    () => (isAnswered = true),
  );
  await user.get('/v1/summary');
  expect(isAnswered).toBe(false);
  await app.superuser.query('commit');
  expect((await answer).status).toBe(200);
});

it('that does not come within seconds is 503 with Retry-After', async () => {
  const answers = await Promise.all(PATHS().map((path) => user.get(`${path}?min_position=9007199254740991`)));
  for (const answer of answers) {
    expect({ status: answer.status, code: answer.body.code }).toEqual({
      status: 503,
      code: 'service-unavailable',
    });
    expect(answer.headers['retry-after']).toBe('1');
  }
});

it.each(['-1', '1.5', '1e3', 'x', '', '9007199254740992', '99999999999999999999', '1&min_position=2'])(
  '%s is refused',
  async (value) => {
    for (const path of PATHS()) {
      const answer = await user.get(`${path}?min_position=${value}`);
      expect(answer.status).toBe(422);
      expect(answer.type).toBe('application/problem+json');
    }
  },
);

it('is no part of what a cursor is bound to', async () => {
  await user.post('/v1/jobs', { mode: 'upscale' });
  const page = await user.get('/v1/jobs?limit=1&min_position=1');
  const cursor = page.body.next_cursor as string;
  expect((await user.get(`/v1/jobs?limit=1&cursor=${cursor}`)).status).toBe(200);
});
