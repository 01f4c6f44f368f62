import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { JWTVerifyGetKey } from 'jose';
import { remoteKeys } from './remote-keys';

const TIMEOUT_MS = 150;
const MINUTES = 60_000;

/** A public key as a key set has it. */
const publicKey = (kid: string, change: object = {}): object => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  ...{ kid, alg: 'ES256', use: 'sig' },
  ...change,
});
const [ONE, TWO] = [publicKey('one'), publicKey('two')];
const answering =
  (body: string | Buffer, status = 200, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
const keySet = (...keys: readonly object[]): RequestListener => answering(JSON.stringify({ keys }));

let server: Server;
let url: string;
let issuer: RequestListener;
let asked: (string | undefined)[];
let keys: JWTVerifyGetKey;
let elapsed: number;
let clock: jest.SpyInstance;

beforeEach(async () => {
  issuer = keySet(ONE);
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url);
    issuer(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  keys = remoteKeys(url, TIMEOUT_MS);
  const began = Date.now();
  elapsed = 0;
  clock = jest.spyOn(Date, 'now').mockImplementation(() => began + elapsed);
});
afterEach(async () => {
  clock.mockRestore();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const keyOf = async (kid?: string): Promise<unknown> =>
  keys({ alg: 'ES256', kid }, { payload: '', signature: '' });
const unavailable = { code: 'service-unavailable', status: 503, headers: { 'retry-after': '1' } };
const unknown = { code: 'ERR_JWKS_NO_MATCHING_KEY' };

const FAULTS: readonly (readonly [string, RequestListener])[] = [
  ['says nothing', () => undefined],
  ['begins an answer and stalls', (_request, response) => void response.write('{"keys":[')],
  ['hangs up', (request) => request.socket.destroy()],
  ['is not found', answering('', 404)],
  ['redirects', answering('', 302, { location: '/elsewhere' })],
  ['has nothing to say', answering('', 204)],
  ['answers null', answering('null')],
  ['answers a list', answering(JSON.stringify([ONE]))],
  ['answers keys that are no list', answering(JSON.stringify({ keys: { one: ONE } }))],
  ['answers keys that are no objects', answering('{"keys":[1]}')],
  ['answers half a document', answering(JSON.stringify({ keys: [ONE] }).slice(0, -3))],
  ['answers 300,000 levels', answering(`{"keys":[],"x":${'['.repeat(300_000)}${']'.repeat(300_000)}}`)],
  [
    'answers 8 MiB in a few compressed bytes',
    answering(gzipSync(`{"keys":[]}${' '.repeat(8 * 1024 * 1024)}`), 200, { 'content-encoding': 'gzip' }),
  ],
];

describe('A18 an endpoint of keys that', () => {
  it.each(FAULTS)('%s from the start: nobody is let in, and it is asked once a second', async (_, fault) => {
    issuer = fault;
    const answers = await Promise.allSettled([keyOf('one'), keyOf('one'), keyOf('two')]);
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: unavailable });
    elapsed = 999;
    await expect(keyOf('one')).rejects.toMatchObject(unavailable);
    expect(asked).toEqual(['/keys']);

    issuer = keySet(ONE);
    elapsed = 1_000;
    await expect(keyOf('one')).resolves.toMatchObject({ type: 'public' });
    expect(asked).toEqual(['/keys', '/keys']);
  });

  it.each(FAULTS)('%s later: its last keys serve, and it is asked every 30 s', async (_, fault) => {
    await keyOf('one');
    issuer = fault;
    elapsed = 11 * MINUTES;
    for (let n = 0; n < 3; n++) {
      await expect(keyOf('one')).resolves.toMatchObject({ type: 'public' });
      await expect(keyOf('two')).rejects.toMatchObject(unknown);
    }
    expect(asked).toHaveLength(2);

    issuer = keySet(TWO);
    elapsed += 30_000;
    await expect(keyOf('two')).resolves.toMatchObject({ type: 'public' });
    await expect(keyOf('one')).rejects.toMatchObject(unknown);
    expect(asked).toHaveLength(3);
  });

  it('cannot be reached: nobody is let in until it can', async () => {
    const { port } = new URL(url);
    await new Promise((done) => server.close(done));
    await expect(keyOf('one')).rejects.toMatchObject(unavailable);
    await new Promise<void>((done) => server.listen(Number(port), '127.0.0.1', done));
    elapsed = 1_000;
    await expect(keyOf('one')).resolves.toMatchObject({ type: 'public' });
  });

  it('changes its keys is asked for a new one at once, where the last look is 30 s ago', async () => {
    await keyOf('one');
    issuer = keySet(ONE, TWO);
    elapsed = 29_999;
    await expect(keyOf('two')).rejects.toMatchObject(unknown);
    expect(asked).toHaveLength(1);
    elapsed = 30_000;
    await expect(keyOf('two')).resolves.toMatchObject({ type: 'public' });
    expect(asked).toHaveLength(2);
  });

  it('withdraws a key is believed after 10 minutes', async () => {
    await keyOf('one');
    issuer = keySet(TWO);
    elapsed = 10 * MINUTES - 1;
    await expect(keyOf('one')).resolves.toMatchObject({ type: 'public' });
    elapsed = 10 * MINUTES;
    await expect(keyOf('one')).rejects.toMatchObject(unknown);
  });

  it('is asked once, however many tokens name keys of their own', async () => {
    await keyOf('one');
    elapsed = 30_000;
    const answers = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => keyOf(`own-${n}`)));
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: unknown });
    expect(asked).toHaveLength(2);
  });

  it('has a key that is none: the others serve, and new ones are seen as soon as ever', async () => {
    issuer = keySet(ONE, publicKey('broken', { x: 'AA' }));
    await expect(keyOf('broken')).rejects.not.toMatchObject(unavailable);
    await expect(keyOf('one')).resolves.toMatchObject({ type: 'public' });
    elapsed = 29_999;
    await expect(keyOf('broken')).rejects.not.toMatchObject(unavailable);
    issuer = keySet(TWO);
    elapsed = 30_000;
    await expect(keyOf('two')).resolves.toMatchObject({ type: 'public' });
  });

  it.each([
    ['two keys of one name', [ONE, publicKey('one')], 'one'],
    ['a key that is for encryption', [publicKey('one', { use: 'enc' })], 'one'],
    ['a key of another algorithm', [publicKey('one', { alg: 'ES384' })], 'one'],
    ['a shared secret', [{ kty: 'oct', k: 'c2VjcmV0', kid: 'one', alg: 'HS256' }], 'one'],
    ['no key at all', [], 'one'],
    ['two keys, and the token names none', [ONE, TWO], undefined],
  ])('has %s verifies nothing by it', async (_, published, kid) => {
    issuer = keySet(...published);
    await expect(keyOf(kid)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_JWKS_/) as string });
  });
});
