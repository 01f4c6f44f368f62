import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { SignJWT } from 'jose';
import { signToken } from '@genledger/platform';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import { ALICE, BOB, Caller, JWT_SECRET, startApp, TestApp } from './support/app';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

const MIB = 1024 * 1024;
const JSON_TYPE = 'Content-Type: application/json';

let app: TestApp;
let alice: Caller;
let projectId: string;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
  alice = await app.as(ALICE);
  await (await app.as(BOB)).post('/v1/jobs', { mode: 'bobs' });
  projectId = (await alice.post('/v1/projects', { name: 'spring' })).body.id as string;
});
afterAll(() => app.close());

async function expectRefused(
  bytes: Buffer | string,
  status: number,
  code: string,
  pointer?: string,
): Promise<void> {
  const before = await writtenRows(app.superuser);
  const answer = await exchange(app.port, bytes);
  expectProblem(answer, status, code);
  if (pointer !== undefined)
    expect((answer.json['errors'] as { pointer: string }[]).map((error) => error.pointer)).toContain(pointer);
  expect(await writtenRows(app.superuser)).toEqual(before);
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
}

const BODY = JSON.stringify({ mode: 'lifestyle' });

function postAs(
  token: string | undefined,
  body: string | Buffer = BODY,
  headers: readonly string[] = [JSON_TYPE],
): Buffer {
  const identity = token === undefined ? [] : [`Authorization: Bearer ${token}`];
  return requestBytes(
    'POST',
    '/v1/jobs',
    [...identity, 'Idempotency-Key: the-same-each-time', ...headers],
    body,
  );
}

describe('identity', () => {
  const secret = new TextEncoder().encode(JWT_SECRET);
  const now = (): number => Math.floor(Date.now() / 1000);
  const claims = (change: object = {}): Record<string, unknown> => ({
    sub: ALICE,
    iss: 'genledger',
    aud: 'authenticated',
    iat: now(),
    exp: now() + 600,
    role: 'authenticated',
    ...change,
  });
  const signed = (change: object = {}, header: object = {}, key: Parameters<SignJWT['sign']>[0] = secret) =>
    new SignJWT(claims(change)).setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...header }).sign(key);
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const stranger = new TextEncoder().encode('the secret of somebody else, 32 bytes');
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

  it('A1 nobody: 401', () => expectRefused(postAs(undefined), 401, 'authentication-required'));

  it.each([
    ['Basic credentials', ['Authorization: Basic YWRtaW46YWRtaW4=']],
    ['an empty bearer', ['Authorization: Bearer ']],
    ['letters outside of ASCII', ['Authorization: Bearer k\u00e9y']],
  ])('A2 %s: 401', (_, headers) =>
    expectRefused(requestBytes('POST', '/v1/jobs', [...headers, JSON_TYPE], BODY), 401, 'invalid-token'),
  );

  it('A2 two Authorization headers, or the token in the query: 401', async () => {
    const line = `Authorization: Bearer ${alice.token}`;
    await expectRefused(
      requestBytes('POST', '/v1/jobs', [line, line, JSON_TYPE], BODY),
      401,
      'invalid-token',
    );
    for (const name of ['access_token', 'token'])
      await expectRefused(
        requestBytes('POST', `/v1/jobs?${name}=${alice.token}`, [JSON_TYPE], BODY),
        401,
        'invalid-token',
      );
  });

  it('A3 unsigned, by whatever name: 401', async () => {
    for (const alg of ['none', 'None', 'NoNe'])
      for (const signature of ['', 'AA'])
        await expectRefused(
          postAs(`${base64({ alg, typ: 'JWT' })}.${base64(claims())}.${signature}`),
          401,
          'invalid-token',
        );
    const [header, payload] = (await signed()).split('.');
    await expectRefused(postAs(`${header}.${payload}.`), 401, 'invalid-token');
  });

  it('A4 HS256 with a public key as its secret: 401', async () => {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    await expectRefused(postAs(await signed({}, {}, new TextEncoder().encode(pem))), 401, 'invalid-token');
    await expectRefused(postAs(await signed({}, { alg: 'RS256' }, privateKey)), 401, 'invalid-token');
  });

  it.each(['unknown', '../../dev/null', "' OR 1=1"])('A5 another key, called %s: 401', async (kid) =>
    expectRefused(postAs(await signed({}, { kid }, stranger)), 401, 'invalid-token'),
  );

  it('A6 a key that the token brings along: 401, and nothing is fetched', async () => {
    const asked: (string | undefined)[] = [];
    const trap = createServer((incoming, answer) => {
      asked.push(incoming.url);
      answer.end('{"keys":[]}');
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/keys`;
      const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RS256' };
      for (const header of [{ jwk }, { jku: url }, { x5u: url }])
        await expectRefused(
          postAs(await signed({}, { alg: 'RS256', ...header }, privateKey)),
          401,
          'invalid-token',
        );
      expect(asked).toEqual([]);
    } finally {
      await new Promise((resolve) => trap.close(resolve));
    }
  });

  it('A7 too old, or from the future: 401', async () => {
    await expectRefused(postAs(await signed({ exp: now() - 60 })), 401, 'token-expired');
    await expectRefused(postAs(await signed({ nbf: now() + 60 })), 401, 'invalid-token');
    await expectRefused(postAs(await signed({ iat: now() + 60 })), 401, 'invalid-token');
  });

  it.each([
    ['no expiry', { exp: undefined }],
    ['no audience', { aud: undefined }],
    ['another audience', { aud: 'others' }],
    ['an audience without us', { aud: ['a', 'b'] }],
    ['another issuer', { iss: 'evil' }],
  ])('A8 %s: 401', async (_, change) => expectRefused(postAs(await signed(change)), 401, 'invalid-token'));

  it.each(['ID', 'logout+jwt'])('A9 a token of type %s: 401', async (typ) =>
    expectRefused(postAs(await signed({}, { typ })), 401, 'invalid-token'),
  );

  it('A10 a payload that was swapped, a signature that was cut: 401', async () => {
    const [header, , signature] = alice.token.split('.');
    await expectRefused(
      postAs(`${header}.${base64(claims({ sub: BOB }))}.${signature}`),
      401,
      'invalid-token',
    );
    await expectRefused(postAs(alice.token.slice(0, -4)), 401, 'invalid-token');
  });

  it.each([
    [''],
    [[ALICE]],
    [{ id: ALICE }],
    ['alice'],
    [`{${ALICE}}`],
    [ALICE.replace('1', 'A')],
    [7],
    [null],
  ])('A11 the subject %j: 401', async (sub) =>
    expectRefused(postAs(await signed({ sub })), 401, 'invalid-token'),
  );

  it.each([
    [{ role: 'admin' }],
    [{ role: 'service_role' }],
    [{ app_metadata: { genledger_role: 'root' } }],
    [{ app_metadata: { genledger_role: ['admin'] } }],
    [{ app_metadata: 'admin' }],
  ])('A12 the role in %j: 401', async (change) =>
    expectRefused(postAs(await signed(change)), 401, 'invalid-token'),
  );

  it('A12 a role that users can write themselves is none', async () => {
    const token = await signed({ user_metadata: { genledger_role: 'admin' }, genledger_role: 'admin' });
    const answer = await exchange(
      app.port,
      requestBytes('GET', '/v1/jobs?mode=bobs', [`Authorization: Bearer ${token}`]),
    );
    expect(answer.json).toMatchObject({ data: [] });
  });

  it('A13 a token of 200 KB: 431', () =>
    expectRefused(postAs('x'.repeat(200_000)), 431, 'headers-too-large'));

  // There is no list of users here that one could be struck from: who signs tokens keeps it.
  it('A14 a token is good until it expires, and a minute later it is not', async () => {
    const request = { ...app.config.jwt, secret: JWT_SECRET, userId: ALICE, role: 'user' as const };
    const read = async (ttlSeconds: number) => {
      const token = await signToken({ ...request, ttlSeconds });
      return exchange(app.port, requestBytes('GET', '/v1/jobs', [`Authorization: Bearer ${token}`]));
    };
    expect((await read(1)).status).toBe(200);
    expectProblem(await read(-60), 401, 'token-expired');
  });
});

type Row = readonly [name: string, body: string | Buffer, status: number, code: string, pointer?: string];

describe('a body', () => {
  const nested = (depth: number): string => `{"metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const keys = (count: number): string => `{${Array.from({ length: count }, (_, n) => `"${n}":1`).join()}}`;
  const field = (name: string, value: string): string => `{"mode":"x","${name}":${value}}`;
  const text = (value: string): string => JSON.stringify(value);
  const invalid = (name: string, values: readonly string[]) =>
    values.map(
      (value) =>
        [
          `${name}: ${value.slice(0, 40)}`,
          field(name, value),
          422,
          'validation-failed',
          `#/${name}`,
        ] as const,
    );

  const rows: readonly Row[] = [
    ...[
      '{"mode":}',
      'NaN',
      '{"priority":NaN}',
      '{"priority":Infinity}',
      '{"mode":"x",}',
      '{} // x',
      '\uFEFF{}',
      '',
    ].map((body) => [`D1 ${text(body)}`, body, 400, 'malformed-json'] as const),
    ['D2 invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'malformed-encoding'],
    [
      'D2 an overlong form',
      Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
      400,
      'malformed-encoding',
    ],
    [
      'D3 1 MiB and a byte',
      field('mode', text('x'.repeat(MIB - 20))).padEnd(MIB + 1),
      413,
      'payload-too-large',
    ],
    ['D5 5,000 levels', nested(5_000), 422, 'too-deep'],
    ['D5 100,000 levels', nested(100_000), 422, 'too-deep'],
    ['D5 100,000 levels of objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 422, 'too-deep'],
    ['D6 a million keys', keys(1_000_000), 413, 'payload-too-large'],
    ['D6 50,000 keys', keys(50_000), 422, 'too-many-properties'],
    ['D6 100,000 items', field('tags', `[${'1,'.repeat(99_999)}1]`), 422, 'too-many-items'],
    ['D6 a string of 10 MB', field('mode', text('x'.repeat(10_000_000))), 413, 'payload-too-large'],
    ['D6 a key of 10 KB', field('k'.repeat(10_000), '1'), 422, 'key-too-long'],
    ['D7 __proto__', '{"__proto__":{"admin":true}}', 400, 'forbidden-key'],
    ['D7 __proto__, escaped', '{"\\u005f_proto__":{"admin":true}}', 400, 'forbidden-key'],
    ['D7 __proto__ in metadata', field('metadata', '{"__proto__":"x"}'), 400, 'forbidden-key'],
    [
      'D7 constructor.prototype',
      field('metadata', '{"constructor":{"prototype":{"admin":1}}}'),
      400,
      'forbidden-key',
    ],
    ['D7 constructor', field('metadata', '{"constructor":"x"}'), 400, 'forbidden-key'],
    ['D7 in a list', field('tags', '[{"__proto__":1}]'), 400, 'forbidden-key'],
    ['D8 a field twice', '{"mode":"x","cost_cents":1,"cost_cents":-5}', 422, 'duplicate-key'],
    ...['"5"', 'true', 'null', '[5]', '{}', '-1', '1.5', '2147483648'].flatMap((value) =>
      invalid('cost_cents', [value]).map(([name, ...row]) => [`D9 D10 ${name}`, ...row] as const),
    ),
    ...['1e400', '9007199254740993', '1e21', '9e99999', '-1e400'].map(
      (value) => [`D10 ${value}`, field('cost_cents', value), 422, 'out-of-range', '#/cost_cents'] as const,
    ),
    ...['"\\u0000"', '"a\\ud800"', '"\\udc00b"'].map(
      (value) => [`D12 ${value}`, `{"mode":${value}}`, 422, 'invalid-characters', '#/mode'] as const,
    ),
    ...[
      ...[
        'infinity',
        'now',
        '0044-03-15 BC',
        '+010000-01-01T00:00:00Z',
        '2026-02-30T00:00:00Z',
        '2026-01-01T23:59:60Z',
      ],
      ...[
        '300000-01-01T00:00:00Z',
        '2026-01-01T00:00:00+99:99',
        '1969-12-31T23:59:59Z',
        '2026-01-01',
        '1767225600',
      ],
    ].flatMap((time) =>
      invalid('run_at', [text(time)]).map(([name, ...row]) => [`D13 ${name}`, ...row] as const),
    ),
    ...invalid('deadline', ['1767225600', '"tomorrow"']).map(
      ([name, ...row]) => [`D13 ${name}`, ...row] as const,
    ),
    ...invalid('metadata', [
      ...['{"":"x"}', '[]', '"x"', 'null', '{"a":1}', '{"a":["x"]}', '{"a":{"b":"c"}}'],
      ...[`{"${'k'.repeat(65)}":"x"}`, `{"a":"${'x'.repeat(513)}"}`, keys(17)],
    ]).map(([name, ...row]) => [`D14 ${name}`, ...row] as const),
    ['D14 traits', field('trait_overrides', '{"a":"b"}'), 422, 'unknown-property', '#/trait_overrides'],
    ...[
      ...[
        ['number_of_images', '1000000'],
        ['number_of_images', '0'],
        ['number_of_images', '"2"'],
        ['number_of_images', '1.5'],
      ],
      ...[
        ['aspect_ratio', '"17:9"'],
        ['kind', '"nothing"'],
        ['kind', '"nft_edition"'],
        ['model', '"other"'],
        ['seed', '-1'],
      ],
      ...[
        ['priority', '101'],
        ['max_attempts', '0'],
        ['max_attempts', '21'],
        ['prompt', '""'],
        ['tags', '["a","a"]'],
      ],
      ...[
        ['mode', '""'],
        ['mode', `"${'m'.repeat(65)}"`],
        ['tags', '[""]'],
        ['project_id', '"x"'],
      ],
      ...[
        ['project_id', `"${ALICE.toUpperCase().replace('1', 'A')}"`],
        ['project_id', `{"$ne":1}`],
      ],
    ].map(([name, value]): Row => [
      `D23 ${name}: ${value}`,
      name === 'prompt' ? `{"prompt":${value}}` : `{"prompt":"x","${name}":${value}}`,
      422,
      'validation-failed',
      `#/${name}`,
    ]),
    ...[
      'row_id',
      'variant_row_id',
      'ordinal_number',
      'collection_id',
      'user_id',
      'status',
      'attempt',
      'version',
    ].map((name) => [`D23 ${name}`, field(name, '1'), 422, 'unknown-property', `#/${name}`] as const),
    ['D23 a list', '[]', 422, 'validation-failed', '#'],
    ['D23 a text', '"x"', 422, 'validation-failed', '#'],
  ];

  // As objects: jest would fill in for a pointer that is not there.
  it.each(rows.map((row) => ({ name: row[0], row })))('$name is refused', async ({ row }) => {
    const [, body, status, code, pointer] = row;
    await expectRefused(postAs(alice.token, body), status, code, pointer);
  });

  it.each([
    [
      'D3 chunks beyond 1 MiB',
      ['Transfer-Encoding: chunked'],
      `${(MIB + 1).toString(16)}\r\n${'x'.repeat(MIB + 1)}\r\n0\r\n\r\n`,
      413,
      'payload-too-large',
    ],
    ['D3 a length of 10 GB', ['Content-Length: 10000000000'], '{', 413, 'payload-too-large'],
    ['D4 gzip', ['Content-Encoding: gzip'], '\x1f\x8b', 415, 'unsupported-encoding'],
    ['D4 brotli', ['Content-Encoding: br'], 'x', 415, 'unsupported-encoding'],
  ])('%s is refused', (_, headers, body, status, code) =>
    expectRefused(postAs(alice.token, body, [JSON_TYPE, ...headers]), status, code),
  );

  it.each([
    [['Content-Type: text/plain']],
    [['Content-Type: application/json\ta']],
    [['Content-Type: application/json garbage']],
    [['Content-Type: application/json; charset=utf-7']],
    [['Content-Type: application/x-www-form-urlencoded']],
    [['Content-Type: multipart/form-data; boundary=x']],
    [[JSON_TYPE, JSON_TYPE]],
    [[]],
  ])('D17 with %j is 415', (headers) =>
    expectRefused(postAs(alice.token, BODY, headers), 415, 'unsupported-media-type'),
  );

  it('D4 D5 D7 D8 are refused on the routes that change a job, too', async () => {
    const { body } = await alice.post('/v1/jobs', { mode: 'x' });
    for (const [method, path] of [
      ['PATCH', `/v1/jobs/${body.id}`],
      ['POST', `/v1/jobs/${body.id}/transition`],
      ['POST', `/v1/jobs/${body.id}/outputs`],
      ['POST', '/v1/jobs/batch'],
      ['POST', '/v1/projects'],
      ['POST', '/v1/assets'],
      ['POST', '/api/generate/text-to-image'],
    ] as const) {
      const send = (content: string) =>
        requestBytes(method, path, [`Authorization: Bearer ${alice.token}`, JSON_TYPE], content);
      await expectRefused(send(nested(5_000)), 422, 'too-deep');
      await expectRefused(send('{"__proto__":{}}'), 400, 'forbidden-key');
      await expectRefused(send('{"mode":"a","mode":"b"}'), 422, 'duplicate-key');
      for (const name of ['nothing_of_ours', 'toString']) {
        const answer = await exchange(app.port, send(`{"${name}":"x"}`));
        expect(answer.status).toBe(422);
        expect(answer.json['errors']).toContainEqual(
          expect.objectContaining({ pointer: `#/${name}`, code: 'unknown-property' }),
        );
      }
    }
  });
});

describe('a query', () => {
  const get = (path: string): Buffer => requestBytes('GET', path, [`Authorization: Bearer ${alice.token}`]);

  it.each([
    ...[
      'limit=0',
      'limit=-1',
      'limit=1000000000',
      'limit=abc',
      'limit=1e1',
      'limit=',
      'status=done',
      'kind=x',
      'mode=',
    ].map((query) => [query, 'validation-failed'] as const),
    ...[
      `tag=${'t'.repeat(65)}`,
      'project_id=x',
      'created_after=now',
      'created_before=2026-02-30T00:00:00Z',
    ].map((query) => [query, 'validation-failed'] as const),
    ...['offset=9000000000000000000', 'user_id=x', 'sort=created_at', 'search=%25', 'limit[]=1'].map(
      (query) => [query, 'unknown-parameter'] as const,
    ),
    ['limit=1&limit=9', 'duplicate-parameter'] as const,
    ['cursor=x', 'invalid-cursor'] as const,
  ])('D15 D16 ?%s is refused', (query, code) => expectRefused(get(`/v1/jobs?${query}`), 422, code));

  it('D16 means what it says: wildcards and quotes are letters', async () => {
    for (const tag of ['%', '_', "' OR 1=1 --", '{}', '\\'])
      expect((await alice.get(`/v1/jobs?tag=${encodeURIComponent(tag)}`)).body).toMatchObject({ data: [] });
  });
});

describe('headers', () => {
  const start = 'GET /v1/jobs HTTP/1.1\r\nHost: x\r\n';
  it.each([
    ['D21 one of 17 KB', `${start}X: ${'a'.repeat(17_000)}\r\n\r\n`, 431, 'headers-too-large'],
    ['D21 3,000 of them', `${start}${'X-A: bbbb\r\n'.repeat(3_000)}\r\n`, 431, 'headers-too-large'],
    ['D21 a line feed within', `${start}X: a\r\n b\r\n\r\n`, 400, 'bad-request'],
    ['D21 a NUL within', `${start}X: a\0b\r\n\r\n`, 400, 'bad-request'],
  ])('%s: refused', (_, bytes, status, code) => expectRefused(bytes, status, code));
});

describe('what is accepted', () => {
  const characters = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 24 })
    .filter((value) => /\S/.test(value) && !value.includes('\0') && value.length <= 64);
  const time = fc.oneof(
    fc
      .date({ min: new Date('2100-01-01'), max: new Date('9999-12-30'), noInvalidDate: true })
      .map((at) => at.toISOString()),
    fc.constantFrom('2100-06-01T12:00:00+02:00', '2100-06-01T12:00:00.5-11:30', '2100-06-01T12:00:00Z'),
  );
  const common = {
    project_id: fc.constantFrom('own', null),
    metadata: fc.dictionary(
      characters.filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key)),
      characters,
      { maxKeys: 16, noNullPrototype: true },
    ),
    tags: fc.uniqueArray(characters, { maxLength: 16 }),
    priority: fc.integer({ min: -100, max: 100 }),
    run_at: fc.oneof(time, fc.constant(null)),
    deadline: fc.oneof(time, fc.constant(null)),
    max_attempts: fc.integer({ min: 1, max: 20 }),
  };
  const image = fc.record(
    {
      prompt: characters,
      negative_prompt: fc.oneof(characters, fc.constant('')),
      number_of_images: fc.integer({ min: 1, max: 10 }),
      aspect_ratio: fc.constantFrom('1:1', '16:9', '9:16', '4:3', '3:4', '3:2', '2:3', '21:9'),
      seed: fc.nat(2_147_483_647),
      model: fc.constant('painter-1'),
      mode: characters,
      kind: fc.constant('text_to_image'),
      ...common,
    },
    { requiredKeys: ['prompt'] },
  );
  const elsewhere = fc.record(
    { mode: characters, kind: fc.constant('external'), cost_cents: fc.nat(2_147_483_647), ...common },
    { requiredKeys: ['mode'] },
  );
  const IN_REQUEST = ['prompt', 'negative_prompt', 'number_of_images', 'aspect_ratio', 'seed', 'model'];
  const AS_TIMES = ['run_at', 'deadline'];

  it('D22 is read as it was written, every field of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(image, elsewhere), async (drawn) => {
        const body: Record<string, unknown> = {
          ...drawn,
          ...(drawn.project_id === 'own' ? { project_id: projectId } : {}),
        };
        const created = await alice.post('/v1/jobs', body);
        expect(created.status).toBe(201);
        const { body: job } = await alice.get(created.body.urls.self as string);
        const requested: Record<string, unknown> = {};
        for (const [name, sent] of Object.entries(body)) {
          if (IN_REQUEST.includes(name)) requested[name] = sent;
          // A cost of nothing reads as none: nothing has been incurred.
          else if (name === 'cost_cents') expect(job.cost.actual_cents).toBe(sent === 0 ? null : sent);
          else if (!AS_TIMES.includes(name)) expect(job[name]).toEqual(sent);
          else if (sent !== null) expect(Date.parse(job[name] as string)).toBe(Date.parse(sent as string));
        }
        expect(job.parameters.requested).toEqual(requested);
        expect(job.parameters.effective).toMatchObject(
          Object.fromEntries(Object.entries(requested).filter(([name]) => !name.endsWith('prompt'))),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('D12 keeps letters of all directions and widths as they are', async () => {
    const strange = 'a\u202eb\u200b e\u0301\u0301 \u0430 \ud83d\udc69\u200d\ud83d\ude80 \u2028';
    const { body } = await alice.post('/v1/jobs', {
      prompt: strange,
      tags: [strange],
      run_at: '2100-01-01T00:00:00Z',
    });
    expect((await alice.get(`/v1/jobs/${body.id}`)).body).toMatchObject({
      parameters: { requested: { prompt: strange } },
      tags: [strange],
    });
  });

  it('D14 keeps names that look like SQL, paths or patterns as the names that they are', async () => {
    const metadata = {
      "'; DROP": 'a',
      'a"b': 'b',
      '$.x': 'c',
      '%': 'd',
      _: 'e',
      '\\': 'f',
      toString: 'h',
    };
    // By hand: supertest leaves some of them out.
    const bytes = requestBytes(
      'POST',
      '/v1/jobs',
      [`Authorization: Bearer ${alice.token}`, JSON_TYPE],
      JSON.stringify({ mode: 'x', metadata }),
    );
    const { json } = await exchange(app.port, bytes);
    expect((await alice.get(`/v1/jobs/${String(json['id'])}`)).body.metadata).toEqual(metadata);
  });

  it('D9 takes -0 for 0', async () => {
    const answer = await exchange(
      app.port,
      postAs(alice.token, '{"mode":"x","priority":-0}').toString().replace('the-same-each-time', 'another'),
    );
    expect(answer.json).toMatchObject({ priority: 0 });
  });
});
