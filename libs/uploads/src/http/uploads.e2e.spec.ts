import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Client } from 'pg';
import sharp from 'sharp';
import {
  configureHttp,
  createFastifyAdapter,
  DatabaseModule,
  loadConfig,
  newId,
  PlatformHttpModule,
  serverUrls,
  signToken,
} from '@genledger/platform';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database';
import { MAX_UPLOAD_BYTES } from '../image-facts';
import { ObjectStorage } from '../object-storage';
import { UploadLinks } from '../upload-links';
import { Uploads } from '../uploads';
import { UploadsModule } from '../uploads.module';
import { registerUploads } from './register-uploads';
import type { UploadResource } from './upload-resource';

const ALICE = '11111111-1111-4111-8111-111111111111';
const BOB = '22222222-2222-4222-8222-222222222222';
const JWT_SECRET = 'a secret of at least thirty-two bytes';

let testDatabase: TestDatabase;
let superuser: Client;
let home: string;
let app: NestFastifyApplication;
let base: string;
let png: Buffer;
let alice: string;
let bob: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'genledger-uploads-'));
  testDatabase = await createTestDatabase();
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  const config = loadConfig({ JWT_SECRET, GENLEDGER_HOME: home });
  const imports = [
    DatabaseModule.forRoot(config, serverUrls(testDatabase.adminUrl)),
    PlatformHttpModule.forRoot({ config }),
    UploadsModule,
  ];
  const testing = await Test.createTestingModule({ imports }).compile();
  const adapter = createFastifyAdapter();
  app = testing.createNestApplication<NestFastifyApplication>(adapter, { logger: false });
  configureHttp(app);
  await registerUploads(adapter.getInstance());
  await app.listen(0, '127.0.0.1');
  base = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const tokenOf = async (userId: string): Promise<string> =>
    signToken({ ...config.jwt, secret: JWT_SECRET, userId, role: 'user', ttlSeconds: 600 });
  [alice, bob] = await Promise.all([tokenOf(ALICE), tokenOf(BOB)]);
  png = await sharp({ create: { width: 30, height: 20, channels: 3, background: '#3070c0' } })
    .png()
    .toBuffer();
});
afterAll(async () => {
  await app.close();
  await superuser.end();
  await testDatabase.drop();
  await rm(home, { recursive: true, force: true });
});

function call(
  method: string,
  path: string,
  token: string | undefined,
  body?: FormData | string,
): Promise<Response> {
  return fetch(base + path, {
    method,
    body,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
}

function form(bytes: Buffer, { field = 'file', name = 'x.png', type = 'image/png' } = {}): FormData {
  const data = new FormData();
  data.append(field, new Blob([new Uint8Array(bytes)], { type }), name);
  return data;
}

async function send(bytes = png, token = alice): Promise<UploadResource> {
  const answer = await call('POST', '/v1/uploads', token, form(bytes));
  expect(answer.status).toBe(201);
  return (await answer.json()) as UploadResource;
}

async function problemOf(answer: Response): Promise<{ status: number; code: string }> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const { status, code } = (await answer.json()) as { status: number; code: string };
  expect(answer.status).toBe(status);
  return { status, code };
}

/** An output as a worker leaves it: stored, then linked to its job. */
async function makeOutput(userId = ALICE): Promise<string> {
  const { id } = await app.get(Uploads).store({ userId, purpose: 'generation_output', bytes: png });
  await superuser.query(
    `insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
     select $1, 1, user_id, id, mime_type, size, sha256, width, height from genledger.uploads where id = $2`,
    [newId(), id],
  );
  return id;
}

describe('POST /v1/uploads', () => {
  it('answers with what is known of the file, and keeps its bytes', async () => {
    const answer = await call('POST', '/v1/uploads', alice, form(png, { name: '../../etc/passwd' }));
    const resource = (await answer.json()) as UploadResource;
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/uploads/${resource.id}`);
    expect(Object.keys(resource).sort()).toEqual(
      [
        ...[
          'created_at',
          'height',
          'id',
          'mime_type',
          'public_url',
          'purpose',
          'sha256',
          'size',
          'storage_key',
        ],
        ...['url', 'url_expires_at', 'width'],
      ].sort(),
    );
    expect(resource).toMatchObject({
      purpose: 'input',
      mime_type: 'image/png',
      size: png.length,
      width: 30,
      height: 20,
    });
    expect(resource.url.startsWith(`${base}/v1/uploads/${resource.id}/content?`)).toBe(true);
    expect(resource.public_url).toBe(resource.url);
    expect(resource.storage_key.startsWith(`${ALICE}/`)).toBe(true);
    const path = app.get(ObjectStorage).location(resource.storage_key);
    expect((await readFile(path)).equals(png)).toBe(true);
    const read = await call('GET', `/v1/uploads/${resource.id}`, alice);
    expect(await read.json()).toMatchObject({
      id: resource.id,
      sha256: resource.sha256,
      created_at: resource.created_at,
    });
  });

  it.each([
    ['HTML that is said to be a PNG', () => form(Buffer.from('<html>')), 415, 'type-mismatch'],
    ['SVG', () => form(Buffer.from('<svg/>'), { type: 'image/svg+xml' }), 415, 'unsupported-media-type'],
    ['a file with no bytes', () => form(Buffer.alloc(0)), 422, 'invalid-image'],
    ['half a file', () => form(png.subarray(0, 60)), 422, 'invalid-image'],
    ['more than 20 MiB', () => form(Buffer.alloc(MAX_UPLOAD_BYTES + 1)), 413, 'payload-too-large'],
    ['another field', () => form(png, { field: 'picture' }), 422, 'validation-failed'],
    ['the field __proto__', () => form(png, { field: '__proto__' }), 422, 'validation-failed'],
    ['no file', () => new FormData(), 422, 'validation-failed'],
  ])('refuses %s', async (_, body, status, code) => {
    expect(await problemOf(await call('POST', '/v1/uploads', alice, body()))).toEqual({ status, code });
  });

  it('refuses two files and more fields', async () => {
    const two = form(png);
    two.append('file', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'y.png');
    const more = form(png);
    more.append('purpose', 'generation_output');
    for (const body of [two, more]) {
      expect(await problemOf(await call('POST', '/v1/uploads', alice, body))).toMatchObject({
        code: 'validation-failed',
      });
    }
  });

  it.each([
    ['JSON', 'application/json', '{}', 415],
    ['no boundary', 'multipart/form-data', 'x', 400],
    [
      'an unclosed part',
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nhalf',
      400,
    ],
  ])('refuses %s', async (_, type, body, status) => {
    const headers = { authorization: `Bearer ${alice}`, 'content-type': type };
    const answer = await fetch(`${base}/v1/uploads`, { method: 'POST', body, headers });
    expect((await problemOf(answer)).status).toBe(status);
  });

  it('wants to know who sends', async () => {
    expect(await problemOf(await call('POST', '/v1/uploads', undefined, form(png)))).toMatchObject({
      status: 401,
    });
  });
});

describe('GET /v1/uploads', () => {
  it('pages through what is one’s own, newest first', async () => {
    await superuser.query('truncate genledger.uploads');
    const sent = [await send(), await send(), await send()];
    await send(png, bob);
    const newest = sent.map(({ id }) => id).reverse();
    const first = await call('GET', '/v1/uploads?limit=2&purpose=input', alice);
    const page = (await first.json()) as { data: UploadResource[]; has_more: boolean; next_cursor: string };
    expect(page.data.map(({ id }) => id)).toEqual(newest.slice(0, 2));
    expect(page.has_more).toBe(true);
    const rest = await call('GET', `/v1/uploads?limit=2&purpose=input&cursor=${page.next_cursor}`, alice);
    expect(await rest.json()).toMatchObject({
      data: [{ id: newest[2] }],
      has_more: false,
      next_cursor: null,
    });
    for (const [token, query] of [
      [bob, 'purpose=input'],
      [alice, ''],
    ] as const) {
      const answer = await call('GET', `/v1/uploads?${query}&cursor=${page.next_cursor}`, token);
      expect(await problemOf(answer)).toEqual({ status: 422, code: 'invalid-cursor' });
    }
  });

  it('filters outputs, of which it shows the linked ones', async () => {
    await superuser.query('truncate genledger.uploads');
    await app.get(Uploads).store({ userId: ALICE, purpose: 'generation_output', bytes: png });
    const id = await makeOutput();
    const answer = await call('GET', '/v1/uploads?purpose=generation_output&limit=10', alice);
    const { data } = (await answer.json()) as { data: UploadResource[] };
    expect(data.map((upload) => upload.id)).toEqual([id]);
  });

  it.each(['limit=0', 'limit=101', 'limit=1e1', 'purpose=other', 'cursor=x', 'sort=id', 'limit=1&limit=2'])(
    'refuses ?%s',
    async (query) => {
      expect(await problemOf(await call('GET', `/v1/uploads?${query}`, alice))).toMatchObject({
        status: 422,
      });
    },
  );

  it('answers 404 alike for what is absent, another’s or no id', async () => {
    const { id } = await send();
    for (const path of [`/v1/uploads/${newId()}`, `/v1/uploads/${id}`, '/v1/uploads/nothing']) {
      for (const method of ['GET', 'DELETE']) {
        expect(await problemOf(await call(method, path, bob))).toEqual({ status: 404, code: 'not-found' });
      }
    }
  });
});

describe('DELETE /v1/uploads/{id}', () => {
  it('removes an input, and not what a job made', async () => {
    const { id, url } = await send();
    expect((await call('DELETE', `/v1/uploads/${id}`, alice)).status).toBe(204);
    expect(await problemOf(await call('GET', `/v1/uploads/${id}`, alice))).toMatchObject({ status: 404 });
    expect(await problemOf(await fetch(url))).toEqual({ status: 404, code: 'not-found' });
    const output = await makeOutput();
    const answer = await call('DELETE', `/v1/uploads/${output}`, alice);
    expect(await problemOf(answer)).toEqual({ status: 409, code: 'asset-in-use' });
  });
});

describe('GET /v1/uploads/{id}/content', () => {
  it('serves the bytes to whoever has the link, as a download that no browser runs', async () => {
    const resource = await send();
    const answer = await fetch(resource.url);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(png)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(png.length),
      'content-disposition': 'attachment',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'cache-control': expect.stringMatching(/^private, max-age=(89\d|900)$/) as string,
      etag: `"${resource.sha256}"`,
    });
  });

  it('shows our own outputs inline', async () => {
    const { url } = app.get(UploadLinks).sign(await makeOutput(), base);
    expect((await fetch(url)).headers.get('content-disposition')).toBe('inline');
  });

  it('answers HEAD with the same headers, and a known tag with 304', async () => {
    const { url, sha256 } = await send();
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String(png.length));
    expect(head.headers.get('content-type')).toBe('image/png');
    expect(await head.text()).toBe('');
    const known = await fetch(url, { headers: { 'if-none-match': `"other", W/"${sha256}"` } });
    expect(known.status).toBe(304);
    expect(known.headers.get('etag')).toBe(`"${sha256}"`);
  });

  it('refuses an expired link and forged ones', async () => {
    const { id, url } = await send();
    const old = app.get(UploadLinks).sign(id, base, new Date(Date.now() - 3_600_000)).url;
    expect(await problemOf(await fetch(old))).toEqual({ status: 403, code: 'link-expired' });
    const { id: another } = await send();
    const forged = [
      url.replace(id, another),
      url.replace(/signature=.*/, ''),
      url.replace(/expires=\d/, 'expires=9'),
    ];
    for (const address of [
      ...forged,
      `${base}/v1/uploads/${id}/content`,
      `${base}/v1/uploads/nothing/content`,
    ]) {
      expect(await problemOf(await fetch(address))).toEqual({ status: 403, code: 'invalid-signature' });
    }
  });

  it('answers 404 where the object is gone', async () => {
    const { url, storage_key } = await send();
    await app.get(ObjectStorage).delete(storage_key);
    expect(await problemOf(await fetch(url))).toEqual({ status: 404, code: 'not-found' });
  });
});
