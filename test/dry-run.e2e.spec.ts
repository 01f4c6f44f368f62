import { randomUUID } from 'node:crypto';
import { newId } from '@genledger/platform';
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

const dryRun = (body: object) => user.post('/v1/jobs?dry_run=true', body);
const dryBatch = (jobs: readonly object[]) => user.post('/v1/jobs/batch?dry_run=true', { jobs });

/** Rows of every table, and where the log stands. */
async function everything(): Promise<object> {
  const { rows: tables } = await app.superuser.query<{ name: string }>(
    `select table_name as name from information_schema.tables
      where table_schema = 'genledger' and table_type = 'BASE TABLE' order by 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await app.superuser.query<{ count: number }>(
      `select count(*)::int as count from genledger.${name}`,
    );
    counts[name] = rows[0]!.count;
  }
  const { rows } = await app.superuser.query(`select last_value, is_called from genledger.event_position`);
  return { counts, log: rows };
}

async function expectNothingWritten(work: () => Promise<unknown>): Promise<void> {
  const before = await everything();
  await work();
  expect(await everything()).toEqual(before);
}

describe('POST /v1/jobs?dry_run=true', () => {
  it('answers with the price and what would be queued, and queues nothing', async () => {
    const project = (await user.post('/v1/projects', { name: 'Spring' })).body.id as string;
    const asset = (await user.post('/v1/assets', {})).body.id as string;
    const body = {
      prompt: 'A harbour at dawn',
      number_of_images: 3,
      aspect_ratio: '16:9',
      seed: 7,
      project_id: project,
      input_asset_id: asset,
      metadata: { order: '17' },
      tags: ['poster'],
      priority: 5,
      run_at: '2099-01-01T00:00:00.000Z',
      deadline: '2099-02-01T00:00:00.000Z',
      max_attempts: 2,
    };
    await expectNothingWritten(async () => {
      const answer = await dryRun(body).set('idempotency-key', 'k').set('prefer', 'wait=60');
      expect(answer.status).toBe(200);
      expect(answer.headers['location']).toBeUndefined();
      expect(answer.headers['preference-applied']).toBeUndefined();
      expect(answer.body).toEqual({
        kind: 'text_to_image',
        mode: 'text_to_image',
        project_id: project,
        input_asset_id: asset,
        parameters: {
          requested: { prompt: body.prompt, number_of_images: 3, aspect_ratio: '16:9', seed: 7 },
          effective: { number_of_images: 3, aspect_ratio: '16:9', seed: 7, model: 'painter-1' },
        },
        metadata: body.metadata,
        tags: body.tags,
        priority: 5,
        run_at: body.run_at,
        deadline: body.deadline,
        max_attempts: 2,
        cost: { estimated_cents: 12, actual_cents: null, currency: 'USD' },
      });
    });
    // The key is still free, and the job is what was said.
    const quote = (await dryRun(body)).body as object;
    const queued = await user.post('/v1/jobs', body).set('idempotency-key', 'k');
    expect(queued.status).toBe(201);
    expect(queued.body).toMatchObject(quote);
  });

  it('says what is left to the server, and does not make up a seed', async () => {
    const { body } = await dryRun({ prompt: 'A city' });
    expect(body.parameters).toEqual({
      requested: { prompt: 'A city' },
      effective: { number_of_images: 1, aspect_ratio: '1:1', seed: null, model: 'painter-1' },
    });
    expect(body.cost.estimated_cents).toBe(4);
  });

  it('shows the deadline that Cancel-After would set', async () => {
    const before = Date.now();
    const { body } = await dryRun({ mode: 'upscale', cost_cents: 12 }).set('cancel-after', '1h');
    expect(Date.parse(body.deadline as string)).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(body.cost).toEqual({ estimated_cents: 0, actual_cents: 12, currency: 'USD' });
  });

  it('refuses what queueing refuses, word for word, and writes nothing', async () => {
    const other = await app.as(randomUUID());
    const theirs = (await other.post('/v1/projects', { name: 'Theirs' })).body.id as string;
    const bodies = [
      { mode: 'x', status: 'succeeded' },
      {},
      { prompt: 'x', cost_cents: 1 },
      { mode: 'x', deadline: '2001-01-01T00:00:00Z' },
      { mode: 'x', project_id: newId() },
      { mode: 'x', project_id: theirs },
      { mode: 'x', input_asset_id: newId() },
      { mode: 'x', project_id: newId(), deadline: '2001-01-01T00:00:00Z' },
    ];
    await expectNothingWritten(async () => {
      for (const body of bodies) {
        const answers = [await dryRun(body), await user.post('/v1/jobs', body)];
        const [dry, real] = answers.map(({ status, body: { request_id: _, ...problem } }) => ({
          status,
          problem,
        }));
        expect(dry).toEqual(real);
        expect(dry!.status).toBe(422);
      }
    });
  });

  it('prices an admin’s own job with the admin’s own references', async () => {
    const project = (await user.post('/v1/projects', { name: 'Mine' })).body.id as string;
    const admin = await app.as(randomUUID(), 'admin');
    const answer = await admin.post('/v1/jobs?dry_run=true', { mode: 'x', project_id: project });
    expect(answer.body.code).toBe('unknown-reference');
  });

  it.each(['dry_run=1', 'dry_run=', 'dry_run=TRUE', 'dry_run=true&dry_run=true', 'dryrun=true'])(
    'refuses ?%s, and queues nothing',
    (query) =>
      expectNothingWritten(async () => {
        for (const path of ['/v1/jobs', '/v1/jobs/batch'])
          expect((await user.post(`${path}?${query}`, { mode: 'x' })).status).toBe(422);
      }),
  );

  it('queues where it is told false', async () => {
    expect((await user.post('/v1/jobs?dry_run=false', { mode: 'x' })).status).toBe(201);
  });
});

describe('POST /v1/jobs/batch?dry_run=true', () => {
  it('prices each item by itself, and all together', async () => {
    const jobs = [
      { prompt: 'A forest', number_of_images: 10, idempotency_key: 'a' },
      { prompt: 'A city', seed: 1 },
      { mode: 'x', project_id: newId() },
      { colour: 'red', mode: 'x' },
      { mode: 'x', deadline: '2001-01-01T00:00:00Z' },
      { mode: 'x' },
    ];
    await expectNothingWritten(async () => {
      const { status, body } = await dryBatch(jobs);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        accepted: 3,
        refused: 3,
        cost: { estimated_cents: 44, currency: 'USD' },
        data: [
          { index: 0, status: 200, job: { cost: { estimated_cents: 40 } } },
          { index: 1, status: 200, job: { parameters: { effective: { seed: 1 } } } },
          { index: 2, status: 422, error: { code: 'unknown-reference' } },
          { index: 3, status: 422, error: { code: 'unknown-property' } },
          { index: 4, status: 422, error: { code: 'out-of-range' } },
          { index: 5, status: 200, job: { kind: 'external', cost: { estimated_cents: 0 } } },
        ],
      });
    });
    const queued = await user.post('/v1/jobs/batch', { jobs });
    const { body } = await dryBatch(jobs);
    const refusals = (data: readonly { status: number }[]) => data.filter(({ status }) => status === 422);
    expect(refusals(queued.body.data)).toEqual(refusals(body.data));
  });

  it('takes 10,000 items', async () => {
    const { body } = await dryBatch(Array.from({ length: 10_000 }, () => ({ prompt: 'x' })));
    expect(body).toMatchObject({ accepted: 10_000, cost: { estimated_cents: 40_000 } });
  });
});
