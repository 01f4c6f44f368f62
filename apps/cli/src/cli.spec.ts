import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TokenVerifier } from '@genledger/platform';
import { CommandLine } from '../../../test/support/command-line';

const alice = '11111111-1111-4111-8111-111111111111';
const secret = 'a secret of thirty-two bytes at least';
const trust = { issuer: 'genledger', audience: 'authenticated' };

let line: CommandLine;
beforeEach(() => (line = new CommandLine()));
afterEach(() => line.remove());

describe('genledger', () => {
  it.each([[['--help']], [['help']], [['token', '--help']], [['demo', '--help']]])(
    '%j shows help and ends with 0',
    async (argv) => {
      const { code, out, err } = await line.run(argv);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('Usage: genledger');
    },
  );

  it.each([
    [['migrat'], "unknown command 'migrat'\n(Did you mean migrate?)"],
    [['verify', '--fast'], "unknown option '--fast'"],
    [['verify', 'more'], 'too many arguments'],
    [['token'], "required option '--user <uuid>' not specified"],
    [[], 'Usage: genledger'],
  ])('%j is wrong use: 2', async (argv, said) => {
    const { code, out, err } = await line.run(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
  });

  it('names a variable that it does not know', async () => {
    const { code, err } = await line.run(['verify'], { GENLEDGER_HOM: '/x' });
    expect(code).toBe(2);
    expect(err).toMatch(
      /^genledger: "GENLEDGER_HOM" is not a variable of Genledger; .*did you mean GENLEDGER_HOME\?\n$/,
    );
  });
});

describe('genledger token', () => {
  it('prints a token, and nothing else, that the server of the same home takes', async () => {
    const { code, out, err } = await line.run(['token', '--user', alice, '--role', 'auditor']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const kept = readFileSync(join(line.cwd, 'home', 'server.secret'), 'utf8').trim();
    const verifier = new TokenVerifier({ ...trust, secret: kept });
    await expect(verifier.verify(out.trim())).resolves.toMatchObject({ userId: alice, role: 'auditor' });
  });

  it('signs with JWT_SECRET where it is given, in .env too', async () => {
    writeFileSync(join(line.cwd, '.env'), `JWT_SECRET="${secret}"\n`);
    const { out } = await line.run(['token', '--user', alice, '--role', 'user', '--ttl', '60', '--json']);
    const { token, expires_in } = JSON.parse(out) as { token: string; expires_in: number };
    expect(expires_in).toBe(60);
    const verifier = new TokenVerifier({ ...trust, secret });
    await expect(verifier.verify(token)).resolves.toMatchObject({ userId: alice, role: 'user' });
  });

  it.each([
    ['a user that is no UUID', ['--user', 'alice', '--role', 'user'], '--user "alice"'],
    [
      'a UUID in capitals',
      ['--user', 'ABCDEF11-1111-4111-8111-111111111111', '--role', 'user'],
      'lower case',
    ],
    [
      'a role that there is not',
      ['--user', alice, '--role', 'king'],
      'user, service, worker, auditor, admin',
    ],
    ['no time at all', ['--user', alice, '--role', 'user', '--ttl', '0'], '--ttl "0": a whole number from 1'],
    ['a time that is no number', ['--user', alice, '--role', 'user', '--ttl', '1h'], '--ttl "1h"'],
  ])('refuses %s', async (_what, argv, said) => {
    const { code, out, err } = await line.run(['token', ...argv]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
  });

  it('says that tokens are signed elsewhere where JWKS_URL is set', async () => {
    const { code, err } = await line.run(['token', '--user', alice, '--role', 'user'], {
      JWKS_URL: 'https://example.com/keys',
    });
    expect([code, err]).toEqual([
      2,
      'genledger: JWKS_URL is set: tokens are signed elsewhere, by whoever holds its keys\n',
    ]);
  });
});

describe('genledger replay', () => {
  const id = '01a1fb8b-a344-75c0-baf8-a3d0783612f8';

  it.each([
    [[], "missing required argument 'job-id'"],
    [['17'], 'job-id "17": a UUID in lower case is wanted'],
    [[id.toUpperCase()], 'a UUID in lower case is wanted'],
    [[id, id], 'too many arguments'],
    [[id, '--as-of'], "option '--as-of <moment>' argument missing"],
    [[id, '--as-of', 'yesterday'], '--as-of "yesterday": a position like 17 or a time like'],
    [[id, '--as-of', '2026-01-31'], '--as-of "2026-01-31"'],
  ])('refuses %j before it reaches for a database', async (argv, said) => {
    const { code, out, err } = await line.run(['replay', ...argv], {
      DATABASE_URL: 'postgres://127.0.0.1:1/db',
    });
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
    expect(err).not.toContain('nothing listens');
  });
});

describe('genledger rebuild', () => {
  it.each([
    [[], "missing required argument 'read-model'"],
    [['jobs'], 'Allowed choices are generation_jobs, job_statistics, generation_job_summary'],
    [['generation_jobs', 'more'], 'too many arguments'],
    [['job_statistics', '--dry-run'], "unknown option '--dry-run'"],
  ])('refuses %j before it reaches for a database', async (argv, said) => {
    const { code, out, err } = await line.run(['rebuild', ...argv], {
      DATABASE_URL: 'postgres://127.0.0.1:1/db',
    });
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
    expect(err).not.toContain('nothing listens');
  });
});

describe('genledger demo', () => {
  it.each([
    [['--images', '0'], '--images "0": a whole number from 1 to 10 is wanted'],
    [['--images', 'two'], '--images "two"'],
    [['--prompt', '  '], '--prompt: 1 to 32000 characters'],
  ])('refuses %j before it starts anything', async (argv, said) => {
    const { code, out, err } = await line.run(['demo', ...argv]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

describe('genledger demo-data', () => {
  it.each([
    [[], "required option '--jobs <number>' not specified"],
    [['--jobs', '0'], '--jobs "0": a whole number from 1 to 1000000 is wanted'],
    [['--jobs', '1e3'], '--jobs "1e3"'],
    [['--jobs', '1000001'], '--jobs "1000001"'],
    [['--jobs', '5', '--seed', 'spring'], '--seed "spring": a whole number from 0 to 999999999 is wanted'],
    [['--jobs', '5', 'more'], 'too many arguments'],
  ])('refuses %j before it reaches for a database', async (argv, said) => {
    const { code, out, err } = await line.run(['demo-data', ...argv], {
      DATABASE_URL: 'postgres://127.0.0.1:1/db',
    });
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
    expect(err).not.toContain('nothing listens');
  });
});

describe('a database that is given', () => {
  it.each([
    ['another kind of URL', 'mysql://u:hidden@h/db', 'DATABASE_URL=(not shown'],
    ['a port where nothing listens', 'postgres://u:hidden@127.0.0.1:1/db', 'nothing listens on 127.0.0.1:1'],
  ])('is refused with one line and 2: %s', async (_what, DATABASE_URL, said) => {
    for (const argv of [
      ['migrate'],
      ['verify'],
      ['replay', alice],
      ['rebuild', 'generation_jobs'],
      ['demo-data', '--jobs', '1'],
    ]) {
      const { code, out, err } = await line.run(argv, { DATABASE_URL });
      expect([code, out]).toEqual([2, '']);
      expect(err).toContain(said);
      expect(err).not.toContain('hidden');
      expect(err.trim().split('\n')).toHaveLength(1);
    }
  });
});
