import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres, type RunningPostgres } from './embedded-postgres';
import { inspectEmbeddedPostgres } from './inspect';

// An initdb takes a second, several when the machine is busy.
jest.setTimeout(60_000);

let root: string;
let home: string;
let server: RunningPostgres;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'genledger-inspect-'));
  // Run by root, PostgreSQL is another user's, who has to pass.
  await chmod(root, 0o755);
  home = join(root, 'home');
});
beforeEach(async () => {
  server = await startEmbeddedPostgres({ home, settings: { fsync: 'off' } });
});
afterEach(() => server.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

it('makes nothing where there is no database', async () => {
  const elsewhere = join(root, 'elsewhere');
  expect(await inspectEmbeddedPostgres(elsewhere)).toEqual({ state: 'absent' });
  expect(existsSync(elsewhere)).toBe(false);
  expect(await inspectEmbeddedPostgres(root)).toEqual({ state: 'absent' });
  expect(readdirSync(root)).toEqual(['home']);
});

it('tells where a server runs and who uses it, and that it is stopped, without joining or starting it', async () => {
  const { url, port, dataDirectory } = server;
  const running = { state: 'running', url, port, dataDirectory, users: [process.pid] };
  expect(await inspectEmbeddedPostgres(home)).toEqual(running);
  expect(readdirSync(join(home, 'postgres.users'))).toHaveLength(1);
  await server.stop();
  expect(await inspectEmbeddedPostgres(home)).toEqual({ state: 'stopped', dataDirectory });
  expect(existsSync(join(dataDirectory, 'postmaster.pid'))).toBe(false);
});

it('says what to do when the password is not the one of the running server', async () => {
  const file = join(home, 'postgres.password');
  const password = await readFile(file, 'utf8');
  await writeFile(file, 'another');
  await expect(inspectEmbeddedPostgres(home)).rejects.toThrow(
    /refuses the password in .*: restore postgres\.password/,
  );
  await writeFile(file, password);
});
