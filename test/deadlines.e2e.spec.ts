import { randomUUID } from 'node:crypto';
import { Caller, startApp, TestApp } from './support/app';

jest.setTimeout(60_000);

let app: TestApp;
let user: Caller;
beforeAll(async () => {
  // Nobody starts anything: what fails by its deadline fails by the clock.
  app = await startApp({ env: { GENLEDGER_ROLES: 'api,scheduler' } });
});
beforeEach(async () => {
  user = await app.as(randomUUID());
});
afterAll(() => app.close());

const WORK = { mode: 'upscale' };
const cancelAfter = (value: string, body: object = WORK) =>
  user.post('/v1/jobs', body).set('cancel-after', value);
const count = async (): Promise<number> => ((await user.get('/v1/jobs')).body.data as object[]).length;

describe('Cancel-After', () => {
  it('sets the deadline', async () => {
    const before = Date.now();
    const { status, body } = await cancelAfter('1m30s');
    expect(status).toBe(201);
    const deadline = Date.parse(body.deadline as string);
    expect(deadline).toBeGreaterThanOrEqual(before + 90_000);
    expect(deadline).toBeLessThanOrEqual(Date.now() + 90_000);
    expect((await user.get(body.urls.self as string)).body.deadline).toBe(body.deadline);
  });

  it.each(['', '0', '-5', 'soon', '1d', '5 s', '1m, 1m', '2099-01-01T00:00:00Z', '99999999999'])(
    '“%s” is refused, and nothing is queued',
    async (value) => {
      const answer = await cancelAfter(value);
      expect({ status: answer.status, code: answer.body.code }).toEqual({
        status: 422,
        code: 'invalid-value',
      });
      expect(answer.type).toBe('application/problem+json');
      expect(await count()).toBe(0);
    },
  );

  it.each(['2099-01-01T00:00:00Z', null])(
    'beside a deadline of %s in the body is refused',
    async (deadline) => {
      const answer = await cancelAfter('60', { ...WORK, deadline });
      expect({ status: answer.status, errors: answer.body.errors }).toMatchObject({
        status: 422,
        errors: [{ pointer: '#/deadline', code: 'not-allowed' }],
      });
      expect(await count()).toBe(0);
    },
  );

  it('is part of the request that an Idempotency-Key stands for, by its length', async () => {
    const first = await cancelAfter('60').set('idempotency-key', 'k');
    const again = await cancelAfter('1m').set('idempotency-key', 'k');
    expect(again.body).toEqual(first.body);
    for (const other of [cancelAfter('61'), user.post('/v1/jobs', WORK)]) {
      const answer = await other.set('idempotency-key', 'k');
      expect(answer.body.code).toBe('idempotency-key-reused');
    }
  });
});

describe('a queued job past its deadline', () => {
  it('fails though nobody tries to start it, and whoever waits is told', async () => {
    const kept = (await user.post('/v1/jobs', WORK)).body.id as string;
    const started = Date.now();
    const { body } = await cancelAfter('1', { prompt: 'A harbour' }).set('prefer', 'wait=30');
    expect(body).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_exceeded', retryable: false },
      attempt: 0,
      cost: { estimated_cents: 4, actual_cents: 0 },
    });
    // A second of its own, a tick, and what a busy machine takes.
    expect(Date.now() - started).toBeLessThan(6_000);
    const { body: history } = await user.get(body.urls.events as string);
    expect(history.data.map(({ type, actor }: { type: string; actor: string }) => [type, actor])).toEqual([
      ['JobQueued', `user:${user.userId}`],
      ['JobFailed', 'system'],
    ]);
    expect((await user.get(`/v1/jobs/${kept}`)).body.status).toBe('queued');
  });

  it('is not failed when its owner started it in time', async () => {
    const { body } = await cancelAfter('1');
    await user.post(`/v1/jobs/${body.id}/transition`, { status: 'running' });
    await cancelAfter('1').set('prefer', 'wait=30');
    expect((await user.get(`/v1/jobs/${body.id}`)).body.status).toBe('running');
  });
});
