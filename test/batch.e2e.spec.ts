import { randomUUID } from 'node:crypto';
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

const batch = (jobs: readonly object[], key?: string) => {
  const call = user.post('/v1/jobs/batch', { jobs });
  return key === undefined ? call : call.set('idempotency-key', key);
};
const total = async (): Promise<number> => {
  const { body } = await user.get('/v1/statistics');
  return body.data.reduce((sum: number, { count }: { count: number }) => sum + count, 0) as number;
};
const idsOf = (body: { data: { job: { id: string } }[] }): string[] => body.data.map(({ job }) => job.id);

it('takes 10,000 jobs, and answers each in its place', async () => {
  const jobs = Array.from({ length: 10_000 }, (_, n) => ({
    prompt: `picture ${n}`,
    number_of_images: (n % 10) + 1,
  }));
  const { status, body } = await batch(jobs);
  expect(status).toBe(200);
  expect({ accepted: body.accepted, refused: body.refused, items: body.data.length }).toEqual({
    accepted: 10_000,
    refused: 0,
    items: 10_000,
  });
  const faults = body.data.filter(
    (
      {
        index,
        status: each,
        job,
      }: { index: number; status: number; job: { parameters: { requested: object } } },
      n: number,
    ) => index !== n || each !== 201 || JSON.stringify(job.parameters.requested) !== JSON.stringify(jobs[n]),
  );
  expect(faults).toEqual([]);
  expect(new Set(idsOf(body)).size).toBe(10_000);
  expect(await total()).toBe(10_000);
  const last = body.data[9_999].job;
  expect(await user.get(last.urls.self as string)).toMatchObject({ status: 200 });
});

it('D20 refuses 10,001 whole', async () => {
  const answer = await batch(Array.from({ length: 10_001 }, () => ({ mode: 'x' })));
  expect(answer.status).toBe(422);
  expect(answer.body.code).toBe('too-many-items');
  expect(answer.type).toBe('application/problem+json');
  expect(await total()).toBe(0);
});

it('refuses a bad item by itself, with what it alone would have got', async () => {
  const { status, body } = await batch([
    { mode: 'x' },
    { mode: 'x', status: 'succeeded' },
    { prompt: '' },
    { mode: 'x', project_id: randomUUID() },
    {},
    { prompt: 'y' },
  ]);
  expect(status).toBe(200);
  expect(body).toMatchObject({ accepted: 2, refused: 4 });
  expect(body.data).toMatchObject([
    { index: 0, status: 201, job: { kind: 'external' } },
    { index: 1, status: 422, error: { code: 'unknown-property', errors: [{ pointer: '#/status' }] } },
    { index: 2, status: 422, error: { code: 'validation-failed', errors: [{ pointer: '#/prompt' }] } },
    { index: 3, status: 422, error: { code: 'unknown-reference', errors: [{ pointer: '#/project_id' }] } },
    { index: 4, status: 422, error: { code: 'validation-failed', errors: [{ pointer: '#/mode' }] } },
    { index: 5, status: 201, job: { kind: 'text_to_image' } },
  ]);
  expect(await total()).toBe(2);
});

it('D20 makes one job of items with the same key, here and in other calls', async () => {
  const item = { mode: 'x', idempotency_key: 'order-17' };
  const { body } = await batch([item, item, { ...item, mode: 'y' }, { mode: 'x' }, { mode: 'x' }]);
  expect(body.data).toMatchObject([
    { status: 201 },
    { status: 201, job: { id: body.data[0].job.id } },
    { status: 422, error: { code: 'idempotency-key-reused' } },
    { status: 201 },
    { status: 201 },
  ]);
  expect(body.data[1].job).toEqual(body.data[0].job);
  const single = await user.post('/v1/jobs', { mode: 'x' }).set('idempotency-key', 'order-17');
  expect(single.body).toEqual(body.data[0].job);
  expect(await total()).toBe(3);
});

it('goes on where it stopped when the same call comes again', async () => {
  const jobs = Array.from({ length: 150 }, (_, n) => ({ mode: 'x', metadata: { n: String(n) } }));
  const [first, second] = [await batch(jobs, 'import-1'), await batch(jobs, 'import-1')];
  expect(second.text).toBe(first.text);
  expect(await total()).toBe(150);
  const other = await batch([...jobs.slice(0, 2)], 'import-1');
  expect(other.body).toMatchObject({
    accepted: 0,
    data: [{ error: { code: 'idempotency-key-reused' } }, { status: 422 }],
  });
});

it.each([
  ['no jobs', {}],
  ['an empty list', { jobs: [] }],
  ['something else than a list', { jobs: { mode: 'x' } }],
  ['items that are no objects', { jobs: [{ mode: 'x' }, 'x'] }],
  ['another field', { jobs: [{ mode: 'x' }], atomic: true }],
])('refuses %s', async (_, body) => {
  const answer = await user.post('/v1/jobs/batch', body);
  expect(answer.status).toBe(422);
  expect(answer.type).toBe('application/problem+json');
  expect(await total()).toBe(0);
});
