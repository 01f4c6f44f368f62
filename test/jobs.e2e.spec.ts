import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import type { HistoryEvent, JobResource } from '@genledger/jobs';
import { newId } from '@genledger/platform';
import { ObjectStorage, UploadSweeper } from '@genledger/uploads';
import { ALICE, BOB, Caller, startApp, TestApp } from './support/app';
import { GatedGenerator, TinyGenerator } from './support/generators';

jest.setTimeout(60_000);

const gate = new GatedGenerator(new TinyGenerator());
const log: string[] = [];
let app: TestApp;
let alice: Caller;
let bob: Caller;

beforeAll(async () => {
  app = await startApp({ generator: gate, leaseMs: 600, log: (line) => log.push(line) });
  [alice, bob] = await Promise.all([app.as(ALICE), app.as(BOB)]);
});
afterAll(() => app.close());

const someone = (): Promise<Caller> => app.as(randomUUID());

async function queue(caller: Caller, body: object): Promise<string> {
  const answer = await caller.post('/v1/jobs', body);
  expect(answer.status).toBe(201);
  return answer.body.id as string;
}

const external = (caller: Caller, body: object = {}): Promise<string> =>
  queue(caller, { mode: 'lifestyle', ...body });

async function read(caller: Caller, id: string) {
  const answer = await caller.get(`/v1/jobs/${id}`);
  expect(answer.status).toBe(200);
  return answer.body;
}

async function finished(caller: Caller, id: string) {
  return app.eventually(
    () => read(caller, id),
    ({ status }) => ['succeeded', 'failed', 'canceled'].includes(status as string),
  );
}

async function typesOf(caller: Caller, id: string): Promise<string[]> {
  const { body } = await caller.get(`/v1/jobs/${id}/events`);
  return body.data.map((event: { type: string }) => event.type);
}

function expectProblem(answer: Response, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  expect(answer.type).toBe('application/problem+json');
}

const transition = (caller: Caller, id: string, body: object) =>
  caller.post(`/v1/jobs/${id}/transition`, body);

describe('POST /v1/jobs', () => {
  it('answers 201 with the job, which reads the same afterwards', async () => {
    const user = await someone();
    const body = {
      mode: 'main_white',
      metadata: { order: '17' },
      tags: ['spring', 'shoes'],
      priority: 7,
      run_at: '2099-01-02T03:04:05.678Z',
      deadline: '2099-02-02T00:00:00.000Z',
      max_attempts: 5,
      cost_cents: 12,
    };
    const answer = await user.post('/v1/jobs', body);
    expect(answer.status).toBe(201);
    expect(answer.headers['location']).toBe(`/v1/jobs/${answer.body.id}`);
    const { cost_cents, ...sent } = body;
    expect(answer.body).toMatchObject({
      ...sent,
      kind: 'external',
      status: 'queued',
      user_id: user.userId,
      cost: { estimated_cents: 0, actual_cents: cost_cents },
      version: 1,
      attempt: 0,
    });
    expect(await read(user, answer.body.id as string)).toEqual({ ...answer.body, queue_position: 1 });
  });

  it('refuses what it does not know, and fields that do not go together', async () => {
    const cases: readonly (readonly [object, string, string])[] = [
      [{ mode: 'x', status: 'succeeded' }, 'unknown-property', '#/status'],
      [{ mode: 'x', user_id: BOB }, 'unknown-property', '#/user_id'],
      [{ mode: 'x', id: newId() }, 'unknown-property', '#/id'],
      [{}, 'validation-failed', '#/mode'],
      [{ kind: 'text_to_image' }, 'validation-failed', '#/prompt'],
      [{ prompt: 'x', cost_cents: 1 }, 'validation-failed', '#/cost_cents'],
      [{ mode: 'x', number_of_images: 2 }, 'validation-failed', '#/number_of_images'],
      [{ mode: 'x', deadline: '2001-01-01T00:00:00Z' }, 'out-of-range', '#/deadline'],
      [{ mode: 'x', project_id: newId() }, 'unknown-reference', '#/project_id'],
    ];
    for (const [body, code, pointer] of cases) {
      const answer = await alice.post('/v1/jobs', body);
      expectProblem(answer, 422, code);
      expect(answer.body.errors).toMatchObject([{ pointer }]);
    }
  });

  it('refuses another user’s project and asset as it refuses absent ones', async () => {
    const project = await bob.post('/v1/projects', { name: 'Bob’s' });
    const asset = await bob.post('/v1/assets', {});
    for (const [field, id] of [
      ['project_id', project.body.id],
      ['input_asset_id', asset.body.id],
    ] as const) {
      const [foreign, absent] = await Promise.all(
        [id as string, newId()].map((value) => alice.post('/v1/jobs', { mode: 'x', [field]: value })),
      );
      expectProblem(foreign!, 422, 'unknown-reference');
      expect(anonymous(foreign!)).toEqual(anonymous(absent!));
    }
  });
});

describe('GET /v1/jobs', () => {
  it('pages by key, newest first, and is not shifted by what comes in between', async () => {
    const user = await someone();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await external(user));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Response = await user.get(`/v1/jobs?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      expect(page.body.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.body.data.map(({ id }: { id: string }) => id));
      cursor = page.body.next_cursor;
      expect(page.body.has_more).toBe(cursor !== null);
      await external(user);
    } while (cursor !== null);
    expect(seen).toEqual(ids);
  });

  it('takes a cursor back from the user and for the filter that it was given for, unchanged', async () => {
    const user = await someone();
    for (let n = 0; n < 3; n++) await external(user);
    const { next_cursor: cursor } = (await user.get('/v1/jobs?limit=1')).body as { next_cursor: string };
    expect((await user.get(`/v1/jobs?limit=2&cursor=${cursor}`)).status).toBe(200);
    const flipped = cursor.replace(/^./, (first) => (first === 'e' ? 'f' : 'e'));
    expectProblem(await bob.get(`/v1/jobs?cursor=${cursor}`), 422, 'invalid-cursor');
    expectProblem(await user.get(`/v1/jobs?status=queued&cursor=${cursor}`), 422, 'invalid-cursor');
    expectProblem(await user.get(`/v1/projects?cursor=${cursor}`), 422, 'invalid-cursor');
    for (const forged of [flipped, `${cursor}x`, cursor.split('.')[0], 'x'])
      expectProblem(await user.get(`/v1/jobs?cursor=${forged}`), 422, 'invalid-cursor');
  });

  it('filters by each of its parameters, alone and together', async () => {
    const user = await someone();
    const project = (await user.post('/v1/projects', { name: 'spring' })).body.id as string;
    const asset = (await user.post('/v1/assets', {})).body.id as string;
    const plain = await external(user);
    const special = await external(user, {
      mode: 'packaging',
      project_id: project,
      input_asset_id: asset,
      tags: ['a', 'b'],
    });
    const image = await queue(user, { prompt: 'x', run_at: '2099-01-01T00:00:00Z' });
    const running = await external(user);
    await transition(user, running, { status: 'running' });
    const { created_at } = await read(user, special);
    const list = async (query: string): Promise<string[]> =>
      (await user.get(`/v1/jobs?${query}`)).body.data.map(({ id }: { id: string }) => id);
    expect(await list('status=running')).toEqual([running]);
    expect(await list(`project_id=${project}`)).toEqual([special]);
    expect(await list(`input_asset_id=${asset}`)).toEqual([special]);
    expect(await list('mode=packaging')).toEqual([special]);
    expect(await list('kind=text_to_image')).toEqual([image]);
    expect(await list('tag=b')).toEqual([special]);
    expect(await list('tag=c')).toEqual([]);
    expect(await list(`project_id=${project}&mode=lifestyle`)).toEqual([]);
    expect(await list('created_after=2099-01-01T00:00:00Z')).toEqual([]);
    expect(await list('created_before=2001-01-01T00:00:00Z')).toEqual([]);
    expect(await list(`created_before=${created_at}&limit=100`)).not.toContain(running);
    expect(await list('limit=100')).toEqual([running, image, special, plain]);
  });

  it('shows auditors everyone’s, and lets them change nothing; workers get nothing', async () => {
    const id = await external(alice);
    const auditor = await app.as(randomUUID(), 'auditor');
    expect((await auditor.get(`/v1/jobs/${id}`)).body.user_id).toBe(ALICE);
    expectProblem(await auditor.post(`/v1/jobs/${id}/cancel`), 403, 'forbidden');
    expectProblem(await (await app.as(ALICE, 'worker')).get(`/v1/jobs/${id}`), 403, 'forbidden');
  });
});

describe('another user’s job', () => {
  it('is answered as one that does not exist, byte for byte', async () => {
    const foreign = await external(bob);
    const absent = newId();
    const calls: readonly ((id: string) => PromiseLike<Response>)[] = [
      (id) => alice.get(`/v1/jobs/${id}`),
      (id) => alice.get(`/v1/jobs/${id}/events`),
      (id) => alice.get(`/v1/jobs/${id}/outputs`),
      (id) => alice.patch(`/v1/jobs/${id}`, { mode: 'x' }),
      (id) => alice.patch(`/v1/jobs/${id}`, { metadata: { a: 'b' } }),
      (id) => alice.post(`/v1/jobs/${id}/cancel`),
      (id) => transition(alice, id, { status: 'running' }),
      (id) => alice.post(`/v1/jobs/${id}/outputs`, { outputs: [{ upload_id: newId() }] }),
      (id) => alice.delete(`/v1/jobs/${id}`),
      (id) => alice.get(`/api/generate/queue/${id}`),
    ];
    for (const call of calls) {
      const [theirs, nobodys] = [await call(foreign), await call(absent)];
      expect(theirs.status).toBe(nobodys.status);
      expect(anonymous(theirs)).toEqual(anonymous(nobodys));
    }
    expect(await typesOf(bob, foreign)).toEqual(['JobQueued']);
  });
});

/** An answer without what names the request. */
function anonymous({ status, headers, text }: Response): unknown {
  const { date: _, 'x-request-id': id, ...others } = headers as Record<string, string>;
  const { instance, request_id, ...body } = JSON.parse(text) as Record<string, unknown>;
  expect(request_id).toBe(id);
  expect(typeof instance).toBe('string');
  return { status, others, body };
}

describe('DELETE /v1/jobs/{id}', () => {
  it('takes a job out of lists and sums; its history and what it incurred stay, its files are swept', async () => {
    const user = await someone();
    const id = await queue(user, { prompt: 'x', number_of_images: 2 });
    const job = await finished(user, id);
    const before = await typesOf(user, id);
    const storageKey = (await user.get(`/v1/uploads/${job.outputs[0].upload_id}`)).body.storage_key as string;

    expect((await user.delete(`/v1/jobs/${id}`)).status).toBe(204);

    expectProblem(await user.get(`/v1/jobs/${id}`), 404, 'not-found');
    expectProblem(await user.delete(`/v1/jobs/${id}`), 404, 'not-found');
    expectProblem(await user.post(`/v1/jobs/${id}/cancel`), 404, 'not-found');
    expect((await user.get('/v1/jobs')).body.data).toEqual([]);
    expect((await user.get('/v1/statistics')).body.data).toEqual([]);
    expect((await user.get('/v1/costs')).body.total_incurred_cents).toBe(8);
    expect(await typesOf(user, id)).toEqual([...before, 'JobDeleted']);
    await app.app.get(UploadSweeper).sweep(new Date(Date.now() + 1_000), 0);
    expect(await app.app.get(ObjectStorage).stat(storageKey)).toBeUndefined();
  });

  it('cancels a job that has not ended', async () => {
    const id = await external(alice);
    await alice.delete(`/v1/jobs/${id}`);
    expect(await typesOf(alice, id)).toEqual(['JobQueued', 'JobCanceled', 'JobDeleted']);
  });
});

describe('PATCH /v1/jobs/{id}', () => {
  it('changes what it may of a queued job, and what it is not told stays', async () => {
    const user = await someone();
    const project = (await user.post('/v1/projects', { name: 'p' })).body.id as string;
    const id = await queue(user, {
      prompt: 'A sunset',
      negative_prompt: 'people',
      metadata: { a: '1' },
      tags: ['x'],
      run_at: '2099-01-01T00:00:00Z',
    });
    const before = await read(user, id);
    const changed = await user.patch(`/v1/jobs/${id}`, {
      mode: 'other',
      priority: 3,
      project_id: project,
      metadata: { b: '2' },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({
      ...before,
      mode: 'other',
      priority: 3,
      project_id: project,
      metadata: { b: '2' },
      version: 2,
      updated_at: changed.body.updated_at,
      queue_position: expect.any(Number),
    });
    await user.patch(`/v1/jobs/${id}`, { tags: ['y', 'z'], project_id: null });
    expect(await read(user, id)).toMatchObject({
      metadata: { b: '2' },
      tags: ['y', 'z'],
      project_id: null,
      version: 3,
    });
    expect((await user.get(`/v1/jobs?tag=y`)).body.data).toHaveLength(1);
  });

  it('that changes nothing leaves no event', async () => {
    const id = await external(alice, { metadata: { a: '1' }, tags: ['x'] });
    for (const body of [{}, { mode: 'lifestyle' }, { metadata: { a: '1' } }, { tags: ['x'], priority: 0 }])
      expect((await alice.patch(`/v1/jobs/${id}`, body)).body.version).toBe(1);
    expect(await typesOf(alice, id)).toEqual(['JobQueued']);
  });

  it('refuses other fields, jobs that are not queued, and projects of others', async () => {
    const id = await external(alice);
    for (const field of [
      'status',
      'cost_cents',
      'user_id',
      'attempt',
      'version',
      'created_at',
      'prompt',
      'run_at',
    ])
      expectProblem(await alice.patch(`/v1/jobs/${id}`, { [field]: 1 }), 422, 'unknown-property');
    const project = (await bob.post('/v1/projects', { name: 'p' })).body.id as string;
    expectProblem(await alice.patch(`/v1/jobs/${id}`, { project_id: project }), 422, 'unknown-reference');
    await transition(alice, id, { status: 'running' });
    expectProblem(await alice.patch(`/v1/jobs/${id}`, { mode: 'y' }), 409, 'invalid-transition');
  });
});

describe('POST /v1/jobs/{id}/transition', () => {
  it('moves an external job along, and keeps what it cost', async () => {
    const user = await someone();
    const id = await external(user);
    const started = await transition(user, id, { status: 'running', cost_cents: 10 });
    expect(started.body).toMatchObject({ status: 'running', attempt: 1, cost: { actual_cents: 10 } });
    expect(started.body.started_at).not.toBeNull();
    const ended = await transition(user, id, { status: 'succeeded', cost_cents: 25 });
    expect(ended.body).toMatchObject({ status: 'succeeded', cost: { actual_cents: 25 }, error: null });
    expect(await typesOf(user, id)).toEqual(['JobQueued', 'JobStarted', 'JobCostAdjusted', 'JobSucceeded']);
    expect((await user.get('/v1/costs')).body.total_incurred_cents).toBe(25);
  });

  it('keeps why a job failed', async () => {
    const id = await external(alice);
    await transition(alice, id, { status: 'running' });
    const failed = await transition(alice, id, { status: 'failed', error: 'Printer on fire' });
    expect(failed.body).toMatchObject({
      status: 'failed',
      error: { code: 'failed', message: 'Printer on fire', retryable: false },
    });
  });

  it('refuses what the lifecycle does not have, and says the same thing twice without an event', async () => {
    const id = await external(alice, { cost_cents: 5 });
    for (const status of ['succeeded', 'failed'])
      expectProblem(await transition(alice, id, { status }), 409, 'invalid-transition');
    expect((await transition(alice, id, { status: 'queued' })).body.version).toBe(1);
    await transition(alice, id, { status: 'running' });
    expectProblem(await transition(alice, id, { status: 'queued' }), 409, 'invalid-transition');
    expectProblem(await transition(alice, id, { status: 'succeeded', cost_cents: 4 }), 422, 'out-of-range');
    expectProblem(await transition(alice, id, { status: 'done' }), 422, 'validation-failed');
    await transition(alice, id, { status: 'succeeded' });
    expect((await transition(alice, id, { status: 'succeeded' })).body.version).toBe(3);
    for (const status of ['queued', 'running', 'failed', 'canceled'])
      expectProblem(await transition(alice, id, { status }), 409, 'job-already-finished');
  });

  it('is not open to jobs that workers run', async () => {
    const id = await queue(alice, { prompt: 'x', run_at: '2099-01-01T00:00:00Z' });
    for (const status of ['running', 'succeeded', 'canceled'])
      expectProblem(await transition(alice, id, { status }), 403, 'forbidden');
  });
});

describe('POST /v1/jobs/{id}/cancel', () => {
  it('ends a queued job at once, and once', async () => {
    const id = await queue(alice, { prompt: 'x', run_at: '2099-01-01T00:00:00Z' });
    for (let n = 0; n < 2; n++)
      expect((await alice.post(`/v1/jobs/${id}/cancel`)).body).toMatchObject({
        status: 'canceled',
        version: 2,
      });
    expect(await typesOf(alice, id)).toEqual(['JobQueued', 'JobCanceled']);
  });

  it('asks the worker of a running job, which stops', async () => {
    const user = await someone();
    const reached = gate.shut();
    const id = await queue(user, { prompt: 'x' });
    await reached;
    const asked = await user.post(`/v1/jobs/${id}/cancel`);
    expect(asked.body).toMatchObject({ status: 'running', cancel_requested_at: expect.any(String) });
    expect(await finished(user, id)).toMatchObject({
      status: 'canceled',
      cost: { actual_cents: 0 },
      outputs: [],
    });
    gate.open();
    expect(await typesOf(user, id)).toEqual(['JobQueued', 'JobStarted', 'JobCancelRequested', 'JobCanceled']);
    expect((await user.get('/v1/costs')).body.total_incurred_cents).toBe(0);
  });

  it('comes too late for a job that has ended', async () => {
    const id = await queue(alice, { prompt: 'x' });
    await finished(alice, id);
    expectProblem(await alice.post(`/v1/jobs/${id}/cancel`), 409, 'job-already-finished');
  });
});

describe('POST /v1/jobs/{id}/outputs', () => {
  const upload = async (caller: Caller): Promise<string> => {
    const { bytes } = await new TinyGenerator().generate({ prompt: 'x', position: 3 } as never);
    const answer = await caller
      .post('/v1/uploads')
      .attach('file', bytes, { filename: 'x.png', contentType: 'image/png' });
    expect(answer.status).toBe(201);
    return answer.body.id as string;
  };

  it('adds files after those that are there', async () => {
    const id = await queue(alice, { prompt: 'x', number_of_images: 2 });
    await finished(alice, id);
    const files = [await upload(alice), await upload(alice)];
    const added = await alice.post(`/v1/jobs/${id}/outputs`, {
      outputs: files.map((upload_id) => ({ upload_id })),
    });
    expect(added.status).toBe(201);
    expect(added.body.data.map(({ position }: { position: number }) => position)).toEqual([1, 2, 3, 4]);
    expect(added.body.data.slice(2).map((output: { upload_id: string }) => output.upload_id)).toEqual(files);
    expectProblem(await alice.delete(`/v1/uploads/${files[0]}`), 409, 'asset-in-use');
  });

  it('leaves the place of an image that could not be made empty', async () => {
    const id = await queue(alice, { prompt: 'forbidden', number_of_images: 2 });
    await finished(alice, id);
    const added = await alice.post(`/v1/jobs/${id}/outputs`, {
      outputs: [{ upload_id: await upload(alice) }],
    });
    expect(added.body.data.map(({ position }: { position: number }) => position)).toEqual([1, 3]);
  });

  it('shows the files, and the images that could not be made, as of a moment', async () => {
    const id = await queue(alice, { prompt: 'forbidden', number_of_images: 2 });
    const done = unsigned(await finished(alice, id));
    await alice.post(`/v1/jobs/${id}/outputs`, { outputs: [{ upload_id: await upload(alice) }] });
    const history = (await alice.get(`/v1/jobs/${id}/events`)).body.data as HistoryEvent[];
    const asOf = async (type: string) => {
      const { position } = history.find((event) => event.type === type)!;
      return (await alice.get(`/v1/jobs/${id}?as_of=${position}`)).body;
    };
    expect(await asOf('JobStarted')).toMatchObject({ status: 'running', outputs: [], output_errors: [] });
    expect(unsigned(await asOf('JobSucceeded'))).toEqual(done);
    const added = await read(alice, id);
    expect(unsigned(await asOf('JobOutputAdded'))).toEqual(unsigned(added));
    expect(added.output_errors).toEqual([{ position: 2, code: 'content_policy_violation' }]);
  });

  it('refuses files of others, and jobs that have not succeeded', async () => {
    const id = await queue(alice, { prompt: 'x' });
    await finished(alice, id);
    expectProblem(
      await alice.post(`/v1/jobs/${id}/outputs`, { outputs: [{ upload_id: await upload(bob) }] }),
      422,
      'unknown-reference',
    );
    const queued = await external(alice);
    expectProblem(
      await alice.post(`/v1/jobs/${queued}/outputs`, { outputs: [{ upload_id: await upload(alice) }] }),
      409,
      'invalid-transition',
    );
  });
});

/** A job without the links to its files, which are of the moment. */
function unsigned({ outputs, ...job }: JobResource): object {
  return { ...job, outputs: outputs.map(({ url: _, url_expires_at: _until, ...output }) => output) };
}

describe('what people write', () => {
  it('is neither in the log of events nor in that of the server', async () => {
    const canary = `canary${randomUUID().replaceAll('-', '')}`;
    const user = await someone();
    const body = {
      prompt: `a ${canary} forbidden`,
      negative_prompt: canary,
      metadata: { [`k${canary.slice(0, 20)}`]: canary },
      tags: [canary],
      number_of_images: 2,
    };
    const id = await queue(user, body);
    await finished(user, id);
    const failed = await external(user);
    await transition(user, failed, { status: 'running' });
    await transition(user, failed, { status: 'failed', error: canary });
    const later = await external(user);
    await user.patch(`/v1/jobs/${later}`, { tags: [canary], metadata: { a: canary } });
    expectProblem(await user.post('/v1/jobs', { prompt: canary, [canary]: 1 }), 422, 'unknown-property');
    await user.get(`/v1/jobs?tag=${canary}`);

    const { rows } = await app.superuser.query<{ events: number; contents: number }>(
      `select (select count(*)::int from genledger.events e where e.data::text || e.meta::text like $1) as events,
              (select count(*)::int from genledger.event_contents c where c.body::text like $1) as contents`,
      [`%${canary.slice(0, 20)}%`],
    );
    expect(rows).toEqual([{ events: 0, contents: 3 }]);
    expect(log.length).toBeGreaterThan(0);
    expect(log.filter((line) => line.includes(canary.slice(0, 20)))).toEqual([]);
    const history = await user.get(`/v1/jobs/${id}/events`);
    expect(history.body.data[0].content).toMatchObject({ prompt: body.prompt, tags: [canary] });
  });
});
