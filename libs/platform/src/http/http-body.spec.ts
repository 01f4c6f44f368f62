import type { INestApplication } from '@nestjs/common';
import { signToken } from '../identity/sign-token';
import { exchange, expectProblem, requestBytes } from '../testing/http-exchange';
import type { Answer } from '../testing/http-exchange';
import { secret, startFixture } from '../testing/http-fixture';

const JSON_TYPE = 'Content-Type: application/json';
const MIB = 1024 * 1024;

let app: INestApplication;
let port: number;
let bearer: string;

beforeAll(async () => {
  ({ app, port } = await startFixture({ requestTimeout: 1000, headersTimeout: 1000 }));
  const userId = '0198c0de-0000-7000-8000-000000000001';
  bearer = await signToken({
    userId,
    role: 'user',
    secret,
    issuer: 'genledger',
    audience: 'authenticated',
    ttlSeconds: 60,
  });
});
afterAll(() => app.close());

const asUser = (
  method: string,
  path: string,
  headers: readonly string[],
  body: string | Buffer,
): Promise<Answer> =>
  exchange(port, requestBytes(method, path, [`Authorization: Bearer ${bearer}`, ...headers], body));
const post = (body: string | Buffer, headers: readonly string[] = [JSON_TYPE]): Promise<Answer> =>
  asUser('POST', '/v1/things', headers, body);

describe('a body', () => {
  it.each([
    ['no JSON', '{"name":}', 400, 'malformed-json'],
    ['NaN', '{"cost_cents":NaN}', 400, 'malformed-json'],
    ['a trailing comma', '{"name":"x",}', 400, 'malformed-json'],
    ['a byte order mark', '\uFEFF{}', 400, 'malformed-json'],
    ['nothing', '', 400, 'malformed-json'],
    ['broken UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'malformed-encoding'],
    ['1 MiB and a byte', `{"name":"${'x'.repeat(MIB - 10)}"}`, 413, 'payload-too-large'],
    ['5,000 levels', '['.repeat(5000) + ']'.repeat(5000), 422, 'too-deep'],
    [
      '100,000 keys',
      `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":1`).join()}}`,
      422,
      'too-many-properties',
    ],
    ['__proto__', '{"\\u005f_proto__":{"admin":true}}', 400, 'forbidden-key'],
    ['constructor.prototype', '{"parts":[{"constructor":{"prototype":1}}]}', 400, 'forbidden-key'],
    ['a repeated key', '{"cost_cents":1,"cost_cents":-5}', 422, 'duplicate-key'],
    ['NUL', '{"name":"a\\u0000"}', 422, 'invalid-characters'],
    ['a lone surrogate', '{"name":"\\ud800"}', 422, 'invalid-characters'],
    ['1e400', '{"cost_cents":1e400}', 422, 'out-of-range'],
    ['2^53 + 1', '{"cost_cents":9007199254740993}', 422, 'out-of-range'],
    ['an unknown property', '{"user_id":"x"}', 422, 'unknown-property'],
    ['an array', '[]', 422, 'validation-failed'],
    ['text', '"x"', 422, 'validation-failed'],
  ] as const)('of %s is refused', async (_name, body, status, code) => {
    expectProblem(await post(body), status, code);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it.each([
    ['"5"', 'type'],
    ['true', 'type'],
    ['[5]', 'type'],
    ['{}', 'type'],
    ['-1', 'out-of-range'],
    ['1.5', 'out-of-range'],
    ['2147483648', 'out-of-range'],
  ])('with the cost %s is refused for its %s', async (cost, code) => {
    const answer = await post(`{"cost_cents":${cost}}`);
    expectProblem(answer, 422, 'validation-failed');
    expect(answer.json['errors']).toMatchObject([{ pointer: '#/cost_cents', code }]);
  });

  it.each([
    'infinity',
    'now',
    '2026-02-30T00:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+99:99',
    '1767225600',
  ])('with the time %s is refused for its format', async (time) => {
    const answer = await post(`{"run_at":"${time}"}`);
    expectProblem(answer, 422, 'validation-failed');
    expect(answer.json['errors']).toMatchObject([{ pointer: '#/run_at', code: 'format' }]);
  });

  it('is told every fault, each with where it is', async () => {
    const answer = await post('{"name":7,"parts":[{"label":"long label"},{"x/y":1},3],"extra":1}');
    expectProblem(answer, 422, 'validation-failed');
    const errors = answer.json['errors'] as { pointer: string; code: string }[];
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`).sort()).toEqual([
      '#/extra unknown-property',
      '#/name type',
      '#/parts/0/label length',
      '#/parts/1/label required',
      '#/parts/1/x~1y unknown-property',
      '#/parts/2 type',
    ]);
  });

  it('is read as it was sent', async () => {
    const body = {
      name: 'a\u202eb é 😀',
      cost_cents: 2_147_483_647,
      run_at: '2026-01-31T12:00:00.5+02:00',
      parts: [{ label: 'x' }],
    };
    const answer = await post(JSON.stringify(body), [
      'Content-Type: Application/JSON ; charset="UTF-8"',
      'Idempotency-Key: "a b"',
    ]);
    expect(answer).toMatchObject({ status: 201, json: { body, key: 'a b' } });
    expect(answer.json['request_id']).toBe(answer.headers['x-request-id']);
  });

  it.each([
    ['text/plain', ['Content-Type: text/plain']],
    ['no type', []],
    ['two types', [JSON_TYPE, JSON_TYPE]],
    ['a tab and more', ['Content-Type: application/json\ta']],
    ['garbage after the type', ['Content-Type: application/json garbage']],
    ['a comma', ['Content-Type: application/json, text/plain']],
    ['another charset', ['Content-Type: application/json; charset=utf-7']],
    ['an unknown parameter', ['Content-Type: application/json; x=1']],
    ['a form', ['Content-Type: application/x-www-form-urlencoded']],
    ['XML', ['Content-Type: application/xml']],
  ])('with %s is 415', async (_name, headers) => {
    expectProblem(await post('{}', headers), 415, 'unsupported-media-type');
  });

  it.each(['gzip', 'br', 'identity, gzip'])('that is compressed by %s is 415', async (encoding) => {
    expectProblem(
      await post('{}', [JSON_TYPE, `Content-Encoding: ${encoding}`]),
      415,
      'unsupported-encoding',
    );
  });

  it('may be of a type that ends in +json', async () => {
    expect((await post('{}', ['Content-Type: application/merge-patch+json'])).status).toBe(201);
  });

  it('labelled as a form is read as JSON on the routes that are listed, and nowhere else', async () => {
    const form = ['Content-Type: application/x-www-form-urlencoded'];
    const answer = await asUser('POST', '/api/generate/text-to-image', form, '{"name":"A sunset"}');
    expect(answer).toMatchObject({ status: 201, json: { name: 'A sunset' } });
    expectProblem(await asUser('POST', '/api/generate/text-to-image', form, 'name=x'), 400, 'malformed-json');
  });

  it('of a batch may be larger, up to its own limit', async () => {
    const items = `{"items":[${Array.from({ length: 10_000 }, () => `"${'x'.repeat(200)}"`).join()}]}`;
    expect((await asUser('POST', '/v1/jobs/batch', [JSON_TYPE], items)).json).toEqual({ items: 10_000 });
    const tooLarge = [JSON_TYPE, `Content-Length: ${16 * MIB + 1}`];
    expectProblem(await asUser('POST', '/v1/jobs/batch', tooLarge, '{'), 413, 'payload-too-large');
  });

  it('that claims to be endless is refused at once', async () => {
    expectProblem(await post('{', [JSON_TYPE, 'Content-Length: 10000000000']), 413, 'payload-too-large');
  });

  it('that comes in chunks is counted too', async () => {
    const chunk = `${(MIB + 1).toString(16)}\r\n${'x'.repeat(MIB + 1)}\r\n0\r\n\r\n`;
    expectProblem(await post(chunk, [JSON_TYPE, 'Transfer-Encoding: chunked']), 413, 'payload-too-large');
  });

  it('that never arrives is given up', async () => {
    expectProblem(await post('{', [JSON_TYPE, 'Content-Length: 10']), 408, 'request-timeout');
  });
});

describe('bytes on the socket', () => {
  const get = 'GET /v1/things HTTP/1.1\r\nHost: x\r\n';
  it.each([
    ['garbage', '\x00\x01\x02 hello\r\n\r\n', 400, 'bad-request'],
    ['an unknown verb', 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad-request'],
    ['no Host', 'GET /v1/things HTTP/1.1\r\n\r\n', 400, 'bad-request'],
    ['two lengths', `${get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400, 'bad-request'],
    [
      'a length and chunks',
      `${get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
      'bad-request',
    ],
    ['a folded header', `${get}X: a\r\n b\r\n\r\n`, 400, 'bad-request'],
    ['a header without a colon', `${get}X\r\n\r\n`, 400, 'bad-request'],
    ['a header of 17 KB', `${get}X: ${'a'.repeat(17_000)}\r\n\r\n`, 431, 'headers-too-large'],
    ['3,000 headers', `${get}${'X-A: bbbb\r\n'.repeat(3000)}\r\n`, 431, 'headers-too-large'],
    ['headers that never end', get, 408, 'request-timeout'],
    [
      'a target at another server',
      'GET http://evil/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      404,
      'not-found',
    ],
  ])('with %s are answered by a problem', async (_name, bytes, status, code) => {
    expectProblem(await exchange(port, bytes), status, code);
  });
});
