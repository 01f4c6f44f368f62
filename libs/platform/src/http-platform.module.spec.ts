import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from './config';
import { tokenTrust } from './http-platform.module';
import { signToken } from './identity/sign-token';
import { TokenVerifier } from './identity/token-verifier';
import { loadServerSecret } from './secrets';

const userId = '0198c0de-0000-7000-8000-000000000001';

describe('whose tokens count', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'genledger-trust-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it("without any setting: those signed with the home's secret", async () => {
    const config = loadConfig({ GENLEDGER_HOME: home });
    const verifier = new TokenVerifier(tokenTrust(config));
    const secret = loadServerSecret(home);
    const token = await signToken({ ...config.jwt, userId, role: 'admin', secret, ttlSeconds: 60 });
    await expect(verifier.verify(token)).resolves.toEqual({ userId, role: 'admin' });
  });

  it('with JWT_SECRET: those signed with it', () => {
    const trust = tokenTrust(
      loadConfig({ GENLEDGER_HOME: home, JWT_SECRET: 's'.repeat(32), JWT_ISSUER: 'me' }),
    );
    expect(trust).toEqual({ issuer: 'me', audience: 'authenticated', secret: 's'.repeat(32) });
  });

  it('with JWKS_URL: those of that issuer, and no secret of ours', () => {
    const trust = tokenTrust(loadConfig({ GENLEDGER_HOME: home, JWKS_URL: 'https://issuer/keys' }));
    expect(trust).toEqual({ issuer: 'genledger', audience: 'authenticated', jwksUrl: 'https://issuer/keys' });
  });
});
