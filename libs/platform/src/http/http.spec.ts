import type { INestApplication } from '@nestjs/common';
import { signToken } from '../identity/sign-token';
import type { Role } from '../identity/actor';
import { exchange, expectProblem, requestBytes } from '../testing/http-exchange';
import type { Answer } from '../testing/http-exchange';
import { health, secret, startFixture } from '../testing/http-fixture';

const userId = '0198c0de-0000-7000-8000-000000000001';
const JSON_TYPE = 'Content-Type: application/json';

let app: INestApplication;
let port: number;
const bearer: Record<string, string> = {};

beforeAll(async () => {
  ({ app, port } = await startFixture());
  for (const role of ['user', 'service', 'worker', 'auditor', 'admin'] as Role[]) {
    const token = await signToken({
      userId,
      role,
      secret,
      issuer: 'genledger',
      audience: 'authenticated',
      ttlSeconds: 60,
    });
    bearer[role] = `Authorization: Bearer ${token}`;
  }
});
afterAll(() => app.close());

const call = (
  method: string,
  path: string,
  headers: readonly string[] = [],
  body?: string | Buffer,
): Promise<Answer> => exchange(port, requestBytes(method, path, headers, body));
const asUser = (
  method: string,
  path: string,
  headers: readonly string[] = [],
  body?: string | Buffer,
): Promise<Answer> => call(method, path, [bearer['user'] ?? '', ...headers], body);

describe('a caller', () => {
  it('who says nothing is asked who they are', async () => {
    const answer = await call('GET', '/v1/things');
    expectProblem(answer, 401, 'authentication-required');
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="genledger"');
  });

  it.each([
    ['Basic', ['Authorization: Basic YTpi'], 'no bearer token'],
    ['an empty token', ['Authorization: Bearer '], 'no bearer token'],
    ['no scheme', ['Authorization: x'], 'no bearer token'],
    ['two tokens in one', ['Authorization: Bearer a.b.c, Bearer d.e.f'], 'no bearer token'],
    ['no signature', ['Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'], 'algorithm'],
    ['nonsense', ['Authorization: Bearer a.b.c'], 'no JSON Web Token'],
  ])('with %s is refused, and told why and how to get a token', async (_name, headers, why) => {
    const answer = await call('GET', '/v1/things', headers);
    expectProblem(answer, 401, 'invalid-token');
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
    expect(answer.json['detail']).toContain(why);
    expect(answer.json['detail']).toContain('"npx genledger token --user');
  });

  it('with two Authorization headers is refused, whichever is good', async () => {
    const good = bearer['user'] ?? '';
    expectProblem(await call('GET', '/v1/things', [good, good]), 401, 'invalid-token');
    expectProblem(await call('GET', '/v1/things', [good, 'authorization: Bearer x']), 401, 'invalid-token');
  });

  it('with a token in the query is refused, also beside a good one', async () => {
    const token = (bearer['user'] ?? '').split(' ')[2] ?? '';
    expectProblem(await call('GET', `/v1/things?access_token=${token}`), 401, 'invalid-token');
    expectProblem(await call('GET', `/v1/things?token=${token}`), 401, 'invalid-token');
    expectProblem(await asUser('GET', `/v1/things?access_token=${token}`), 401, 'invalid-token');
  });

  it('with an expired token is told so', async () => {
    const token = await signToken({
      userId,
      role: 'user',
      secret,
      issuer: 'genledger',
      audience: 'authenticated',
      ttlSeconds: -60,
    });
    expectProblem(await call('GET', '/v1/things', [`Authorization: Bearer ${token}`]), 401, 'token-expired');
  });

  it('with a token of 200 KB is cut off', async () => {
    expectProblem(
      await call('GET', '/v1/things', [`Authorization: Bearer ${'a'.repeat(200_000)}`]),
      431,
      'headers-too-large',
    );
  });

  it('is known by their token', async () => {
    const answer = await asUser('GET', `/v1/things/${userId}`);
    expect(answer).toMatchObject({ status: 200, json: { id: userId, actor: { userId, role: 'user' } } });
  });

  it.each([
    ['user', 'GET', '/v1/things', 200],
    ['user', 'GET', '/v1/admin', 403],
    ['user', 'POST', '/v1/worker/claims', 403],
    ['service', 'POST', '/v1/things', 201],
    ['admin', 'GET', '/v1/admin', 200],
    ['admin', 'POST', '/v1/worker/claims', 403],
    ['auditor', 'GET', '/v1/things', 200],
    ['auditor', 'HEAD', '/v1/things', 200],
    ['auditor', 'POST', '/v1/things', 403],
    ['worker', 'GET', '/v1/things', 403],
    ['worker', 'POST', '/v1/worker/claims', 201],
  ])('as %s that asks %s %s is answered %i', async (role, method, path, status) => {
    const headers = [bearer[role] ?? ''];
    const answer =
      method === 'POST'
        ? await call(method, path, [...headers, JSON_TYPE], '{}')
        : await call(method, path, headers);
    if (status === 403) expectProblem(answer, 403, 'forbidden');
    else expect(answer.status).toBe(status);
  });

  it('needs no token on a public route, and any token does there', async () => {
    expect((await call('GET', '/open?name=x')).json).toEqual({ name: 'x' });
    expect((await call('GET', '/open', ['Authorization: Basic x'])).status).toBe(200);
  });
});

describe('a path', () => {
  const paths = [
    '/%761/things',
    '//v1/things',
    '/v1/things/',
    '/v1/things//',
    '/v1/things;x=1',
    '/V1/THINGS',
    '/v1%2fthings',
  ];
  it.each([...paths, '/./v1/things', '/v1/things?', '/v1/things%00', '//v1//things'])(
    '%s lets nobody past without a token',
    async (path) => {
      for (const method of ['GET', 'HEAD', 'POST'])
        expect([401, 404, 405]).toContain((await call(method, path)).status);
    },
  );

  it('that is not there is 404, with a token and without', async () => {
    expectProblem(await call('GET', '/nowhere'), 404, 'not-found');
    expectProblem(await asUser('POST', '/v1/nowhere', [JSON_TYPE], 'no JSON'), 404, 'not-found');
  });

  it('with another method is 405 and says which are allowed', async () => {
    const answer = await asUser('PUT', '/v1/things', [JSON_TYPE], '{}');
    expectProblem(answer, 405, 'method-not-allowed');
    expect(answer.headers['allow']).toBe('GET, HEAD, POST');
    expect((await call('TRACE', `/v1/things/${userId}`)).headers['allow']).toBe('DELETE, GET, HEAD, PATCH');
  });

  it('is asked about by HEAD only with a token', async () => {
    const answer = await call('HEAD', '/v1/things');
    expect([answer.status, answer.text]).toEqual([401, '']);
  });

  it('is not changed by a header that overrides the method', async () => {
    expect((await asUser('GET', '/v1/things', ['X-HTTP-Method-Override: DELETE'])).status).toBe(200);
  });

  it('with a broken escape is 400, with a huge parameter 414, with a huge query 431', async () => {
    expectProblem(await asUser('GET', '/v1/things/%zz'), 400, 'malformed-url');
    expectProblem(await asUser('GET', `/v1/things/${'a'.repeat(101)}`), 414, 'uri-too-long');
    expectProblem(await asUser('GET', `/v1/things?x=${'a'.repeat(20_000)}`), 431, 'headers-too-large');
  });

  it.each(['..%2f..%2fetc%2fpasswd', 'a%00b', 'x', userId.toUpperCase(), `{${userId}}`])(
    'with the id %s names nothing',
    async (id) => expectProblem(await asUser('GET', `/v1/things/${id}`), 404, 'not-found'),
  );
});

describe('a query', () => {
  it.each([
    ['limit=1&limit=9', 'duplicate-parameter', '#/limit'],
    ['trait[A]=1&trait[A]=2', 'duplicate-parameter', '#/trait%5BA%5D'],
    ['limit[]=1', 'unknown-parameter', '#/limit%5B%5D'],
    ['a[b][c]=1', 'unknown-parameter', '#/a%5Bb%5D%5Bc%5D'],
    ['__proto__=x', 'unknown-parameter', '#/__proto__'],
    ['trait[__proto__]=x', 'unknown-parameter', '#/trait%5B__proto__%5D'],
    ['trait=x', 'unknown-parameter', '#/trait'],
    ['colour=red', 'unknown-parameter', '#/colour'],
    ['limit=0', 'validation-failed', '#/limit'],
    ['limit=-1', 'validation-failed', '#/limit'],
    ['limit=1e9', 'validation-failed', '#/limit'],
    ['limit=101', 'validation-failed', '#/limit'],
    ['limit=abc', 'validation-failed', '#/limit'],
    ['limit=', 'validation-failed', '#/limit'],
    ['limit=0x10', 'validation-failed', '#/limit'],
    ['limit=1.0', 'validation-failed', '#/limit'],
    ['dry_run=1', 'validation-failed', '#/dry_run'],
  ])('%s is refused', async (query, code, pointer) => {
    const answer = await asUser('GET', `/v1/things?${query}`);
    expectProblem(answer, 422, code);
    expect(answer.json['errors']).toMatchObject([{ pointer }]);
  });

  it('is read as its parameters say', async () => {
    const answer = await asUser(
      'GET',
      '/v1/things?limit=100&dry_run=true&trait[Fur%20colour]=red%20&trait[Hat]=',
    );
    expect(answer).toMatchObject({
      status: 200,
      json: { limit: 100, dry_run: true, trait: { 'Fur colour': 'red ', Hat: '' } },
    });
  });

  it('is refused where the route reads none, or reads others', async () => {
    expectProblem(await asUser('GET', `/v1/things/${userId}?limit=1`), 422, 'unknown-parameter');
    expectProblem(await call('GET', '/open?nam=x'), 422, 'unknown-parameter');
    expectProblem(await call('GET', '/open?name=x&name=y'), 422, 'duplicate-parameter');
  });
});

describe('an answer', () => {
  it('tells nothing of what broke inside', async () => {
    expectProblem(await asUser('DELETE', `/v1/things/${userId}`), 500, 'internal-error');
  });

  it('echoes the id of the request where it is safe, and makes one where it is not', async () => {
    expect((await asUser('GET', '/v1/things', ['X-Request-Id: abc-1.2:3'])).headers['x-request-id']).toBe(
      'abc-1.2:3',
    );
    for (const id of ['a b', 'x'.repeat(129), '<script>', 'é']) {
      const made = (await asUser('GET', '/v1/things', [`X-Request-Id: ${id}`])).headers['x-request-id'];
      expect(made).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    }
  });

  it('names the path of the request without its query', async () => {
    expect((await call('GET', '/v1/things?limit=1')).json['instance']).toBe('/v1/things');
  });

  it('is not kept by caches, differs by user, and is not sniffed', async () => {
    for (const answer of [await asUser('GET', '/v1/things'), await call('GET', '/v1/things')]) {
      expect(answer.headers).toMatchObject({
        'cache-control': 'private, no-store',
        vary: 'Authorization',
        'x-content-type-options': 'nosniff',
      });
      expect(answer.headers['x-powered-by']).toBeUndefined();
    }
  });
});

describe('the server', () => {
  it('is alive, and ready or not with the reason', async () => {
    expect(await call('GET', '/health/live')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await call('GET', '/health/ready')).toMatchObject({
      status: 200,
      json: { status: 'ok', checks: ['database'] },
    });
    health.reason = 'no connection';
    const answer = await call('GET', '/health/ready');
    health.reason = undefined;
    expectProblem(answer, 503, 'service-unavailable');
    expect(answer.json['detail']).toBe('database: no connection');
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('describes itself, to programs and to people', async () => {
    const { status, json } = await call('GET', '/openapi.json');
    expect([status, json['openapi'], json['security']]).toEqual([200, '3.1.0', [{ bearer: [] }]]);
    const paths = json['paths'] as Record<string, Record<string, { security?: unknown; responses: object }>>;
    expect(paths['/open']?.['get']?.security).toEqual([]);
    expect(paths['/v1/things']?.['get']?.security).toBeUndefined();
    expect(paths['/v1/things']?.['post']?.responses).toHaveProperty('default');
    expect(json['components']).toHaveProperty('schemas.Problem');
    expect(await call('GET', '/docs')).toMatchObject({ status: 200 });
  });

  it('refuses what comes while it stops', async () => {
    const other = await startFixture();
    other.app.getHttpAdapter().beforeClose?.();
    const answer = await exchange(other.port, requestBytes('GET', '/v1/things', []));
    await other.app.close();
    expectProblem(answer, 503, 'service-unavailable');
    expect(answer.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
  });
});
