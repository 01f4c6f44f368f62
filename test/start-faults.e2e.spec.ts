import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createTestDatabase, databaseUrl } from './support/test-database';

// Each loads all sources anew.
jest.setTimeout(60_000);

const root = resolve(__dirname, '..');
const TYPESCRIPT = ['-r', join(__dirname, 'support/register-typescript.cjs')];
const SERVER = [...TYPESCRIPT, join(root, 'apps/server/src/main.ts')];
const COMMAND = [...TYPESCRIPT, join(root, 'apps/cli/src/main.ts')];
const ALICE = '11111111-1111-4111-8111-111111111111';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'genledger-start-'));
  await writeFile(join(folder, 'file'), '');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The real process, in a folder without .env: its code, and what it said on standard error. */
function start(args: readonly string[], env: Record<string, string> = {}): Promise<[number, string]> {
  const given = { PATH: process.env.PATH, GENLEDGER_HOME: join(folder, 'home'), PORT: '0', ...env };
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd: folder, env: given }, (error, _out, said) =>
      done([Number(error?.code ?? 0), said]),
    );
  });
}

it('tells in one line what is wrong with a variable', async () => {
  expect(await start(SERVER, { PORT: '70000' })).toEqual([
    1,
    'PORT="70000" is not allowed; allowed: an integer from 0 to 65535 (0: any free port)\n',
  ]);
});

it('tells in one line that the port is in use, before it starts a database', async () => {
  const other = createServer();
  await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
  const PORT = String((other.address() as AddressInfo).port);
  expect(await start(SERVER, { PORT })).toEqual([
    1,
    `PORT=${PORT} is in use on 127.0.0.1: end what listens there, or set PORT to another (0: any free one)\n`,
  ]);
  await new Promise((closed) => other.close(closed));
});

it('tells in one line that the home cannot be written, with a database of its own and with a given one', async () => {
  const GENLEDGER_HOME = join(folder, 'file', 'home');
  const fault = new RegExp(
    `^genledger(?: cannot start)?: The home ${GENLEDGER_HOME} cannot be written \\(ENOTDIR.*\\): ` +
      `set GENLEDGER_HOME to a folder that can\\.\\n$`,
  );
  expect(await start(SERVER, { GENLEDGER_HOME })).toEqual([1, expect.stringMatching(fault)]);
  const token = [...COMMAND, 'token', '--user', ALICE, '--role', 'user'];
  expect(await start(token, { GENLEDGER_HOME })).toEqual([1, expect.stringMatching(fault)]);
  const database = await createTestDatabase();
  const given = { GENLEDGER_HOME, DATABASE_URL: database.adminUrl, LOG_LEVEL: 'silent' };
  expect(await start(SERVER, given)).toEqual([1, expect.stringMatching(fault)]);
  await database.drop();
});

it('tells in one line that DATABASE_URL is out of reach, without its password', async () => {
  const DATABASE_URL = 'postgres://someone:hidden@127.0.0.1:1/db';
  expect(await start(SERVER, { DATABASE_URL })).toEqual([
    1,
    'DATABASE_URL: nothing listens on 127.0.0.1:1; start PostgreSQL there, or correct the address\n',
  ]);
  const [code, said] = await start(SERVER, {
    DATABASE_URL: databaseUrl(process.env.TEST_POSTGRES_URL!, 'nowhere'),
  });
  expect([code, said]).toEqual([
    1,
    expect.stringMatching(/^DATABASE_URL: .* has no database nowhere; create it, or name another\n$/),
  ]);
});

it('tells in one line which roles there are', async () => {
  expect(await start([...COMMAND, 'token', '--user', ALICE, '--role', 'king'])).toEqual([
    2,
    'genledger: --role "king": one of user, service, worker, auditor, admin is wanted\n',
  ]);
});

it.each(['18.20.8', '20.18.3', '22.11.0'])('tells in one line that Node %s is too old', async (version) => {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  expect(await start(['--import', preload, join(root, 'scripts', 'ensure-installed.mjs')])).toEqual([
    1,
    `Node ${version} does not fit Genledger: install 20.19, 22.12 or newer.\n`,
  ]);
});
