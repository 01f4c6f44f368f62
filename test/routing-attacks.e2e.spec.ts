import { newId } from '@genledger/platform';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import type { Answer } from '../libs/platform/src/testing/http-exchange';
import { ALICE, BOB, Caller, startApp, TestApp } from './support/app';
import { Operation, operationsOf, pathWith } from './support/operations';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

let app: TestApp;
let alice: Caller;
let jobId: string;
let operations: readonly Operation[];
const lines: string[] = [];
beforeAll(async () => {
  app = await startApp({
    env: { GENLEDGER_ROLES: 'api', LOG_LEVEL: 'trace' },
    log: (line) => lines.push(line),
  });
  alice = await app.as(ALICE);
  jobId = (await alice.post('/v1/jobs', { mode: 'x' })).body.id as string;
  operations = (await operationsOf(app.port)).map((operation) => ({
    ...operation,
    path: pathWith(operation.path, jobId),
  }));
});
afterAll(() => app.close());

type Row = readonly [name: string, bytes: Buffer | string, status: number, code: string];

const JSON_TYPE = 'Content-Type: application/json';
const bearer = (): string => `Authorization: Bearer ${alice.token}`;
const ask = (method: string, path: string, headers: readonly string[] = []): Promise<Answer> =>
  exchange(app.port, requestBytes(method, path, headers));
const asAlice = (method: string, path: string, headers: readonly string[] = []): Promise<Answer> =>
  ask(method, path, [bearer(), ...headers]);

/** Whatever is done, nothing is written. */
async function inVain(attack: () => Promise<void>): Promise<void> {
  const before = await writtenRows(app.superuser);
  await attack();
  expect(await writtenRows(app.superuser)).toEqual(before);
}

const expectRefused = ([, bytes, status, code]: Row): Promise<void> =>
  inVain(async () => expectProblem(await exchange(app.port, bytes), status, code));

describe('B1 another spelling of a path', () => {
  const encoded = (path: string): string =>
    path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`);

  const CODES: Readonly<Record<number, string>> = {
    400: 'bad-request',
    401: 'authentication-required',
    404: 'not-found',
  };

  it.each<[string, (path: string) => string, number]>([
    ['a letter in percent', encoded, 401],
    ['a question mark', (path) => `${path}?`, 401],
    ['a fragment', (path) => `${path}#x`, 401],
    ['an absolute target', (path) => `http://evil.example${path}`, 401],
    ['two slashes', (path) => `/${path}`, 404],
    ['two slashes within', (path) => path.replace(/(.)\//, '$1//'), 404],
    ['a slash after it', (path) => `${path}/`, 404],
    ['two slashes after it', (path) => `${path}//`, 404],
    ['capitals', (path) => path.toUpperCase(), 404],
    ['a dot', (path) => `/.${path}`, 404],
    ['two dots', (path) => `/x/..${path}`, 404],
    ['a backslash', (path) => path.replace('/', '\\'), 400],
  ])('with %s lets nobody past', (_, spell, status) =>
    inVain(async () => {
      for (const { method, path, isPublic, name } of operations) {
        if (isPublic) continue;
        const answer = await ask(method, spell(path));
        expect({ name, status: answer.status }).toEqual({ name, status });
        expectProblem(answer, status, CODES[status]!);
      }
    }),
  );

  // To a path that ends in an id they belong to the id, and the first question is who asks for it. `batch` becomes an id,
  // and there is nothing to POST to one.
  it.each(['%00', '%2f', ';x=1', '.json'])('with %s after it lets nobody past', (suffix) =>
    inVain(async () => {
      for (const { method, path, isPublic, name } of operations) {
        if (isPublic) continue;
        const { status } = await ask(method, `${path}${suffix}`);
        const expected = path.endsWith(jobId) ? 401 : path.endsWith('/batch') ? 405 : 404;
        expect({ name, status }).toEqual({ name, status: expected });
      }
    }),
  );

  it('is kept by caches no more than the usual one', async () => {
    for (const path of [`/v1/jobs/${jobId}`, `/%761/jobs/${jobId}`, `http://evil.example/v1/jobs/${jobId}`]) {
      const { status, headers } = await asAlice('GET', path);
      expect(status).toBe(200);
      expect(headers).toMatchObject({ 'cache-control': 'private, no-store', vary: 'Authorization' });
    }
  });
});

describe('another method', () => {
  it('B2 HEAD asks for credentials as GET does, and has no body', () =>
    inVain(async () => {
      for (const { method, path, isPublic } of operations) {
        if (method !== 'GET' || isPublic) continue;
        expect(await ask('HEAD', path)).toMatchObject({ status: 401, text: '' });
      }
    }));

  it('B3 OPTIONS says what there is, and lets no other site in', async () => {
    const preflight = ['Origin: https://evil.example', 'Access-Control-Request-Method: POST'];
    const answers = [
      await ask('OPTIONS', '/v1/jobs', preflight),
      await asAlice('GET', '/v1/jobs', ['Origin: null']),
      await asAlice('GET', '/v1/jobs', ['Origin: https://evil.example', 'Cookie: session=x']),
    ];
    expectProblem(answers[0]!, 405, 'method-not-allowed');
    expect(answers[0]!.headers['allow']).toBe('GET, HEAD, POST');
    for (const { headers } of answers)
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  it.each(['TRACE', 'PROPFIND', 'PURGE', 'LOCK', 'PUT', 'DELETE'])('B4 %s is 405', (method) =>
    inVain(async () => {
      for (const headers of [[], [bearer()]]) {
        const answer = await ask(method, '/v1/jobs', headers);
        expectProblem(answer, 405, 'method-not-allowed');
        expect(answer.headers['allow']).toBe('GET, HEAD, POST');
      }
    }),
  );

  it('B4 CONNECT is 405, as no method makes a tunnel here', () =>
    inVain(async () => {
      const answer = await exchange(
        app.port,
        'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n',
      );
      expectProblem(answer, 405, 'method-not-allowed');
      expect(answer.headers['allow']).toBe('');
    }));

  it.each(['FROB', 'get', 'G\u0000T'])('B4 %j is no method', (method) =>
    expectRefused(['', requestBytes(method, '/v1/jobs', [bearer()]), 400, 'bad-request']),
  );

  it('B4 a header, a query or a body that names another method is no method', () =>
    inVain(async () => {
      for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])
        expect((await asAlice('GET', `/v1/jobs/${jobId}`, [`${name}: DELETE`])).status).toBe(200);
      expectProblem(await asAlice('GET', `/v1/jobs/${jobId}?_method=DELETE`), 422, 'unknown-parameter');
    }));

  it('B4 an upgrade is not taken up', async () => {
    const headers = [
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==',
    ];
    expectProblem(await ask('GET', '/v1/jobs', headers), 401, 'authentication-required');
    expect((await asAlice('GET', '/v1/jobs', headers)).status).toBe(200);
  });
});

describe('B5 what anonymous callers can reach', () => {
  it.each([
    ...['/health/live', '/health/ready', '/openapi.json', '/docs'].map((path) => [path, 200, ''] as const),
    ...[
      ...['/', '/v1', '/api', '/admin', '/admin/jobs', '/metrics', '/health', '/health/details', '/queues'],
      ...['/debug/pprof', '/graphql', '/docs-json', '/docs-yaml', '/openapi.yaml', '/server-status'],
      ...['/.env', '/.git/config', '/package.json', '/robots.txt'],
      ...['/docs/..%2f..%2fpackage.json', '/docs/%2fetc%2fpasswd'],
    ].map((path) => [path, 404, 'not-found'] as const),
    ...['/docs/../package.json', '/docs/%2e%2e/package.json', '/docs/..%5cpackage.json'].map(
      (path) => [path, 403, 'forbidden'] as const,
    ),
  ])('%s: %i', async (path, status, code) => {
    const answer = await ask('GET', path);
    if (status === 200) expect(answer.status).toBe(200);
    else expectProblem(answer, status, code);
  });

  it('is this operation, and no other of the document', () => {
    const names = operations.filter(({ isPublic }) => isPublic).map(({ name }) => name);
    expect(names).toEqual(['GET /v1/uploads/{id}/content']);
  });
});

describe('B6 a header that a proxy would set', () => {
  it('makes nobody another user', async () => {
    const headers = [
      `X-User-Id: ${BOB}`,
      `X-Forwarded-User: ${BOB}`,
      'X-Role: admin',
      'X-Original-URL: /v1/feed',
    ];
    expectProblem(await ask('GET', '/v1/jobs', headers), 401, 'authentication-required');
    const { json } = await asAlice('GET', `/v1/jobs/${jobId}`, headers);
    expect(json).toMatchObject({ id: jobId, user_id: ALICE });
  });

  it('changes neither the links of an answer nor the address in the log', async () => {
    const headers = [
      ...['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'Forwarded: host=evil.example'],
      ...['X-Forwarded-For: 203.0.113.7', 'X-Real-IP: 203.0.113.7'],
    ];
    const { text } = await asAlice('GET', `/v1/jobs/${jobId}`, headers);
    expect(text).not.toMatch(/evil\.example|https:/);
    lines.length = 0;
    expectProblem(await ask('GET', '/v1/jobs', headers), 401, 'authentication-required');
    const [refusal] = lines.filter((line) => line.includes('authentication-required'));
    expect(JSON.parse(refusal ?? '{}')).toMatchObject({ status: 401, ip: '127.0.0.1' });
    expect(lines.join('')).not.toContain('203.0.113.7');
  });
});

describe('a target', () => {
  it.each([
    ['/v1/jobs/%zz', 400, 'malformed-url'],
    ['/v1/jobs/%e0%a4%a', 400, 'malformed-url'],
    ['/v1/jobs/%ff', 400, 'malformed-url'],
    [`/v1/jobs/${'a'.repeat(101)}`, 414, 'uri-too-long'],
    [`/v1/jobs?mode=${'a'.repeat(20_000)}`, 431, 'headers-too-large'],
    [`/${'a'.repeat(20_000)}`, 431, 'headers-too-large'],
  ])('B7 %.40s is refused, whoever asks', async (path, status, code) => {
    await expectRefused(['', requestBytes('GET', path, [bearer()]), status, code]);
    await expectRefused(['', requestBytes('GET', path, []), status, code]);
  });

  it.each(['..%2f..%2fetc%2fpasswd', '..%5c..%5cetc', 'a%00b', '%2e%2e', '*', "'%20or%201=1--", '%7B%7D'])(
    'B8 with the id %s names nothing',
    (id) =>
      inVain(async () => {
        for (const { method, path, isPublic, name } of operations) {
          if (isPublic || !path.includes(jobId) || method === 'POST' || method === 'PATCH') continue;
          const answer = await asAlice(method, path.replace(jobId, id));
          expect({ name, status: answer.status }).toEqual({ name, status: 404 });
          expectProblem(answer, 404, 'not-found');
        }
        expectProblem(await ask('GET', `/v1/uploads/${id}/content`), 403, 'invalid-signature');
      }),
  );
});

describe('B10 a query', () => {
  it.each([
    [`x=1`, 'unknown-parameter'],
    ['__proto__=x', 'unknown-parameter'],
    ['a[b][c]=1', 'unknown-parameter'],
    ['constructor[prototype][admin]=1', 'unknown-parameter'],
    ['user_id=22222222-2222-4222-8222-222222222222', 'unknown-parameter'],
  ])('?%s is refused by every operation', (query, code) =>
    inVain(async () => {
      for (const { method, path, isPublic, name } of operations) {
        if (isPublic) continue;
        const body = method === 'POST' || method === 'PATCH' ? '{}' : undefined;
        const headers = body === undefined ? [bearer()] : [bearer(), JSON_TYPE];
        const bytes = requestBytes(method, `${path.replace(jobId, newId())}?${query}`, headers, body);
        const answer = await exchange(app.port, bytes);
        expect({ name, code: answer.json['code'] }).toEqual({ name, code });
        expect(answer.status).toBe(422);
      }
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    }),
  );

  it.each(['limit=1&limit=9', 'limit=1&limit=1', 'limit=9&limit[]=1'])(
    '?%s is refused by every list',
    (query) =>
      inVain(async () => {
        for (const path of ['/v1/jobs', '/v1/uploads', '/v1/projects', '/v1/assets'])
          expect((await asAlice('GET', `${path}?${query}`)).status).toBe(422);
      }),
  );
});
