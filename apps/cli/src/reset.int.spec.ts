import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadServerSecret, startEmbeddedPostgres } from '@genledger/platform';
import type { RunningPostgres } from '@genledger/platform';
import { CommandLine } from '../../../test/support/command-line';

// An initdb takes a second, several when the machine is busy.
jest.setTimeout(60_000);

let line: CommandLine;
let home: string;
let server: RunningPostgres;
beforeEach(async () => {
  line = new CommandLine();
  // Run by root, PostgreSQL is another user's, who has to pass.
  chmodSync(line.cwd, 0o755);
  home = join(line.cwd, 'home');
});
afterEach(async () => {
  await server.stop();
  line.remove();
});

it('refuses while a process uses the database, then removes it', async () => {
  server = await startEmbeddedPostgres({ home, settings: { fsync: 'off' } });
  loadServerSecret(home);
  expect(await line.run(['reset', '--yes'])).toEqual({
    code: 1,
    out: '',
    err: `genledger: ${home} is in use by process ${process.pid}: stop it first.\n`,
  });
  expect(existsSync(join(home, 'server.secret'))).toBe(true);
  await server.stop();
  const { code, out } = await line.run(['reset', '--yes']);
  expect(code).toBe(0);
  expect(out).toContain(`removed ${join(home, 'pg18')}\n`);
  expect(readdirSync(home)).toEqual([]);
});

it('touches nothing while the demo runs in its home', async () => {
  mkdirSync(join(home, 'storage'), { recursive: true });
  server = await startEmbeddedPostgres({ home: join(home, 'demo'), settings: { fsync: 'off' } });
  const { code, err } = await line.run(['reset', '--yes']);
  expect([code, err]).toEqual([1, expect.stringContaining(`${join(home, 'demo')} is in use`)]);
  expect(readdirSync(home)).toEqual(['demo', 'storage']);
  await server.stop();
  expect((await line.run(['reset', '--yes'])).code).toBe(0);
  expect(readdirSync(home)).toEqual([]);
});
