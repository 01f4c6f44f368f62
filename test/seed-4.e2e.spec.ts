import { createHash } from 'node:crypto';
import request from 'supertest';
import { Painter } from '@genledger/generation';
import { Database, knownMigrations, serverUrls } from '@genledger/platform';
import { ObjectStorage, Uploads, UploadSweeper } from '@genledger/uploads';
import { ALICE, BOB, Caller, startApp, TestApp } from './support/app';
import { GatedGenerator, TinyGenerator } from './support/generators';
import { createTestDatabase } from './support/test-database';

jest.setTimeout(60_000);

const ROUTE = '/api/generate/text-to-image';
const gate = new GatedGenerator({
  generate: (image) =>
    (image.prompt.startsWith('tiny') ? new TinyGenerator() : new Painter()).generate(image),
});

let app: TestApp;
let alice: Caller;
let bob: Caller;
/** 16:9 and 2 were sent, and it has ended. */
let done: { generationId: string; [member: string]: unknown };

beforeAll(async () => {
  // Short leases: what a test cancels stops soon.
  app = await startApp({ generator: gate, leaseMs: 600 });
  [alice, bob] = await Promise.all([app.as(ALICE), app.as(BOB)]);
  done = await finished(
    await generate({ prompt: 'A sunset over the sea', numberOfImages: 2, aspectRatio: '16:9' }),
  );
});
afterAll(() => app.close());

async function generate(body: object, caller = alice): Promise<string> {
  const answer = await caller.post(ROUTE, body);
  expect(answer.status).toBe(202);
  return answer.body.generationId as string;
}

async function statusOf(id: string, caller = alice) {
  const answer = await caller.get(`/api/generate/queue/${id}`);
  expect(answer.status).toBe(200);
  return answer.body;
}

async function finished(id: string) {
  return app.eventually(
    () => statusOf(id),
    ({ status }) => !['pending', 'processing'].includes(status as string),
  );
}

async function refused(body: object, status = 422): Promise<void> {
  const answer = await alice.post(ROUTE, body);
  expect(answer.status).toBe(status);
  expect(answer.type).toBe('application/problem+json');
}

describe('POST /api/generate/text-to-image', () => {
  it('S4-01 wants a token, and answers 202 with the generation’s id', async () => {
    const anonymous = await request(app.url).post(ROUTE).send({ prompt: 'A sunset' });
    expect(anonymous.status).toBe(401);
    expect(anonymous.body.code).toBe('authentication-required');
    const answer = await alice.post(ROUTE, { prompt: 'tiny' });
    expect(answer.status).toBe(202);
    expect(answer.body.generationId).toMatch(/^[0-9a-f-]{36}$/);
    await finished(answer.body.generationId);
  });

  it('S4-02 wants a prompt that says something', async () => {
    for (const body of [{}, { prompt: '' }, { prompt: ' \n ' }, { prompt: null }, { prompt: 7 }])
      await refused(body);
  });

  it('S4-03 wants 1 to 10 images', async () => {
    for (const numberOfImages of [0, -1, 1.5, '2', 11, 100, null, true])
      await refused({ prompt: 'x', numberOfImages });
    void gate.shut();
    for (const numberOfImages of [1, 10]) {
      const id = await generate({ prompt: 'tiny', numberOfImages });
      expect((await statusOf(id)).metadata.numberOfImages).toBe(numberOfImages);
      expect((await alice.post(`/v1/jobs/${id}/cancel`)).status).toBe(200);
      expect((await finished(id)).status).toBe('canceled');
    }
    gate.open();
  });

  it('S4-04 wants an aspect ratio that can be made', async () => {
    for (const aspectRatio of ['17:9x', '16/9', '', 1.77, null, '16:9 '])
      await refused({ prompt: 'x', aspectRatio });
  });

  it('S4-12 refuses a field that it does not know, in place of dropping it, and so does the database', async () => {
    const answer = await alice.post(ROUTE, { prompt: 'x', aspect_ratio: '16:9' });
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ code: 'unknown-property', errors: [{ pointer: '#/aspect_ratio' }] });
    await expect(
      app.superuser.query(
        `insert into genledger.job_requests (id, undeclared) values (gen_random_uuid(), 1)`,
      ),
    ).rejects.toMatchObject({ code: '42703' });
  });
});

describe('GET /api/generate/queue/{generationId}', () => {
  it('S4-05 answers its owner, and 404 to others and for what does not exist', async () => {
    expect((await alice.get(`/api/generate/queue/${done.generationId}`)).status).toBe(200);
    for (const [caller, id] of [
      [bob, done.generationId],
      [alice, '00000000-0000-7000-8000-000000000000'],
      [alice, 'nothing'],
    ] as const)
      expect((await caller.get(`/api/generate/queue/${id}`)).body.code).toBe('not-found');
  });

  it('S4-06 names the same id as the POST', async () => {
    expect((await statusOf(done.generationId)).generationId).toBe(done.generationId);
  });

  it('S4-07 speaks of pending, processing and completed', async () => {
    const reached = gate.shut();
    const answer = await alice.post(ROUTE, { prompt: 'tiny' });
    expect(answer.body.status).toBe('pending');
    await reached;
    expect((await statusOf(answer.body.generationId)).status).toBe('processing');
    gate.open();
    expect((await finished(answer.body.generationId)).status).toBe('completed');
  });

  it('S4-08 tells 16:9 and 2 where 16:9 and 2 were sent: before, during and after running, and after a restart', async () => {
    const sent = { aspectRatio: '16:9', numberOfImages: 2 };
    const reached = gate.shut();
    const before = await alice.post(ROUTE, { prompt: 'A harbour at dawn', ...sent });
    expect(before.body).toMatchObject({ status: 'pending', metadata: sent, requested: sent });
    const id = before.body.generationId as string;
    await reached;
    expect(await statusOf(id)).toMatchObject({ status: 'processing', metadata: sent, requested: sent });
    gate.open();
    expect(await finished(id)).toMatchObject({ status: 'completed', metadata: sent, requested: sent });
    app = await app.restart();
    [alice, bob] = await Promise.all([app.as(ALICE), app.as(BOB)]);
    const after = await statusOf(id);
    expect(after).toMatchObject({ status: 'completed', metadata: sent, requested: sent });
    expect(after.images).toHaveLength(2);
    expect(
      after.images.map(({ width, height }: { width: number; height: number }) => width / height),
    ).toEqual([1344 / 768, 1344 / 768]);
  });

  it('S4-09 lists the images in order, each with an address that serves it', async () => {
    const { images, aiMetadata } = await statusOf(done.generationId);
    expect(images.map(({ imageId }: { imageId: string }) => imageId)).toEqual(aiMetadata.imageIds);
    for (const { imageUrl, mimeType, size } of images) {
      const file = await fetch(imageUrl as string);
      expect(file.status).toBe(200);
      expect(file.headers.get('content-type')).toBe(mimeType);
      expect((await file.arrayBuffer()).byteLength).toBe(size);
    }
  });

  it('S4-10 shows how many were asked for where one could not be made, and why', async () => {
    const id = await generate({ prompt: 'tiny forbidden', numberOfImages: 2 });
    const status = await finished(id);
    expect(status).toMatchObject({
      status: 'completed',
      metadata: { numberOfImages: 2 },
      aiMetadata: { errors: [{ position: 2, code: 'content_policy_violation' }] },
    });
    expect(status.images).toHaveLength(1);
    expect(status.tokens).toBe(4);
  });

  it('S4-13 defaults to 1:1 and 1 where nothing was sent, and shows that nothing was', async () => {
    const status = await finished(await generate({ prompt: 'tiny' }));
    expect(status.metadata).toEqual({ aspectRatio: '1:1', numberOfImages: 1 });
    expect(status.requested).toEqual({ prompt: 'tiny' });
  });

  it('S4-34 keeps the request as it was sent for all its life', async () => {
    const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
    const reached = gate.shut();
    const queued = await alice.post('/v1/jobs', {
      prompt: 'tiny',
      number_of_images: 2,
      aspect_ratio: '3:2',
      seed: 5,
    });
    const id = queued.body.id as string;
    const hashes = [hash(queued.body.parameters)];
    const read = async () => (await alice.get(`/v1/jobs/${id}`)).body;
    await reached;
    hashes.push(hash((await read()).parameters));
    gate.open();
    await finished(id);
    hashes.push(hash((await read()).parameters));
    expect(new Set(hashes).size).toBe(1);
    const { rows } = await app.superuser.query(
      `select metadata, ai_metadata from genledger.image_generations where id = $1`,
      [id],
    );
    expect(rows[0].metadata).toEqual({ numberOfImages: 2, aspectRatio: '3:2' });
    expect(rows[0].ai_metadata.imageIds).toHaveLength(2);
  });
});

describe('the records of a generation', () => {
  it('S4-11 have a column for its metadata', async () => {
    const { rows } = await app.superuser.query(
      `select column_name, data_type from information_schema.columns where table_schema = 'genledger'
          and table_name = 'image_generations' and column_name in ('metadata', 'ai_metadata') order by 1`,
    );
    expect(rows).toEqual([
      { column_name: 'ai_metadata', data_type: 'jsonb' },
      { column_name: 'metadata', data_type: 'jsonb' },
    ]);
  });

  it('S4-14 come with migrations that are in the repository and applied, each once', async () => {
    const { rows } = await app.superuser.query<{ name: string }>(
      `select name from genledger.migrations order by id`,
    );
    expect(rows.map(({ name }) => name)).toEqual(knownMigrations);
  });

  it('S4-16 are not served on a schema that is older than the code', async () => {
    const stale = await createTestDatabase();
    const database = new Database({ ...serverUrls(stale.adminUrl) });
    try {
      const owner = new Database({ ...serverUrls(stale.adminUrl) });
      await owner.connect();
      await owner.onApplicationShutdown();
      await forgetLastMigration(stale.adminUrl);
      await expect(database.connect()).rejects.toThrow(/lacks .* run "genledger migrate" first/);
    } finally {
      await database.onApplicationShutdown();
      await stale.drop();
    }
  });

  it('S4-17 S4-18 are one job and a file an image', async () => {
    const count = async (sql: string): Promise<number> =>
      (await app.superuser.query<{ count: number }>(`select count(*)::int as count from ${sql}`)).rows[0]!
        .count;
    const before = await count('genledger.image_generations');
    const id = await generate({ prompt: 'tiny', numberOfImages: 2 });
    await finished(id);
    expect(await count('genledger.image_generations')).toBe(before + 1);
    expect(
      await count(
        `genledger.uploads u join genledger.job_outputs o on o.upload_id = u.id
          where o.job_id = '${id}' and u.purpose = 'generation_output'`,
      ),
    ).toBe(2);
  });

  it('S4-19 have every field of the seed', async () => {
    expect(await statusOf(done.generationId)).toMatchObject({
      generationId: done.generationId,
      prompt: 'A sunset over the sea',
      status: 'completed',
      tokens: 8,
      requested: { numberOfImages: 2, aspectRatio: '16:9' },
      metadata: { numberOfImages: 2, aspectRatio: '16:9' },
      aiMetadata: { imageIds: [expect.any(String), expect.any(String)], model: 'painter-1' },
    });
  });

  it('S4-20 link images that exist, in their order', async () => {
    const { aiMetadata } = await statusOf(done.generationId);
    const { body } = await alice.get(`/v1/jobs/${done.generationId}/outputs`);
    expect(body.data.map((output: { position: number }) => output.position)).toEqual([1, 2]);
    expect(body.data.map((output: { upload_id: string }) => output.upload_id)).toEqual(aiMetadata.imageIds);
    for (const id of aiMetadata.imageIds) expect((await alice.get(`/v1/uploads/${id}`)).status).toBe(200);
    const { rows } = await app.superuser.query(
      `select o.upload_id from genledger.job_outputs o where not exists (select from genledger.uploads u where u.id = o.upload_id)`,
    );
    expect(rows).toEqual([]);
  });

  it('S4-21 tell of a file what it is, and its true size', async () => {
    const [id] = (await statusOf(done.generationId)).aiMetadata.imageIds;
    const { body } = await alice.get(`/v1/uploads/${id}`);
    expect(body).toMatchObject({
      id,
      public_url: expect.stringContaining(id),
      storage_key: expect.stringContaining(`${ALICE}/`),
      mime_type: 'image/png',
      purpose: 'generation_output',
      created_at: expect.stringMatching(/Z$/),
    });
    const head = await fetch(body.public_url, { method: 'HEAD' });
    expect(Number(head.headers.get('content-length'))).toBe(body.size);
    expect(await app.app.get(ObjectStorage).stat(body.storage_key)).toMatchObject({ size: body.size });
  });

  it('S4-23 show files once they are durable and linked; what a crash leaves between is swept', async () => {
    const bytes = (await new TinyGenerator().generate({ prompt: 'x', position: 1 } as never)).bytes;
    const orphan = await app.app.get(Uploads).store({ userId: ALICE, purpose: 'generation_output', bytes });
    expect((await alice.get(`/v1/uploads/${orphan.id}`)).status).toBe(404);
    await app.app.get(UploadSweeper).sweep(new Date(Date.now() + 1_000), 0);
    expect(await app.app.get(ObjectStorage).stat(orphan.storageKey)).toBeUndefined();
    const { rows } = await app.superuser.query(`select id from genledger.uploads where id = $1`, [orphan.id]);
    expect(rows).toEqual([]);
    expect((await statusOf(done.generationId)).images).toHaveLength(2);
    for (const { imageUrl } of (await statusOf(done.generationId)).images)
      expect((await fetch(imageUrl as string)).status).toBe(200);
  });

  it('S4-24 hold the prompt once', async () => {
    const prompt = `tiny ${createHash('md5').update(String(Date.now())).digest('hex')}`;
    await finished(await generate({ prompt, numberOfImages: 2 }));
    const { rows } = await app.superuser.query<{ events: number; contents: number; requests: number }>(
      `select (select count(*)::int from genledger.events e where e::text like $1) as events,
              (select count(*)::int from genledger.event_contents c where c::text like $1) as contents,
              (select count(*)::int from genledger.job_requests r
                where (to_jsonb(r) - 'content_body')::text like $1) as requests`,
      [`%${prompt}%`],
    );
    expect(rows).toEqual([{ events: 0, contents: 1, requests: 0 }]);
  });

  it('S4-25 S4-26 take more images later, which come third and are listed with the others', async () => {
    const id = await generate({ prompt: 'tiny', numberOfImages: 2 });
    await finished(id);
    const { bytes } = await new TinyGenerator().generate({ prompt: 'x', position: 9 } as never);
    const upload = await alice
      .post('/v1/uploads')
      .attach('file', bytes, { filename: 'x.png', contentType: 'image/png' });
    expect(upload.status).toBe(201);
    const added = await alice.post(`/v1/jobs/${id}/outputs`, { outputs: [{ upload_id: upload.body.id }] });
    expect(added.status).toBe(201);
    const { body } = await alice.get(`/v1/jobs/${id}/outputs`);
    expect(body.data.map(({ position }: { position: number }) => position)).toEqual([1, 2, 3]);
    expect(body.data[2].upload_id).toBe(upload.body.id);
    expect((await statusOf(id)).images).toHaveLength(3);
  });

  it('S4-27 are never seen with some of their images linked', async () => {
    const reached = gate.shut();
    const id = await generate({ prompt: 'tiny', numberOfImages: 5 });
    await reached;
    gate.open();
    const seen = new Set<string>();
    for (;;) {
      const { body } = await alice.get(`/v1/jobs/${id}`);
      seen.add(`${body.status} ${body.outputs.length}`);
      if (body.status === 'succeeded') break;
    }
    expect([...seen].sort().filter((sight) => sight !== 'running 0')).toEqual(['succeeded 5']);
  });

  it('S4-28 are listed as files by their purpose, newest first', async () => {
    const { body } = await alice.get('/v1/uploads?purpose=generation_output&limit=10');
    const ids = body.data.map(({ id }: { id: string }) => id);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(new Set(body.data.map(({ purpose }: { purpose: string }) => purpose))).toEqual(
      new Set(['generation_output']),
    );
    expect(ids.length).toBeLessThanOrEqual(10);
    expect((await bob.get('/v1/uploads?purpose=generation_output&limit=10')).body.data).toEqual([]);
  });

  it('S4-29 are found by id, over HTTP and in SQL as their owner', async () => {
    const rows = await app.app
      .get(Database)
      .read({ userId: ALICE, role: 'user' }, (query) =>
        query(
          `select id, prompt, metadata, ai_metadata, status from genledger.image_generations where id = $1`,
          [done.generationId],
        ),
      );
    const { prompt, metadata, aiMetadata, status } = await statusOf(done.generationId);
    expect(rows).toEqual([
      { id: done.generationId, prompt, metadata, ai_metadata: { imageIds: aiMetadata.imageIds }, status },
    ]);
    const others = await app.app
      .get(Database)
      .read({ userId: BOB, role: 'user' }, (query) =>
        query(`select id from genledger.image_generations where id = $1`, [done.generationId]),
      );
    expect(others).toEqual([]);
  });

  it('S4-30 of a deleted job: its files are swept', async () => {
    const id = await generate({ prompt: 'tiny', numberOfImages: 2 });
    const { images } = await finished(id);
    const keys = await Promise.all(
      images.map(
        async ({ imageId }: { imageId: string }) =>
          (await alice.get(`/v1/uploads/${imageId}`)).body.storage_key,
      ),
    );
    expect((await alice.delete(`/v1/jobs/${id}`)).status).toBe(204);
    await app.app.get(UploadSweeper).sweep(new Date(Date.now() + 1_000), 0);
    for (const key of keys) expect(await app.app.get(ObjectStorage).stat(key as string)).toBeUndefined();
    for (const { imageUrl } of images) expect((await fetch(imageUrl as string)).status).toBe(404);
  });
});

async function forgetLastMigration(adminUrl: string): Promise<void> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(
    `delete from genledger.migrations where id = (select max(id) from genledger.migrations)`,
  );
  await client.end();
}
