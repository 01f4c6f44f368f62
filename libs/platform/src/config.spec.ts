import { resolve } from 'node:path';
import { ConfigError, loadConfig } from './config';

const refusal = (env: Record<string, string>): string => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('loadConfig', () => {
  it('has a default for everything', () => {
    const config = loadConfig({ PATH: '/bin' });
    expect(config).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      home: resolve('.genledger'),
      logLevel: 'info',
    });
    expect([...config.roles]).toEqual(['api', 'worker', 'projector', 'scheduler']);
    expect(config.jwt).toEqual({
      issuer: 'genledger',
      audience: 'authenticated',
      secret: undefined,
      jwksUrl: undefined,
    });
    expect(config.storageUrl).toMatch(/^file:\/\/\/.*\/\.genledger\/storage$/);
    expect(config.databaseUrl).toBeUndefined();
    expect(config.imageProvider).toBeUndefined();
  });

  it('reads every variable', () => {
    const config = loadConfig({
      PORT: '0',
      HOST: '::',
      GENLEDGER_HOME: '/var/lib/genledger',
      DATABASE_URL: 'postgres://u:p@db:5432/x',
      DATABASE_APP_URL: 'postgresql:///x?host=/run/postgresql',
      GENLEDGER_ROLES: 'api, worker',
      STORAGE_URL: 's3://bucket?endpoint=https://s3.example&region=eu',
      JWT_SECRET: 's'.repeat(32),
      JWT_ISSUER: 'https://issuer',
      JWT_AUDIENCE: 'us',
      IMAGE_PROVIDER_URL: 'https://images.example/v1',
      IMAGE_PROVIDER_KEY: 'key',
      IMAGE_PROVIDER_MODEL: 'model',
      NATS_URL: 'nats://n:4222',
      LOG_LEVEL: 'debug',
    });
    expect(config).toMatchObject({
      port: 0,
      host: '::',
      home: '/var/lib/genledger',
      databaseUrl: 'postgres://u:p@db:5432/x',
      databaseAppUrl: 'postgresql:///x?host=/run/postgresql',
      storageUrl: 's3://bucket?endpoint=https://s3.example&region=eu',
      jwt: { secret: 's'.repeat(32), issuer: 'https://issuer', audience: 'us' },
      imageProvider: { url: 'https://images.example/v1', key: 'key', model: 'model' },
      natsUrl: 'nats://n:4222',
      logLevel: 'debug',
    });
    expect([...config.roles]).toEqual(['api', 'worker']);
  });

  it('takes an empty variable as not given', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '', GENLEDGER_ROLES: '' })).toMatchObject({ port: 3000 });
  });

  it('makes a relative storage directory absolute', () => {
    expect(loadConfig({ STORAGE_URL: 'file:./data' }).storageUrl).toBe(`file://${resolve('data')}`);
    expect(loadConfig({ STORAGE_URL: 'file:///data' }).storageUrl).toBe('file:///data');
  });

  it.each<[Record<string, string>, ...string[]]>([
    [{ PORT: '70000' }, 'PORT="70000"', '0 to 65535'],
    [{ PORT: '3e3' }, 'PORT="3e3"'],
    [{ PORT: ' 80' }, 'PORT=" 80"'],
    [{ GENLEDGER_ROLES: 'api,wroker' }, 'GENLEDGER_ROLES="api,wroker"', 'did you mean worker?'],
    [{ GENLEDGER_ROLES: 'api,' }, 'GENLEDGER_ROLES="api,"', 'api,worker,projector,scheduler'],
    [{ GENLEDGER_ROLE: 'api' }, 'GENLEDGER_ROLE', 'did you mean GENLEDGER_ROLES?'],
    [{ GENLEDGER_SECRET_OF_MINE: 'hush' }, 'GENLEDGER_SECRET_OF_MINE', 'GENLEDGER_HOME, GENLEDGER_ROLES'],
    [{ LOG_LEVEL: 'inof' }, 'LOG_LEVEL="inof"', 'did you mean info?'],
    [{ STORAGE_URL: 'ftp://x' }, 'STORAGE_URL="ftp://x"', 's3://bucket'],
    [{ STORAGE_URL: 's3://b?endpoint=nowhere' }, 'STORAGE_URL'],
    [{ DATABASE_URL: 'mysql://root:hunter2@db/x' }, 'DATABASE_URL', 'postgres://'],
    [{ DATABASE_APP_URL: 'postgres://db/x' }, 'DATABASE_APP_URL is given without DATABASE_URL'],
    [{ IMAGE_PROVIDER_KEY: 'k' }, 'IMAGE_PROVIDER_KEY is given without IMAGE_PROVIDER_URL'],
    [{ IMAGE_PROVIDER_URL: 'images.example/v1' }, 'IMAGE_PROVIDER_URL="images.example/v1"', 'https://'],
    [
      { IMAGE_PROVIDER_URL: 'https://user:hunter2@images.example' },
      'IMAGE_PROVIDER_URL',
      'IMAGE_PROVIDER_KEY',
    ],
    [{ IMAGE_PROVIDER_URL: 'https://i', IMAGE_PROVIDER_KEY: 'two words' }, 'IMAGE_PROVIDER_KEY', 'no spaces'],
    [{ JWT_SECRET: 'too short' }, 'JWT_SECRET', 'at least 32 bytes'],
    [{ JWT_SECRET: 'x'.repeat(32), JWKS_URL: 'https://keys' }, 'JWT_SECRET and JWKS_URL exclude each other'],
    [{ JWKS_URL: 'keys.json' }, 'JWKS_URL="keys.json"', 'https://'],
    [{ NATS_URL: 'localhost:4222' }, 'NATS_URL', 'nats://host:4222'],
    [{ HOST: 'a\nb' }, 'HOST="a\\nb"'],
  ])('refuses %j in one line that names it', (env, ...parts) => {
    const message = refusal(env);
    for (const part of parts) expect(message).toContain(part);
    expect(message).not.toContain('\n');
  });

  it.each<Record<string, string>>([
    { JWT_SECRET: 'hunter2' },
    { DATABASE_URL: 'mysql://root:hunter2@db/x' },
    { NATS_URL: 'x://u:hunter2@h' },
    { IMAGE_PROVIDER_URL: 'https://u:hunter2@h' },
    { IMAGE_PROVIDER_URL: 'https://h', IMAGE_PROVIDER_KEY: 'hunter2\u2028' },
  ])('never prints the secret of %j', (env) => {
    expect(refusal(env)).not.toContain('hunter2');
  });
});
