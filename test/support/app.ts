import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test as Testing } from '@nestjs/testing';
import { Client } from 'pg';
import request from 'supertest';
import type { Test } from 'supertest';
import { Doorbell } from '@genledger/event-store';
import { IMAGE_GENERATOR, ImageGenerator, JOB_LEASE_MS } from '@genledger/generation';
import {
  createFastifyAdapter,
  createLogger,
  JsonLogger,
  loadConfig,
  serverUrls,
  signToken,
  STREAM_CLOCK,
} from '@genledger/platform';
import type { Config, HttpOptions, Role, StreamClock } from '@genledger/platform';
import { createApp, prepareApp } from '../../apps/server/src/server';
import { ServerModule } from '../../apps/server/src/server.module';
import { createTestDatabase, TestDatabase } from './test-database';

export const ALICE = '11111111-1111-4111-8111-111111111111';
export const BOB = '22222222-2222-4222-8222-222222222222';
export const JWT_SECRET = 'a secret of at least thirty-two bytes';

export interface TestAppOptions {
  /** In place of the built-in one. */
  readonly generator?: ImageGenerator;
  /** Length of the worker's leases, in ms; it looks three times as often whether a cancel was asked for. */
  readonly leaseMs?: number;
  /** Gets every line of the log, of all levels. */
  readonly log?: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
  /** Time as event streams see it. */
  readonly streamClock?: StreamClock;
  /** Limits of the HTTP server. */
  readonly http?: HttpOptions;
}

/** Requests of one user over HTTP. */
export interface Caller {
  readonly userId: string;
  readonly token: string;
  get(path: string): Test;
  post(path: string, body?: object): Test;
  patch(path: string, body: object): Test;
  delete(path: string): Test;
}

export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly port: number;
  readonly config: Config;
  /** Sees behind row-level security. */
  readonly superuser: Client;
  token(userId: string, role?: Role): Promise<string>;
  as(userId: string, role?: Role): Promise<Caller>;
  /** Answers `read` once `holds`; asks after every commit of the application. */
  eventually<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T>;
  /** Stops the application and starts another one on the same database and home. */
  restart(options?: TestAppOptions): Promise<TestApp>;
  close(): Promise<void>;
}

/** The real application with all its roles, on a database and in a home of its own, listening on a free port. */
export async function startApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase();
  const home = await mkdtemp(join(tmpdir(), 'genledger-e2e-'));
  return open(database, home, options);
}

async function open(database: TestDatabase, home: string, options: TestAppOptions): Promise<TestApp> {
  const { env = {} } = options;
  const trust = env['JWKS_URL'] === undefined ? { JWT_SECRET } : {};
  const config = loadConfig({ ...trust, GENLEDGER_HOME: home, LOG_LEVEL: 'silent', ...env });
  const app = await compose(config, database, options);
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  const superuser = new Client({ connectionString: database.adminUrl });
  await superuser.connect();
  const token = (userId: string, role: Role = 'user'): Promise<string> =>
    signToken({ ...config.jwt, secret: JWT_SECRET, userId, role, ttlSeconds: 600 });
  const stop = async (): Promise<void> => {
    await superuser.end();
    await app.close();
  };
  return {
    app,
    url,
    port: Number(new URL(url).port),
    config,
    superuser,
    token,
    as: async (userId, role) => callerOf(url, userId, await token(userId, role)),
    eventually: (read, holds) => eventually(app.get(Doorbell), read, holds),
    restart: async (next = options) => {
      await stop();
      return open(database, home, next);
    },
    close: async () => {
      await stop();
      // Nothing of ours may be connected any more: a pool that leaked would keep the database from being dropped.
      await expectNoSessions(database);
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function compose(
  config: Config,
  { adminUrl }: TestDatabase,
  { generator, leaseMs, log, streamClock, http }: TestAppOptions,
): Promise<NestFastifyApplication> {
  if (!generator && leaseMs === undefined && !log && !streamClock && !http)
    return createApp(config, serverUrls(adminUrl));
  const testing = Testing.createTestingModule({
    imports: [ServerModule.forRoot(config, serverUrls(adminUrl))],
  });
  if (generator) testing.overrideProvider(IMAGE_GENERATOR).useValue(generator);
  if (leaseMs !== undefined) testing.overrideProvider(JOB_LEASE_MS).useValue(leaseMs);
  if (streamClock) testing.overrideProvider(STREAM_CLOCK).useValue(streamClock);
  const module = await testing.compile();
  const adapter = createFastifyAdapter({ formLabelledJsonRoutes: ['/api/generate/text-to-image'], ...http });
  const logger = log ? new JsonLogger(createLogger('trace', { write: log })) : (false as const);
  const app = module.createNestApplication<NestFastifyApplication>(adapter, { logger });
  await prepareApp(app);
  return app;
}

function callerOf(url: string, userId: string, token: string): Caller {
  const client = request(url);
  const signed = (test: Test): Test => test.set('authorization', `Bearer ${token}`);
  return {
    userId,
    token,
    get: (path) => signed(client.get(path)),
    post: (path, body) => (body ? signed(client.post(path)).send(body) : signed(client.post(path))),
    patch: (path, body) => signed(client.patch(path)).send(body),
    delete: (path) => signed(client.delete(path)),
  };
}

const PATIENCE_MS = 30_000;

async function eventually<T>(
  doorbell: Doorbell,
  read: () => Promise<T>,
  holds: (value: T) => boolean,
): Promise<T> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    let unhear: () => void = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    const rung = new Promise<void>((resolve) => {
      unhear = doorbell.onRing(resolve);
      // What another process commits is heard late, or not at all.
      timer = setTimeout(resolve, 250);
    });
    try {
      const value = await read();
      if (holds(value)) return value;
      if (Date.now() > until) throw new Error(`it did not come to pass; last seen: ${JSON.stringify(value)}`);
      await rung;
    } finally {
      unhear();
      clearTimeout(timer);
    }
  }
}

async function expectNoSessions({ adminUrl }: TestDatabase): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select application_name, state, query from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
          and usename in ('genledger_server', 'genledger_reader')`,
    );
    if (rows.length > 0) throw new Error(`sessions were left open: ${JSON.stringify(rows)}`);
  } finally {
    await client.end();
  }
}
