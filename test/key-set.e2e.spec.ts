import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import type { Answer } from '../libs/platform/src/testing/http-exchange';
import { ALICE, startApp, TestApp } from './support/app';
import { until } from './support/until';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };

let issuer: Server;
let isUp = false;
let app: TestApp;
beforeAll(async () => {
  issuer = createServer((_request, response) =>
    isUp ? response.end(JSON.stringify({ keys: [jwk] })) : response.destroy(),
  );
  await new Promise<void>((done) => issuer.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`;
  app = await startApp({ env: { GENLEDGER_ROLES: 'api', JWKS_URL: url } });
});
afterAll(async () => {
  await app.close();
  issuer.closeAllConnections();
  await new Promise((done) => issuer.close(done));
});

const now = (): number => Math.floor(Date.now() / 1000);
async function queueWith(kid: string, key: KeyObject): Promise<Answer> {
  const token = await new SignJWT({ iat: now(), exp: now() + 60 })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setSubject(ALICE)
    .setIssuer(app.config.jwt.issuer)
    .setAudience(app.config.jwt.audience)
    .sign(key);
  const headers = [`Authorization: Bearer ${token}`, 'Content-Type: application/json'];
  return exchange(app.port, requestBytes('POST', '/v1/jobs', headers, '{"mode":"x"}'));
}

it('A18 keys that are not there when the server starts: 503 until they are, then they count as ever', async () => {
  const before = await writtenRows(app.superuser);
  const early = await queueWith('one', ours.privateKey);
  expectProblem(early, 503, 'service-unavailable');
  expect(early.headers['retry-after']).toBe('1');
  expect(await writtenRows(app.superuser)).toEqual(before);

  isUp = true;
  const queued = await until('the keys are asked for again', async () => {
    const answer = await queueWith('one', ours.privateKey);
    return answer.status !== 503 && answer;
  });
  expect(queued.status).toBe(201);

  isUp = false;
  expect((await queueWith('one', ours.privateKey)).status).toBe(201);
  const after = await writtenRows(app.superuser);
  for (const kid of ['two', '../../dev/null', "' OR 1=1"])
    expectProblem(await queueWith(kid, ours.privateKey), 401, 'invalid-token');
  expectProblem(await queueWith('one', stranger.privateKey), 401, 'invalid-token');
  expect(await writtenRows(app.superuser)).toEqual(after);
});
