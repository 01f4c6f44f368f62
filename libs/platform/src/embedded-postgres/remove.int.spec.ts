import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startEmbeddedPostgres, type RunningPostgres } from './embedded-postgres';
import { processIdentity } from './process-identity';
import { EmbeddedPostgresInUse, whileUnused } from './remove';

// An initdb takes a second, several when the machine is busy.
jest.setTimeout(60_000);

const support = resolve(__dirname, '../../../../test/support');

let root: string;
let home: string;
let server: RunningPostgres;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'genledger-remove-'));
  // Run by root, PostgreSQL is another user's, who has to pass.
  await chmod(root, 0o755);
  home = join(root, 'home');
  server = await startEmbeddedPostgres({ home, settings: { fsync: 'off' } });
});
afterEach(async () => {
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

it('removes everything that a start and a stop leave, and nothing else', async () => {
  await server.stop();
  await writeFile(join(home, 'postgresql.conf'), 'a file of somebody else');
  const left = readdirSync(home).filter((name) => name !== 'postgresql.conf');
  const removed = await whileUnused(home, (remove) => remove());
  expect(removed.sort()).toEqual(left.map((name) => join(home, name)).sort());
  expect(readdirSync(home)).toEqual(['postgresql.conf']);
  expect(await whileUnused(home, (remove) => remove())).toEqual([]);
});

it('does nothing while a process uses the database, and names it', async () => {
  const before = readdirSync(home);
  const work = jest.fn();
  await expect(whileUnused(home, work)).rejects.toEqual(new EmbeddedPostgresInUse(home, [process.pid]));
  expect(work).not.toHaveBeenCalled();
  expect(readdirSync(home)).toEqual(before);
});

it('stops a server that a killed process has left behind', async () => {
  await server.stop();
  const execArgv = ['-r', join(support, 'register-typescript.cjs')];
  const killed = fork(join(support, 'embedded-postgres-user.ts'), [home], { execArgv });
  const [{ dataDirectory }] = (await once(killed, 'message')) as [RunningPostgres];
  const pid = Number.parseInt(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10);
  killed.kill('SIGKILL');
  await once(killed, 'exit');

  await whileUnused(home, (remove) => remove());

  expect(processIdentity(pid)).toBeUndefined();
  expect(existsSync(dataDirectory)).toBe(false);
});

it('finds the database of a home that its account cannot enter', async () => {
  if (process.getuid?.() !== 0) return;
  await server.stop();
  const closed = join(root, 'closed');
  await promisify(execFile)('mkdir', ['-m', '700', closed]);
  const apart = await startEmbeddedPostgres({ home: closed, settings: { fsync: 'off' } });
  await apart.stop();
  const removed = await whileUnused(closed, (remove) => remove());
  expect(removed).toContain(apart.dataDirectory);
  expect(existsSync(resolve(apart.dataDirectory, '..'))).toBe(false);
});
