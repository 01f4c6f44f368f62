import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { signToken } from './sign-token';
import { TokenCache } from './token-cache';
import { TokenVerifier } from './token-verifier';

const userId = '0198c0de-0000-7000-8000-000000000001';
const secret = 's'.repeat(32);
const trust = { issuer: 'genledger', audience: 'authenticated' };
const token = { ...trust, userId, role: 'user', secret, ttlSeconds: 60 } as const;
const now = (): number => Math.floor(Date.now() / 1000);
const refused = (code: string) => expect.objectContaining({ code, status: 401 }) as Error;

const claims = (change: JWTPayload = {}): JWTPayload => ({
  sub: userId,
  iss: 'genledger',
  aud: 'authenticated',
  exp: now() + 60,
  ...change,
});
const sign = (payload: JWTPayload, header: object = {}): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: 'HS256', ...header }).sign(Buffer.from(secret));
/** A token with any header and signature, however wrong. */
const forge = (header: object, payload: object, key: string | Buffer | undefined): string => {
  const parts = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${parts}.${key === undefined ? '' : createHmac('sha256', key).update(parts).digest('base64url')}`;
};

describe('a token signed with the secret', () => {
  const verifier = new TokenVerifier({ ...trust, secret });

  it.each(['user', 'service', 'worker', 'auditor', 'admin'] as const)(
    'speaks for its user as %s',
    async (role) => {
      await expect(verifier.verify(await signToken({ ...token, role }))).resolves.toEqual({ userId, role });
    },
  );

  it.each<[string, JWTPayload, object?]>([
    ['no role', {}],
    [
      "Supabase's claims",
      {
        role: 'authenticated',
        app_metadata: { provider: 'email' },
        user_metadata: { genledger_role: 'admin' },
      },
    ],
    ['several audiences, ours among them', { aud: ['other', 'authenticated'] }],
    ['the type JWT', {}, { typ: 'JWT' }],
    ['the type at+jwt', {}, { typ: 'at+jwt' }],
    ['a clock 20 s behind ours', { exp: now() - 20 }],
    ['a clock 20 s ahead of ours', { iat: now() + 20, nbf: now() + 20 }],
    ['a key id', {}, { kid: "' OR 1" }],
  ])('is accepted with %s, as a user', async (...[, change, header]) => {
    await expect(verifier.verify(await sign(claims(change), header))).resolves.toEqual({
      userId,
      role: 'user',
    });
  });

  it.each<[string, JWTPayload, object?]>([
    ['no exp', { exp: undefined }],
    ['no aud', { aud: undefined }],
    ['another aud', { aud: 'other' }],
    ['other audiences', { aud: ['other', 'another'] }],
    ['no iss', { iss: undefined }],
    ['another iss', { iss: 'evil' }],
    ['nbf 60 s ahead', { nbf: now() + 60 }],
    ['iat 60 s ahead', { iat: now() + 60 }],
    ['the type of an ID token', {}, { typ: 'id+jwt' }],
    ['no sub', { sub: undefined }],
    ['an empty sub', { sub: '' }],
    ['sub as an array', { sub: [userId] as unknown as string }],
    ['sub as an object', { sub: { id: userId } as unknown as string }],
    ['sub that is no UUID', { sub: 'alice' }],
    ['sub in braces', { sub: `{${userId}}` }],
    ['sub in upper case', { sub: userId.toUpperCase() }],
    ['sub with a line after it', { sub: `${userId}\n` }],
    ['the role admin at the top', { role: 'admin' }],
    ['the role service_role', { role: 'service_role' }],
    ['an unknown role', { app_metadata: { genledger_role: 'root' } }],
    ['a role that is an array', { app_metadata: { genledger_role: ['admin'] } }],
    ['app_metadata that is text', { app_metadata: 'admin' }],
  ])('is refused with %s', async (...[, change, header]) => {
    await expect(verifier.verify(await sign(claims(change), header))).rejects.toEqual(
      refused('invalid-token'),
    );
  });

  it.each([
    ['no algorithm', () => forge({ alg: 'none' }, claims(), undefined)],
    ['no algorithm, spelt oddly', () => forge({ alg: 'NoNe' }, claims(), undefined)],
    ['an empty signature', () => forge({ alg: 'HS256' }, claims(), undefined)],
    ['another key', () => forge({ alg: 'HS256' }, claims(), 'x'.repeat(32))],
    ['HS512', () => forge({ alg: 'HS512' }, claims(), secret)],
    ['an unknown critical header', () => forge({ alg: 'HS256', crit: ['x'], x: 1 }, claims(), secret)],
    ['a key of its own', () => forge({ alg: 'HS256', jwk: { kty: 'oct', k: 'eA' } }, claims(), 'x')],
    ['two parts', () => 'a.b'],
    ['five parts', () => 'a.b.c.d.e'],
    ['no parts', () => 'x'],
  ])('is refused with %s', async (_name, make) => {
    await expect(verifier.verify(make())).rejects.toEqual(refused('invalid-token'));
  });

  it('is refused when its payload was swapped or its signature cut', async () => {
    const [header, , signature = ''] = (await signToken(token)).split('.');
    const payload = Buffer.from(
      JSON.stringify(claims({ app_metadata: { genledger_role: 'admin' } })),
    ).toString('base64url');
    await expect(verifier.verify(`${header}.${payload}.${signature}`)).rejects.toEqual(
      refused('invalid-token'),
    );
    const good = await signToken(token);
    await expect(verifier.verify(good.slice(0, -2))).rejects.toEqual(refused('invalid-token'));
  });

  it('is expired 30 s after its exp', async () => {
    const old = await sign(claims({ exp: now() - 60 }));
    await expect(verifier.verify(old)).rejects.toMatchObject({
      code: 'token-expired',
      headers: { 'www-authenticate': expect.stringContaining('error="invalid_token"') as string },
    });
  });

  it('is not served from the cache once it has expired', async () => {
    const seconds = now();
    try {
      jest.useFakeTimers({ now: seconds * 1000, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
      const short = await sign(claims({ exp: seconds + 10 }));
      await expect(verifier.verify(short)).resolves.toEqual({ userId, role: 'user' });
      jest.setSystemTime((seconds + 9) * 1000);
      await expect(verifier.verify(short)).resolves.toEqual({ userId, role: 'user' });
      jest.setSystemTime((seconds + 41) * 1000);
      await expect(verifier.verify(short)).rejects.toEqual(refused('token-expired'));
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('a token that is refused', () => {
  const verifier = new TokenVerifier({ issuer: 'genledger', audience: 'authenticated', secret });

  it.each([
    [
      'another issuer',
      { iss: 'else' },
      'The claim iss of the token is missing, or is not what this server expects',
    ],
    ['another audience', { aud: 'else' }, 'The claim aud of the token'],
    ['no end', { exp: undefined }, 'The claim exp of the token is missing'],
    ['a user that is no UUID', { sub: 'alice' }, 'The sub of the token is no UUID in lower case'],
    [
      'an unknown role',
      { app_metadata: { genledger_role: 'root' } },
      'none of user, service, worker, auditor, admin',
    ],
    ['an end that has passed', { exp: now() - 60 }, 'The token has expired'],
  ])('is told why, and how to get one: %s', async (_what, change, why) => {
    const error = verifier.verify(await sign(claims(change)));
    await expect(error).rejects.toThrow(why);
    await expect(error).rejects.toThrow('"npx genledger token --user <uuid> --role user" prints one');
  });

  it('is told that its signature is at fault, and not whose would do', async () => {
    const stranger = forge({ alg: 'HS256' }, claims(), 'x'.repeat(32));
    await expect(verifier.verify(stranger)).rejects.toThrow('not signed with a key that this server trusts');
  });
});

describe('a token signed by the issuer of a key set', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let server: Server;
  let answer: () => { status: number; body: string };
  let asked = 0;
  let verifier: TokenVerifier;
  const signed = (kid: string, key = pair.privateKey): Promise<string> =>
    new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', kid }).sign(key);

  beforeEach(async () => {
    const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }];
    answer = () => ({ status: 200, body: JSON.stringify({ keys }) });
    asked = 0;
    server = createServer((_request, response) => {
      asked++;
      const { status, body } = answer();
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    verifier = new TokenVerifier({ ...trust, jwksUrl: `http://127.0.0.1:${port}/keys` });
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  it('is accepted, and the keys are fetched once', async () => {
    await expect(verifier.verify(await signed('one'))).resolves.toEqual({ userId, role: 'user' });
    await verifier.verify(await signed('one'));
    expect(asked).toBe(1);
  });

  it('is refused for unknown keys without asking again and again', async () => {
    await verifier.verify(await signed('one'));
    for (const kid of ['two', '../../dev/null', "' OR 1"]) {
      await expect(verifier.verify(await signed(kid))).rejects.toEqual(refused('invalid-token'));
    }
    expect(asked).toBe(1);
  });

  it('is refused when a stranger signed it, or when it is an HS256 of the public key', async () => {
    await expect(verifier.verify(await signed('one', stranger.privateKey))).rejects.toEqual(
      refused('invalid-token'),
    );
    const pem = pair.publicKey.export({ type: 'spki', format: 'pem' });
    const confused = forge({ alg: 'HS256', kid: 'one' }, claims(), pem);
    await expect(verifier.verify(confused)).rejects.toEqual(refused('invalid-token'));
  });

  it.each([
    ['fails', () => ({ status: 500, body: '' })],
    ['answers nonsense', () => ({ status: 200, body: '<html>' })],
    [
      'answers 2 MiB',
      () => ({ status: 200, body: JSON.stringify({ keys: [], pad: 'x'.repeat(2 * 1024 * 1024) }) }),
    ],
  ])('waits for better times while the endpoint %s and has never answered', async (_name, failing) => {
    answer = failing;
    await expect(verifier.verify(await signed('one'))).rejects.toMatchObject({
      code: 'service-unavailable',
      status: 503,
    });
  });

  it('is still accepted by the last keys when the endpoint goes down', async () => {
    await verifier.verify(await signed('one'));
    answer = () => ({ status: 500, body: '' });
    const later = Date.now() + 11 * 60_000;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => later);
    try {
      const fresh = await new SignJWT({ ...claims(), exp: later / 1000 + 600, jti: 'x' })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .sign(pair.privateKey);
      await expect(verifier.verify(fresh)).resolves.toEqual({ userId, role: 'user' });
      const another = await new SignJWT({ ...claims(), exp: later / 1000 + 600, jti: 'y' })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .sign(pair.privateKey);
      await expect(verifier.verify(another)).resolves.toEqual({ userId, role: 'user' });
      expect(asked).toBe(2);
    } finally {
      clock.mockRestore();
    }
  });
});

describe('the cache of tokens', () => {
  const actor = { userId, role: 'user' } as const;

  it('keeps no more than its capacity, and drops what was not used for longest', () => {
    const cache = new TokenCache(2);
    for (const name of ['a', 'b']) cache.set(name, actor, Date.now() + 1000);
    cache.get('a');
    cache.set('c', actor, Date.now() + 1000);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([actor, undefined, actor]);
    expect(cache.size).toBe(2);
  });

  it('neither takes nor gives what has expired', () => {
    const cache = new TokenCache(2);
    cache.set('a', actor, Date.now());
    expect(cache.size).toBe(0);
  });
});
