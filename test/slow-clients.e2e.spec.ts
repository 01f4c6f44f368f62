import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import { ALICE, Caller, startApp, TestApp } from './support/app';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

/** Node looks for late requests every half of the shorter one. */
const HEADERS_MS = 250;
const REQUEST_MS = 400;
const MAX_CONNECTIONS = 8;

let app: TestApp;
let alice: Caller;
let sockets: Socket[];
beforeAll(async () => {
  app = await startApp({
    env: { GENLEDGER_ROLES: 'api' },
    http: { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, maxConnections: MAX_CONNECTIONS },
  });
  alice = await app.as(ALICE);
});
beforeEach(() => (sockets = []));
afterEach(() => sockets.forEach((socket) => socket.destroy()));
afterAll(() => app.close());

async function dial(): Promise<Socket> {
  const socket = connect(app.port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the server closes the connection. */
async function restOf(socket: Socket): Promise<string> {
  let received = '';
  for await (const chunk of socket.setEncoding('utf8')) received += chunk as string;
  return received;
}

/** What comes until it matches; the socket stays open. */
async function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  let received = '';
  while (!pattern.test(received)) received += String((await once(socket, 'data'))[0]);
  return received;
}

const head = (method: string, path: string, ...headers: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${alice.token}`, ...headers, ''].join(
    '\r\n',
  );
const post = (path: string, type: string, body: string): string =>
  `${head('POST', path, `Content-Type: ${type}`, 'Content-Length: 1000')}\r\n${body}`;
const FILE =
  '--b\r\ncontent-disposition: form-data; name="file"; filename="x.png"\r\ncontent-type: image/png\r\n\r\n';

it.each<[string, () => string]>([
  ['H1 says nothing', () => ''],
  ['H1 stops within its headers', () => head('GET', '/v1/jobs')],
  ['H1 stops within its first line', () => 'GET /v1/jo'],
  ['H2 stops within a body of JSON', () => post('/v1/jobs', 'application/json', '{"mode":"x"')],
  ['H2 stops before its body', () => post('/v1/jobs', 'application/json', '')],
  [
    'H2 stops within a chunk',
    () =>
      `${head('POST', '/v1/jobs', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}\r\n5\r\n{"m`,
  ],
  ['H2 stops within a file', () => post('/v1/uploads', 'multipart/form-data; boundary=b', `${FILE}half`)],
  ['H2 stops before a batch', () => post('/v1/jobs/batch', 'application/json', '{"jobs":[')],
])('%s: 408, and nothing is written', async (_, message) => {
  const before = await writtenRows(app.superuser);
  const began = performance.now();
  const answer = await exchange(app.port, message());
  expectProblem(answer, 408, 'request-timeout');
  expect(answer.headers['connection']).toBe('close');
  // By far sooner than without these limits.
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await writtenRows(app.superuser)).toEqual(before);
});

it.each<[string, () => readonly string[]]>([
  ['H1 sends its headers byte by byte', () => [...head('GET', '/v1/jobs', `X: ${'x'.repeat(10_000)}`)]],
  ['H2 sends its body byte by byte', () => [post('/v1/jobs', 'application/json', ''), ...'{'.padEnd(999)]],
])('%s: 408 all the same', async (_, pieces) => {
  const socket = await dial();
  socket.setNoDelay(true);
  const rest = [...pieces()];
  const trickle = setInterval(() => socket.writable && socket.write(rest.shift() ?? ''), 5);
  try {
    expect(await restOf(socket)).toMatch(/^HTTP\/1\.1 408 /);
    expect(rest.length).toBeGreaterThan(0);
  } finally {
    clearInterval(trickle);
  }
});

describe('H2 a body that stops', () => {
  it('behind an answer that has begun cuts this off, and puts nothing into it', async () => {
    const socket = await dial();
    const headers = ['Accept: text/event-stream', 'Content-Type: application/json', 'Content-Length: 10'];
    socket.write(`${head('GET', '/v1/feed', ...headers)}\r\n`);
    const received = await restOf(socket);
    expect(received).toMatch(/^HTTP\/1\.1 200 /);
    expect(received).not.toMatch(/408|problem/);
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('behind an answer that was given early brings no other one', async () => {
    const socket = await dial();
    socket.write(post('/v1/jobs', 'text/plain', 'half'));
    expect((await restOf(socket)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 415']);
  });

  it('is no answer to the request before it: this is answered, then the connection ends', async () => {
    const { body: job } = await alice.post('/v1/jobs', { mode: 'x' });
    const socket = await dial();
    // It waits for the end of the job for longer than the second one has.
    const waiting = `${head('GET', `/v1/jobs/${job.id}`, 'Prefer: wait=60')}\r\n`;
    socket.write(waiting + post('/v1/jobs', 'application/json', '{'));
    const slow = exchange(app.port, post('/v1/jobs', 'application/json', '{'));
    expectProblem(await slow, 408, 'request-timeout');
    await alice.post(`/v1/jobs/${job.id}/cancel`);
    const received = await restOf(socket);
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
    expect(received).toContain('"status":"canceled"');
  });
});

describe('H3 more connections than there is room for', () => {
  const alive = requestBytes('GET', '/health/live', []);
  const REST = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
  const crowd = (message: string, length = MAX_CONNECTIONS): Promise<Socket[]> =>
    Promise.all(
      Array.from({ length }, async () => {
        const socket = await dial();
        socket.write(message);
        if (message !== '') await readUntil(socket, /"ok"/);
        return socket;
      }),
    );

  it('that rest between requests make room for the next one but one', async () => {
    const resting = await crowd(REST);
    const closed = resting.map((socket) => once(socket, 'close'));
    expect(await restOf(await dial())).toBe('');
    await Promise.all(closed);
    expect((await exchange(app.port, alive)).status).toBe(200);
  });

  it('that have not asked for anything yet make room when their time is up', async () => {
    const silent = await crowd('');
    expect(await restOf(await dial())).toBe('');
    const answers = await Promise.all(silent.map(restOf));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect((await exchange(app.port, alive)).status).toBe(200);
  });

  it('do not end those that wait for an answer', async () => {
    const { body: job } = await alice.post('/v1/jobs', { mode: 'x' });
    const waiting = await dial();
    waiting.write(`${head('GET', `/v1/jobs/${job.id}`, 'Prefer: wait=60', 'Connection: close')}\r\n`);
    const resting = await crowd(REST, MAX_CONNECTIONS - 1);
    const closed = resting.map((socket) => once(socket, 'close'));
    expect(await restOf(await dial())).toBe('');
    await Promise.all(closed);
    await alice.post(`/v1/jobs/${job.id}/cancel`);
    expect(await restOf(waiting)).toContain('"status":"canceled"');
  });
});
