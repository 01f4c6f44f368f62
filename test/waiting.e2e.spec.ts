import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { JobAwaiter } from '@genledger/jobs';
import { newId } from '@genledger/platform';
import { Caller, startApp, TestApp } from './support/app';
import { GatedGenerator, TinyGenerator } from './support/generators';
import { breakableGet } from './support/hang-up';
import { until } from './support/until';

jest.setTimeout(60_000);

const gate = new GatedGenerator(new TinyGenerator());
let app: TestApp;
let user: Caller;
beforeAll(async () => {
  app = await startApp({ generator: gate });
});
beforeEach(async () => {
  user = await app.as(randomUUID());
});
afterAll(() => app.close());

const IMAGE = { prompt: 'A harbour at dawn' };
const WORK = { mode: 'upscale' };

const post = (body: object, prefer: string, key?: string) => {
  const call = user.post('/v1/jobs', body).set('prefer', prefer);
  return key === undefined ? call : call.set('idempotency-key', key);
};
const external = async (): Promise<string> => (await user.post('/v1/jobs', WORK)).body.id as string;
const cancel = (id: string) => user.post(`/v1/jobs/${id}/cancel`);
const awaited = (target = app): number => target.app.get(JobAwaiter).awaited;
const someoneWaits = (target = app) => until('somebody waits', () => awaited(target) > 0);
/** supertest sends a request only when somebody waits for its answer. */
const sent = (test: PromiseLike<Response>): Promise<Response> => Promise.resolve(test);

function expectAnswer(answer: Response, status: number, job: object, applied: string | undefined): void {
  expect({ status: answer.status, applied: answer.headers['preference-applied'] }).toEqual({
    status,
    applied,
  });
  expect(answer.body).toMatchObject(job);
}

describe('POST /v1/jobs with Prefer: wait', () => {
  it('answers with the job and its files once it has ended', async () => {
    const answer = await post(IMAGE, 'wait=30');
    expectAnswer(answer, 201, { status: 'succeeded', cost: { actual_cents: 4 } }, 'wait=30');
    expect(answer.body.outputs).toHaveLength(1);
    expect(answer.headers['location']).toBe(`/v1/jobs/${answer.body.id}`);
    expect((await user.get(answer.body.urls.self as string)).body).toMatchObject({ status: 'succeeded' });
  });

  it('answers with the job as it is when the time is over', async () => {
    const shut = gate.shut();
    const answer = sent(post(IMAGE, 'wait=1'));
    await shut;
    expectAnswer(await answer, 201, { status: 'running', started_at: expect.any(String) }, 'wait=1');
    gate.open();
  });

  it.each(['wait=0', 'Wait="0"', 'respond-async, wait=0'])('answers at once to %s', async (prefer) => {
    expectAnswer(await post(WORK, prefer), 201, { status: 'queued' }, 'wait=0');
  });

  it.each(['respond-async', 'wait=-1', 'wait=soon', 'wait=1.5', 'wait=9, x="', 'return=minimal'])(
    'takes %s as it can, without an error',
    async (prefer) => {
      const answer = sent(post(WORK, prefer));
      if (prefer.startsWith('wait=9')) {
        await someoneWaits();
        const { body } = await user.get('/v1/jobs');
        await cancel(body.data[0].id as string);
        expectAnswer(await answer, 201, { status: 'canceled' }, 'wait=9');
      } else {
        expectAnswer(await answer, 201, { status: 'queued' }, undefined);
      }
    },
  );

  it.each([
    ['wait=3600', 'wait=60'],
    ['wait', 'wait=60'],
  ])('cuts %s to a minute, and says so', async (prefer, applied) => {
    const answer = sent(post(WORK, prefer));
    await someoneWaits();
    const { body } = await user.get('/v1/jobs');
    await cancel(body.data[0].id as string);
    expectAnswer(await answer, 201, { status: 'canceled' }, applied);
  });

  it('refuses at once what it refuses', async () => {
    const answer = await post({ ...WORK, project_id: newId() }, 'wait=60');
    expect({ status: answer.status, code: answer.body.code }).toEqual({
      status: 422,
      code: 'unknown-reference',
    });
    expect(answer.headers['preference-applied']).toBeUndefined();
    expect(awaited()).toBe(0);
  });

  it('waits under a repeated Idempotency-Key too, all of the callers for one job', async () => {
    const key = randomUUID();
    const first = await user.post('/v1/jobs', WORK).set('idempotency-key', key);
    const answers = [1, 2, 3].map(() => sent(post(WORK, 'wait=60', key)));
    await someoneWaits();
    await cancel(first.body.id as string);
    for (const answer of await Promise.all(answers))
      expectAnswer(answer, 201, { id: first.body.id, status: 'canceled' }, 'wait=60');
    // Without the preference, a replay is the answer of then.
    const replayed = await user.post('/v1/jobs', WORK).set('idempotency-key', key);
    expectAnswer(replayed, 201, { id: first.body.id, status: 'queued' }, undefined);
  });

  it('answers with the job as it was queued where it is deleted meanwhile', async () => {
    const answer = sent(post(WORK, 'wait=60'));
    await someoneWaits();
    const { body } = await user.get('/v1/jobs');
    await user.delete(`/v1/jobs/${body.data[0].id}`);
    expectAnswer(await answer, 201, { id: body.data[0].id, status: 'queued' }, 'wait=60');
  });
});

describe('GET /v1/jobs/{id} with Prefer: wait', () => {
  it('answers once the job has ended, and at once when it has', async () => {
    const id = await external();
    const get = () => user.get(`/v1/jobs/${id}`).set('prefer', 'wait=60');
    const answer = sent(get());
    await someoneWaits();
    await cancel(id);
    expectAnswer(await answer, 200, { id, status: 'canceled' }, 'wait=60');
    expectAnswer(await get(), 200, { id, status: 'canceled' }, 'wait=60');
  });

  it('is 404 at once for another’s job, and for one that is deleted meanwhile', async () => {
    const id = await external();
    const other = await app.as(randomUUID());
    expect((await other.get(`/v1/jobs/${id}`).set('prefer', 'wait=60')).status).toBe(404);
    const answer = sent(user.get(`/v1/jobs/${id}`).set('prefer', 'wait=60'));
    await someoneWaits();
    await user.delete(`/v1/jobs/${id}`);
    expect((await answer).status).toBe(404);
  });
});

it('a client that hangs up waits no more', async () => {
  const id = await external();
  const { hangUp } = breakableGet(app.url, user, `/v1/jobs/${id}`, { prefer: 'wait=60' });
  await someoneWaits();
  hangUp();
  await until('nobody waits', () => awaited() === 0);
});

it('a server that stops answers those who wait, and stops', async () => {
  const stopping = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
  const caller = await stopping.as(randomUUID());
  const answer = sent(caller.post('/v1/jobs', WORK).set('prefer', 'wait=60'));
  await someoneWaits(stopping);
  const started = Date.now();
  const [{ status, body }] = await Promise.all([answer, stopping.close()]);
  expect({ status, job: body.status }).toEqual({ status: 201, job: 'queued' });
  expect(Date.now() - started).toBeLessThan(15_000);
});

it('is described', async () => {
  const { body } = await user.get('/openapi.json');
  const headers = (path: string, method: string): string[] =>
    body.paths[path][method].parameters
      .filter((parameter: { in: string }) => parameter.in === 'header')
      .map((parameter: { name: string }) => parameter.name)
      .sort();
  expect(headers('/v1/jobs', 'post')).toEqual(['Cancel-After', 'Idempotency-Key', 'Prefer']);
  expect(headers('/v1/jobs/{id}', 'get')).toEqual(['Prefer']);
  expect(Object.keys(body.paths['/v1/jobs'].post.responses['201'].headers as object)).toContain(
    'Preference-Applied',
  );
});
