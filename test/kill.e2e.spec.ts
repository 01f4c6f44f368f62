import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import request from 'supertest';
import { loadConfig, RunningPostgres, signToken, startEmbeddedPostgres } from '@genledger/platform';
import { ALICE, JWT_SECRET } from './support/app';
import { until } from './support/until';

jest.setTimeout(120_000);

interface GatedServer {
  readonly url: string;
  readonly adminUrl: string;
  readonly process: ChildProcess;
}

let home: string;
let token: string;
const running = new Set<ChildProcess>();
let revived: RunningPostgres | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'genledger-kill-'));
  // Run by root, PostgreSQL is another user's, who has to pass.
  await chmod(home, 0o711);
  const { jwt } = loadConfig({ JWT_SECRET });
  token = await signToken({ ...jwt, secret: JWT_SECRET, userId: ALICE, role: 'user', ttlSeconds: 600 });
});
afterEach(async () => {
  for (const child of running) await end(child, 'SIGTERM');
  await revived?.stop();
  revived = undefined;
  await rm(home, { recursive: true, force: true });
});

async function start(): Promise<GatedServer> {
  const script = [
    '-r',
    join(__dirname, 'support/register-typescript.cjs'),
    join(__dirname, 'support/gated-server.ts'),
  ];
  const env = { PATH: process.env.PATH, GENLEDGER_HOME: home, JWT_SECRET, LOG_LEVEL: 'error' };
  const child = spawn(process.execPath, script, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(said.join('')))),
  ])) as [string];
  return { ...(JSON.parse(line) as { url: string; adminUrl: string }), process: child };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

const openGate = (): Promise<void> => writeFile(join(home, 'gate'), '');

const call = ({ url }: GatedServer, method: 'get' | 'post', path: string, body?: object) =>
  request(url)[method](path).set('authorization', `Bearer ${token}`).send(body);

interface HistoryEvent {
  readonly type: string;
  readonly data: { readonly attempt?: number };
}

async function historyOf(server: GatedServer, id: string): Promise<HistoryEvent[]> {
  return (await call(server, 'get', `/v1/jobs/${id}/events`)).body.data as HistoryEvent[];
}

/** A job that a worker has in hand, at the shut gate. */
async function runningJob(server: GatedServer): Promise<string> {
  const queued = await call(server, 'post', '/v1/jobs', { prompt: 'x', number_of_images: 2 });
  expect(queued.status).toBe(201);
  const id = queued.body.id as string;
  await until('the job is started', async () => (await historyOf(server, id)).length > 1);
  return id;
}

/** Queues job after job until the server is gone; resolves with those that were acknowledged. */
async function queueUntilGone(server: GatedServer, warmUp: number, warm: () => void): Promise<string[]> {
  const acknowledged: string[] = [];
  const queueOn = async (): Promise<void> => {
    for (;;) {
      try {
        const { status, body } = await call(server, 'post', '/v1/jobs', { mode: 'x', cost_cents: 1 });
        if (status !== 201) return;
        acknowledged.push(body.id as string);
        if (acknowledged.length === warmUp) warm();
      } catch {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, queueOn));
  return acknowledged;
}

async function succeeded(server: GatedServer, id: string): Promise<HistoryEvent[]> {
  return until(
    'the job succeeds',
    async () => {
      const history = await historyOf(server, id);
      return history.some(({ type }) => type === 'JobSucceeded') && history;
    },
    30_000,
  );
}

const ENDS = ['JobSucceeded', 'JobFailed', 'JobCanceled'];

async function expectWhole(server: GatedServer, id: string, acknowledged: readonly string[]): Promise<void> {
  const history = await historyOf(server, id);
  expect(history.filter(({ type }) => ENDS.includes(type))).toHaveLength(1);
  const job = (await call(server, 'get', `/v1/jobs/${id}`)).body;
  expect(job).toMatchObject({ status: 'succeeded', cost: { actual_cents: 8 } });
  expect(job.outputs).toHaveLength(2);
  for (const { url } of job.outputs) expect((await fetch(url as string)).status).toBe(200);
  const client = new Client({ connectionString: server.adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ stored: number; listed: number }>(
      `select (select count(*)::int from genledger.events where stream_id = any($1::uuid[]) and type = 'JobQueued') as stored,
              (select count(*)::int from genledger.generation_jobs where id = any($1::uuid[])) as listed`,
      [acknowledged],
    );
    expect(rows).toEqual([{ stored: acknowledged.length, listed: acknowledged.length }]);
  } finally {
    await client.end();
  }
  const { body } = await call(server, 'get', '/v1/statistics');
  const counted = body.data.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
  expect(counted).toBeGreaterThanOrEqual(acknowledged.length + 1);
}

it('a server that is killed at work: the job is taken up again and ends once; what was acknowledged is there', async () => {
  const first = await start();
  const id = await runningJob(first);
  let killed: Promise<void> = Promise.resolve();
  const acknowledged = await queueUntilGone(first, 100, () => {
    killed = end(first.process, 'SIGKILL');
  });
  await killed;
  expect(acknowledged.length).toBeGreaterThanOrEqual(100);

  await openGate();
  const second = await start();
  const history = await succeeded(second, id);

  expect(history.map(({ type }) => type).filter((type) => type !== 'JobProgressed')).toEqual([
    'JobQueued',
    'JobStarted',
    'JobLeaseExpired',
    'JobStarted',
    'JobSucceeded',
  ]);
  expect(history.at(-1)!.data.attempt).toBe(2);
  await expectWhole(second, id, acknowledged);
});

it('a database that is killed under a job: the server goes on when it is back, and the job ends once', async () => {
  const server = await start();
  const id = await runningJob(server);
  const client = new Client({ connectionString: server.adminUrl });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ data_directory: string }>('show data_directory');
  const postmaster = Number.parseInt(
    readFileSync(join(rows[0]!.data_directory, 'postmaster.pid'), 'utf8'),
    10,
  );
  const acknowledged = await queueUntilGone(server, 100, () => process.kill(postmaster, 'SIGKILL'));
  await client.end().catch(() => undefined);
  const refused = await call(server, 'post', '/v1/jobs', { mode: 'x' });
  expect(refused.body).toMatchObject({ status: 503, code: 'service-unavailable' });
  expect(refused.headers['retry-after']).toBe('1');

  revived = await startEmbeddedPostgres({ home });
  expect(revived.url).toBe(server.adminUrl);
  await until(
    'the server is ready',
    async () => (await call(server, 'get', '/health/ready')).status === 200,
    30_000,
  );
  await openGate();
  const history = await succeeded(server, id);

  // Either its lease was renewed in time, or it was taken back: each start but the first follows an expiry.
  const starts = history.filter(({ type }) => type === 'JobStarted').length;
  expect(history.filter(({ type }) => type === 'JobLeaseExpired')).toHaveLength(starts - 1);
  expect(history.at(-1)!.data.attempt ?? starts).toBe(starts);
  await expectWhole(server, id, acknowledged);
});
