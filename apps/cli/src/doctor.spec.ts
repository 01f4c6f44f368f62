import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { CommandLine } from '../../../test/support/command-line';
import type { CheckResult } from './checkup';

let line: CommandLine;
let server: Server | undefined;
beforeEach(() => (line = new CommandLine()));
afterEach(async () => {
  line.remove();
  if (server) await new Promise((resolve) => server!.close(resolve));
  server = undefined;
});

interface Report {
  readonly holds: boolean;
  readonly checks: readonly CheckResult[];
}

async function examine(env: Record<string, string> = {}): Promise<Report & { code: number; out: string }> {
  const { code, out } = await line.run(['doctor', '--json'], { PORT: '0', ...env });
  return { code, out, ...(JSON.parse(out) as Report) };
}

function found({ checks }: Report, name: string): CheckResult | undefined {
  return checks.find(({ check }) => check === name);
}

async function listen(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return String((server.address() as AddressInfo).port);
}

it('is content with a new machine, a line a check, and makes nothing', async () => {
  const { code, out, err } = await line.run(['doctor'], { PORT: '0' });
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^ok {3}node +\d+\.\d+\.\d+\nok {3}configuration +every variable is understood\n/);
  expect(out).toContain(`ok   home           ${join(line.cwd, 'home')} (made at the first start), `);
  expect(out).toMatch(/^ok {3}binaries +PostgreSQL 18\./m);
  expect(out).toContain('ok   database       embedded, made at the first start\n');
  expect(out).toContain('-    schema         the database is not running\n');
  // Still to be made: the look has left no folder behind.
  expect(found(await examine(), 'home')?.detail).toContain('(made at the first start)');
});

it('tells a broken configuration in its one line, and goes no further', async () => {
  const report = await examine({ PORT: 'http' });
  expect([report.code, report.holds]).toEqual([1, false]);
  expect(found(report, 'configuration')).toEqual({
    check: 'configuration',
    status: 'failed',
    detail: 'PORT="http" is not allowed; allowed: an integer from 0 to 65535 (0: any free port)',
  });
  expect(found(report, 'partitions')).toMatchObject({
    status: 'skipped',
    detail: 'the configuration comes first',
  });
});

it('names a home and a storage that cannot be written, and the variable to change', async () => {
  writeFileSync(join(line.cwd, 'file'), '');
  mkdirSync(join(line.cwd, 'home'));
  const inFile = await examine({ GENLEDGER_HOME: join(line.cwd, 'file', 'home') });
  expect(inFile.code).toBe(1);
  expect(found(inFile, 'home')).toMatchObject({
    status: 'failed',
    detail: `${join(line.cwd, 'file')} is not a folder`,
    remedy: 'let this account write there, or change GENLEDGER_HOME',
  });
  const storage = await examine({ STORAGE_URL: `file:${join(line.cwd, 'file')}` });
  expect([found(storage, 'home')?.status, found(storage, 'storage')?.remedy]).toEqual([
    'ok',
    'let this account write there, or change STORAGE_URL',
  ]);
  expect(found(await examine({ STORAGE_URL: 's3://bucket' }), 'storage')).toMatchObject({
    status: 'failed',
    detail: 'STORAGE_URL: there is no driver for s3://; allowed: file:',
  });
});

it.each([
  [
    'a Genledger that is ready',
    200,
    { status: 'ok', checks: ['database'] },
    { status: 'ok', detail: 'a Genledger answers on 127.0.0.1:PORT, and is ready' },
  ],
  [
    'a Genledger that is not',
    503,
    { type: 'urn:genledger:problem:service-unavailable', detail: 'database: the check failed' },
    {
      status: 'failed',
      detail: 'a Genledger answers on 127.0.0.1:PORT, and is not ready: database: the check failed',
      remedy: 'see its log',
    },
  ],
  [
    'somebody else',
    200,
    { status: 'ok' },
    {
      status: 'failed',
      detail:
        'PORT=PORT is in use on 127.0.0.1: end what listens there, or set PORT to another (0: any free one)',
    },
  ],
])('tells who listens on the port: %s', async (_who, status, body, expected) => {
  const PORT = await listen((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const result = found(await examine({ PORT }), 'port');
  expect(result).toEqual({
    check: 'port',
    ...expected,
    detail: expected.detail.replace(/PORT$|(?<=[:=])PORT/g, PORT),
  });
});

it('tells why DATABASE_URL is out of reach, and never prints its password', async () => {
  const report = await examine({ DATABASE_URL: 'postgres://someone:hidden@127.0.0.1:1/db' });
  expect(report.code).toBe(1);
  expect(report.out).not.toContain('hidden');
  expect(found(report, 'binaries')).toMatchObject({ status: 'skipped', detail: 'DATABASE_URL is given' });
  expect(found(report, 'database')).toMatchObject({
    status: 'failed',
    detail: 'DATABASE_URL: nothing listens on 127.0.0.1:1; start PostgreSQL there, or correct the address',
  });
  expect(found(report, 'log')).toMatchObject({ status: 'skipped', detail: 'the database is out of reach' });
});
