import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine } from '../../../test/support/command-line';

let line: CommandLine;
let home: string;
beforeEach(() => {
  line = new CommandLine();
  home = join(line.cwd, 'home');
});
afterEach(() => line.remove());

/** What a server on another machine's database leaves in its home. */
function fill(): void {
  mkdirSync(join(home, 'storage', 'somebody'), { recursive: true });
  writeFileSync(join(home, 'storage', 'somebody', 'picture.png'), 'x');
  writeFileSync(join(home, 'server.secret'), 'x');
  writeFileSync(join(home, 'notes.txt'), 'not ours');
}

const FILLED = ['notes.txt', 'server.secret', 'storage'];

it('removes what is ours, says what, and leaves what is not', async () => {
  fill();
  expect(await line.run(['reset', '--yes'])).toEqual({
    code: 0,
    out: `removed ${join(home, 'storage')}\nremoved ${join(home, 'server.secret')}\n`,
    err: '',
  });
  expect(readdirSync(home)).toEqual(['notes.txt']);
  const again = await line.run(['reset', '--yes', '--json']);
  expect([again.code, JSON.parse(again.out)]).toEqual([0, { home, removed: [] }]);
  expect((await line.run(['reset', '--yes'])).out).toBe(`nothing to remove in ${home}\n`);
});

it('refuses without --yes where nobody can be asked', async () => {
  fill();
  expect(await line.run(['reset'])).toEqual({
    code: 2,
    out: '',
    err: 'genledger: reset removes all jobs and files of the home: say so with --yes\n',
  });
  expect(readdirSync(home)).toEqual(FILLED);
});

it.each([
  ['y', 0, ['notes.txt']],
  ['Yes ', 0, ['notes.txt']],
  ['n', 1, FILLED],
  ['', 1, FILLED],
])('asks, and takes %j for an answer', async (answer, code, left) => {
  fill();
  line.answer = answer;
  const said = await line.run(['reset']);
  expect(said.code).toBe(code);
  expect(said.err).toContain(`Remove all jobs, files and secrets in ${home}? [y/N] `);
  expect(readdirSync(home)).toEqual(left);
});

it('refuses where DATABASE_URL is set: the files are of that database', async () => {
  fill();
  const { code, err } = await line.run(['reset', '--yes'], {
    DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/db',
  });
  expect([code, err]).toEqual([2, expect.stringMatching(/^genledger: DATABASE_URL is set, .*\n$/)]);
  expect(err).not.toContain('hidden');
  expect(readdirSync(home)).toEqual(FILLED);
});
