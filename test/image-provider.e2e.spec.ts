import { verifyLedger } from '@genledger/jobs';
import { Database } from '@genledger/platform';
import { ObjectStorage, verifyStoredObjects } from '@genledger/uploads';
import {
  answer,
  Behaviour,
  image,
  ImageServer,
  refusal,
  tinyPng,
} from '../libs/generation/src/testing/image-server';
import { ALICE, Caller, startApp, TestApp } from './support/app';

jest.setTimeout(60_000);

const KEY = 'sk-test_5f2e8a.never-to-be-seen';
const lines: string[] = [];
let provider: ImageServer;
let app: TestApp;
let alice: Caller;
let env: Record<string, string>;
let pngs: Buffer[];

beforeAll(async () => {
  provider = await ImageServer.start();
  pngs = await Promise.all([tinyPng(1), tinyPng(2)]);
  env = { IMAGE_PROVIDER_URL: provider.url, IMAGE_PROVIDER_KEY: KEY, IMAGE_PROVIDER_MODEL: 'pixel-2' };
  app = await startApp({ env, log: (line) => lines.push(line) });
  alice = await app.as(ALICE);
});
beforeEach(() => {
  provider.requests.length = 0;
});
afterAll(async () => {
  await app.close();
  await provider.close();
});

/** Each request of the provider's gets the next behaviour. */
function inTurn(...behaviours: Behaviour[]): void {
  const next = behaviours.values();
  provider.generations = (request, response) => (next.next().value ?? answer(500, {}))(request, response);
}

async function queue(body: object): Promise<string> {
  const queued = await alice.post('/v1/jobs', { prompt: 'A harbour at dawn', ...body });
  expect(queued.status).toBe(201);
  return queued.body.id as string;
}

async function ended(id: string) {
  return app.eventually(
    async () => (await alice.get(`/v1/jobs/${id}`)).body,
    ({ status }) => !['queued', 'running'].includes(status as string),
  );
}

async function historyOf(
  id: string,
): Promise<{ type: string; data: Record<string, unknown>; recorded_at: string }[]> {
  return (await alice.get(`/v1/jobs/${id}/events`)).body.data;
}

it('makes a job’s images, byte for byte, and names its records of them in the history', async () => {
  inTurn(image(pngs[0]!, { 'x-request-id': 'req_1' }), image(pngs[1]!, { 'x-request-id': 'req_2' }));
  const id = await queue({ number_of_images: 2, aspect_ratio: '16:9' });
  const job = await ended(id);
  expect(job).toMatchObject({
    status: 'succeeded',
    parameters: {
      requested: { aspect_ratio: '16:9' },
      effective: { model: 'pixel-2', aspect_ratio: '16:9' },
    },
    cost: { actual_cents: 8 },
  });
  expect(provider.requests.map(({ headers, body }) => [headers.authorization, JSON.parse(body)])).toEqual(
    Array(2).fill([
      `Bearer ${KEY}`,
      { model: 'pixel-2', prompt: 'A harbour at dawn', n: 1, size: '1792x1024' },
    ]),
  );
  const files = await Promise.all(
    job.outputs.map(async ({ url }: { url: string }) => Buffer.from(await (await fetch(url)).arrayBuffer())),
  );
  expect(files).toEqual(pngs);
  const { data } = (await historyOf(id)).at(-1)!;
  expect(data).toMatchObject({
    model: 'pixel-2',
    outputs: [{ provider_request_id: 'req_1' }, { provider_request_id: 'req_2' }],
  });
});

it('is waited for as long as it asks, and its failures are on the record', async () => {
  inTurn(
    refusal(429, 'rate_limit_exceeded', 'Slow down', { 'retry-after-ms': '200', 'x-request-id': 'req_3' }),
    image(pngs[0]!),
  );
  const id = await queue({});
  expect(await ended(id)).toMatchObject({ status: 'succeeded', attempt: 2, error: null });
  const failed = (await historyOf(id)).find(({ type }) => type === 'JobAttemptFailed')!;
  expect(failed.data).toMatchObject({ code: 'rate_limited', provider_request_id: 'req_3' });
  expect(Date.parse(failed.data.retry_at as string) - Date.parse(failed.recorded_at)).toBe(200);
});

it('ends a job that it refuses, with its words for the owner', async () => {
  inTurn(refusal(400, 'moderation_blocked', `Not with ${KEY}`, { 'x-request-id': 'req_4' }));
  const id = await queue({});
  expect(await ended(id)).toMatchObject({
    status: 'failed',
    attempt: 1,
    error: { code: 'content_policy_violation', message: 'Not with [key]' },
    cost: { actual_cents: 0 },
  });
  expect((await historyOf(id)).at(-1)).toMatchObject({
    type: 'JobFailed',
    data: { provider_request_id: 'req_4' },
  });
});

it('may refuse one image of several', async () => {
  inTurn(
    image(pngs[0]!, { 'x-request-id': 'req_5' }),
    refusal(400, 'content_policy_violation', 'Not this one', { 'x-request-id': 'req_6' }),
  );
  expect(await ended(await queue({ number_of_images: 2 }))).toMatchObject({
    status: 'succeeded',
    outputs: [{ position: 1 }],
    output_errors: [{ position: 2, code: 'content_policy_violation', provider_request_id: 'req_6' }],
    cost: { actual_cents: 4 },
  });
});

it('has nothing stored that is no image', async () => {
  const count = async () =>
    (await app.superuser.query(`select count(*) as n from genledger.uploads`)).rows[0].n as string;
  const before = await count();
  inTurn(image(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')));
  const job = await ended(await queue({ max_attempts: 1 }));
  expect(job).toMatchObject({ status: 'failed', error: { code: 'provider_unavailable' } });
  expect(await count()).toBe(before);
});

it('has the one model that may be asked for', async () => {
  const other = await alice.post('/v1/jobs', { prompt: 'x', model: 'painter-1' });
  expect(other.status).toBe(422);
  expect(other.body).toMatchObject({
    code: 'validation-failed',
    errors: [{ pointer: '#/model', code: 'not-allowed' }],
  });
  const batch = await alice.post('/v1/jobs/batch', {
    jobs: [{ prompt: 'x', model: 'painter-1' }],
  });
  expect(batch.body.data).toMatchObject([{ status: 422, error: { errors: [{ pointer: '#/model' }] } }]);
  inTurn(image(pngs[0]!));
  expect(await ended(await queue({ model: 'pixel-2' }))).toMatchObject({
    status: 'succeeded',
    parameters: { requested: { model: 'pixel-2' }, effective: { model: 'pixel-2' } },
  });
});

it('leaves books that agree with one another', async () => {
  const results = [
    ...(await verifyLedger(app.app.get(Database))),
    ...(await verifyStoredObjects(app.app.get(Database), app.app.get(ObjectStorage))),
  ];
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
});

it('is not sent what was queued for the painter, nor the painter what was queued for it', async () => {
  app = await app.restart({ env: { GENLEDGER_ROLES: 'api' } });
  alice = await app.as(ALICE);
  const paintings = await queue({});
  app = await app.restart({ env: { ...env, GENLEDGER_ROLES: 'api,worker' } });
  alice = await app.as(ALICE);
  const painted = await ended(paintings);
  expect(painted).toMatchObject({ status: 'succeeded', parameters: { effective: { model: 'painter-1' } } });
  expect(provider.requests).toEqual([]);

  app = await app.restart({ env: { ...env, GENLEDGER_ROLES: 'api' } });
  alice = await app.as(ALICE);
  const photographs = await queue({ max_attempts: 1 });
  app = await app.restart({ env: {} });
  alice = await app.as(ALICE);
  expect(await ended(photographs)).toMatchObject({
    status: 'failed',
    error: { code: 'provider_unavailable', message: expect.stringContaining('pixel-2') },
  });
});

it('never sees its key in a log, an event or a text', async () => {
  expect(lines.join('')).toContain('req_1');
  expect(lines.join('')).not.toContain(KEY);
  const { rows } = await app.superuser.query(
    `select (select count(*) from genledger.events where data::text like $1 or meta::text like $1)
          + (select count(*) from genledger.contents where body::text like $1) as n`,
    [`%${KEY}%`],
  );
  expect(rows).toEqual([{ n: 0 }]);
});
