import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { knownMigrations, newId } from '@genledger/platform';
import { CommandLine } from '../../../test/support/command-line';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';

let line: CommandLine;
let database: TestDatabase;
let superuser: Client;
let env: { DATABASE_URL: string };
beforeEach(async () => {
  line = new CommandLine();
  database = await createTestDatabase();
  env = { DATABASE_URL: database.adminUrl };
  superuser = new Client({ connectionString: database.adminUrl });
  await superuser.connect();
});
afterEach(async () => {
  line.remove();
  await superuser.end();
  await database.drop();
});

it('migrates an empty database and names what it has run, then finds it up to date', async () => {
  await superuser.query('drop schema genledger cascade');
  expect(await line.run(['migrate'], env)).toEqual({
    code: 0,
    out: knownMigrations.map((name) => `migrated ${name}\n`).join(''),
    err: '',
  });
  expect(await line.run(['migrate'], env)).toEqual({ code: 0, out: 'up to date\n', err: '' });
});

it('takes DATABASE_URL from .env, and answers as JSON', async () => {
  writeFileSync(join(line.cwd, '.env'), `DATABASE_URL=${env.DATABASE_URL}\n`);
  const { code, out } = await line.run(['migrate', '--json']);
  expect([code, JSON.parse(out)]).toEqual([0, { database: 'given', migrated: [], up_to_date: true }]);
});

it('refuses a login that may not migrate, and a database that there is not', async () => {
  const absent = new URL(env.DATABASE_URL);
  absent.pathname = '/nowhere';
  for (const [url, said] of [
    [database.url, 'DATABASE_URL: genledger_server may not make roles; migrate with one that has CREATEROLE'],
    [absent.href, 'has no database nowhere'],
  ] as const) {
    const { code, err } = await line.run(['migrate'], { DATABASE_URL: url });
    expect(code).toBe(2);
    expect(err).toContain(said);
  }
  // Nothing was changed: the server's login has the password that it had.
  expect(await line.run(['verify'], env)).toMatchObject({ code: 0 });
});

it('verifies a database in which everything holds', async () => {
  const { code, out, err } = await line.run(['verify'], env);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^ok {3}streams_gapless +0 checked\n/);
  expect(out).toMatch(/All \d+ invariants hold\.\n$/);
});

it('ends with 1 and names the offender where something does not hold', async () => {
  const id = newId();
  await superuser.query(
    `insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
     values ($1, 1, $1, $1, 'image/png', 1, '', 1, 1)`,
    [id],
  );
  const { code, out, err } = await line.run(['verify'], env);
  expect([code, err]).toEqual([1, expect.stringMatching(/^genledger: 2 of \d+ invariants do not hold\n$/)]);
  expect(out).toContain(`FAIL outputs_equal_replay`);
  expect(out).toContain(`       ${id}  output 1 has no upload\n`);

  const json = await line.run(['verify', '--json'], env);
  const { holds, results } = JSON.parse(json.out) as {
    holds: boolean;
    results: { invariant: string; holds: boolean; examples: { id: string }[] }[];
  };
  expect([json.code, holds]).toEqual([1, false]);
  expect(results.filter((result) => !result.holds).map(({ examples }) => examples[0]?.id)).toEqual([id, id]);
});

it('tells to migrate first where the database is not migrated', async () => {
  await superuser.query('delete from genledger.migrations');
  const { code, err } = await line.run(['verify'], env);
  expect([code, err]).toEqual([
    2,
    'genledger: the database is not migrated, or not for this version: run "genledger migrate" first\n',
  ]);
});

it('stops verifying when it is interrupted', async () => {
  await superuser.query('insert into genledger.checkpoints (name, position) values ($1, 1)', ['any']);
  line.interruption.abort(new Error('interrupted'));
  const { code, out } = await line.run(['verify'], env);
  expect([code === 0, out]).toEqual([false, '']);
});
