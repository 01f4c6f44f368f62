import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import { ALICE, Caller, startApp, TestApp } from './support/app';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

let app: TestApp;
let alice: Caller;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
  alice = await app.as(ALICE);
});
afterAll(() => app.close());

const JSON_TYPE = 'Content-Type: application/json';
const bearer = (): string => `Authorization: Bearer ${alice.token}`;

/** Whatever is done, nothing is written. */
async function inVain(attack: () => Promise<void>): Promise<void> {
  const before = await writtenRows(app.superuser);
  await attack();
  expect(await writtenRows(app.superuser)).toEqual(before);
}

const expectRefused = (bytes: string, status: number, code: string): Promise<void> =>
  inVain(async () => expectProblem(await exchange(app.port, bytes), status, code));

describe('B9 a message that two readers would read differently', () => {
  const smuggled = (): string =>
    `POST /v1/jobs HTTP/1.1\r\nHost: x\r\n${bearer()}\r\n${JSON_TYPE}\r\nContent-Length: 12\r\n\r\n{"mode":"x"}`;
  const post = (...headers: readonly string[]): string =>
    ['POST /v1/jobs HTTP/1.1', bearer(), JSON_TYPE, ...headers, '', ''].join('\r\n');

  it.each<[string, () => string]>([
    [
      'a length and chunks',
      () => `${post('Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    ],
    [
      'chunks and a length',
      () => `${post('Host: x', 'Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`,
    ],
    ['two lengths', () => post('Host: x', 'Content-Length: 0', 'Content-Length: 12')],
    ['two equal lengths', () => post('Host: x', 'Content-Length: 0', 'Content-Length: 0')],
    ['lengths in one line', () => post('Host: x', 'Content-Length: 0, 12')],
    ['a signed length', () => post('Host: x', 'Content-Length: +0')],
    ['a negative length', () => post('Host: x', 'Content-Length: -1')],
    ['a length in hexadecimal', () => post('Host: x', 'Content-Length: 0x0')],
    ['a coding that is none', () => post('Host: x', 'Transfer-Encoding: xchunked')],
    ['chunks that are not the last coding', () => post('Host: x', 'Transfer-Encoding: chunked, identity')],
    ['a space before the colon', () => post('Host: x', 'Transfer-Encoding : chunked')],
    ['a folded line', () => post('Host: x', 'X: a', ' Content-Length: 5')],
    ['a line that ends in LF alone', () => post('Host: x', 'X: a\nContent-Length: 12')],
    ['a chunk of a size that is none', () => `${post('Host: x', 'Transfer-Encoding: chunked')}zz\r\n\r\n`],
    ['no Host', () => post('Content-Length: 0')],
    ['two Hosts', () => post('Host: x', 'Host: y', 'Content-Length: 0')],
    ['an empty Host', () => post('Host:', 'Content-Length: 0')],
    ['a Host with a path', () => post('Host: x/../y', 'Content-Length: 0')],
    ['a Host with a user', () => post('Host: x@evil.example', 'Content-Length: 0')],
    ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version that is none', () => 'GET /v1/jobs HTTP/9.9\r\nHost: x\r\n\r\n'],
  ])('with %s is 400, and what follows on the connection is not carried out', (_, message) =>
    inVain(async () => {
      const answer = await exchange(app.port, message() + smuggled());
      expectProblem(answer, 400, 'bad-request');
      expect(answer.headers['connection']).toBe('close');
    }),
  );

  it('with a length that ends within the body is read up to there', () =>
    expectRefused(
      `${post('Host: x', 'Connection: close', 'Content-Length: 5')}{"mode":"x"}`,
      400,
      'malformed-json',
    ));

  it('with extensions of chunks without end is 413', () =>
    expectRefused(
      `${post('Host: x', 'Transfer-Encoding: chunked')}c;${'x'.repeat(20_000)}\r\n{"mode":"x"}\r\n0\r\n\r\n`,
      413,
      'payload-too-large',
    ));

  it('with an expectation that nobody can meet is 417', () =>
    expectRefused(post('Host: x', 'Expect: miracles', 'Content-Length: 0'), 417, 'expectation-failed'));

  // To be told 400 would be a lie: the job is queued.
  it('that is garbage is not answered in the place of the request before it', async () => {
    const whole = requestBytes('POST', '/v1/jobs', [bearer(), JSON_TYPE], '{"mode":"pipelined"}')
      .toString()
      .replace('Connection: close\r\n', '');
    for (const garbage of ['garbage\r\n\r\n', 'GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n']) {
      const answer = await exchange(app.port, whole + garbage);
      expect(answer).toMatchObject({
        status: 201,
        json: { mode: 'pipelined' },
        headers: { connection: 'close' },
      });
    }
  });

  it('that comes after the last one of its connection is not carried out', () =>
    inVain(async () => {
      const last = requestBytes('GET', '/v1/jobs', [bearer()]);
      expect((await exchange(app.port, last.toString() + smuggled())).status).toBe(200);
    }));
});
