import { Client } from 'pg';
import { knownMigrations, newId } from '@genledger/platform';
import { CommandLine } from '../../../test/support/command-line';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import type { CheckResult } from './checkup';

let line: CommandLine;
let database: TestDatabase;
let superuser: Client;
beforeEach(async () => {
  line = new CommandLine();
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.adminUrl });
  await superuser.connect();
});
afterEach(async () => {
  line.remove();
  await superuser.end();
  await database.drop();
});

async function examine(env: Record<string, string> = {}): Promise<{ code: number; checks: CheckResult[] }> {
  const given = { PORT: '0', DATABASE_URL: database.adminUrl, ...env };
  const { code, out } = await line.run(['doctor', '--json'], given);
  return { code, checks: (JSON.parse(out) as { checks: CheckResult[] }).checks };
}

/** What fails, and nothing else: one sick part must not make others look sick. */
async function failures(env: Record<string, string> = {}): Promise<Partial<CheckResult>[]> {
  const { code, checks } = await examine(env);
  const failed = checks.filter(({ status }) => status === 'failed');
  expect(code).toBe(failed.length === 0 ? 0 : 1);
  return failed.map(({ check, detail, remedy }) => ({ check, detail, ...(remedy && { remedy }) }));
}

it('finds a migrated database in order, down to its log', async () => {
  const { code, out, err } = await line.run(['doctor'], { PORT: '0', DATABASE_URL: database.adminUrl });
  expect([code, err]).toEqual([0, '']);
  expect(out).not.toContain(new URL(database.adminUrl).password);
  expect(out).toMatch(/^ok {3}version +PostgreSQL \d+/m);
  expect(out).toMatch(/^ok {3}roles +logins and memberships are there, and none may alter events$/m);
  expect(out).toContain(`ok   schema         all ${knownMigrations.length} migrations\n`);
  expect(out).toContain('ok   log            settled up to position 0 of 0\n');
  expect(out).toContain('ok   projections    jobs at position 0 of 0, 0 s behind\n');
  expect(out).toContain('ok   partitions     this month and 12 ahead\n');
});

it('tells to migrate where a migration is missing, and does not look behind it', async () => {
  await superuser.query('delete from genledger.migrations where name = $1', [knownMigrations.at(-1)]);
  const detail = `lacks ${knownMigrations.at(-1)}`;
  expect(await failures()).toEqual([{ check: 'schema', detail, remedy: 'run "genledger migrate"' }]);
  const { checks } = await examine();
  expect(checks.find(({ check }) => check === 'log')?.status).toBe('skipped');

  await superuser.query('drop schema genledger cascade');
  expect(await failures()).toEqual([
    { check: 'schema', detail: `lacks ${knownMigrations.join(', ')}`, remedy: 'run "genledger migrate"' },
  ]);
});

it('takes migrations of a newer version for no fault', async () => {
  await superuser.query(`insert into genledger.migrations (timestamp, name) values (1, 'Tomorrow1')`);
  expect(await failures()).toEqual([]);
});

describe('a login of its own for the server', () => {
  // Roles are the cluster's, which other tests use too.
  const login = `doctor_${newId().replaceAll('-', '')}`;
  let DATABASE_APP_URL: string;
  beforeEach(async () => {
    await superuser.query(`create role ${login} login password 'own'`);
    const url = new URL(database.adminUrl);
    [url.username, url.password] = [login, 'own'];
    DATABASE_APP_URL = url.href;
  });
  afterEach(async () => {
    await superuser.query(`drop owned by ${login}; drop role ${login}`);
  });

  it('has to be a member of the three roles', async () => {
    await superuser.query(`grant genledger_writer to ${login}`);
    expect(await failures({ DATABASE_APP_URL })).toEqual([
      {
        check: 'roles',
        detail: `${login} is no member of authenticated; ${login} is no member of genledger_auditor`,
        remedy: 'run "genledger migrate"',
      },
    ]);
    await superuser.query(`grant authenticated, genledger_auditor to ${login}`);
    expect(await failures({ DATABASE_APP_URL })).toEqual([]);
  });

  it('must not be able to alter events', async () => {
    await superuser.query(`grant genledger_writer, authenticated, genledger_auditor to ${login};
                           grant usage on schema genledger to ${login};
                           grant update on genledger.events to ${login}`);
    expect(await failures({ DATABASE_APP_URL })).toMatchObject([
      { check: 'roles', detail: `${login} may alter events` },
    ]);
  });

  it('has to have the password that DATABASE_APP_URL says', async () => {
    await superuser.query(`grant genledger_writer, authenticated, genledger_auditor to ${login};
                           alter role ${login} password 'another'`);
    const [fault, ...others] = await failures({ DATABASE_APP_URL });
    expect(others).toEqual([]);
    expect(fault).toMatchObject({ check: 'logins', detail: expect.stringContaining(`refuses ${login}`) });
  });
});

it('finds jobs that nobody takes back, and sums that nobody folds', async () => {
  await appendRaw(superuser, { streamId: newId(), version: 1, recordedAt: new Date(Date.now() - 3_600_000) });
  await superuser.query(
    `insert into genledger.job_states (id, user_id, kind, mode, status, version, attempt, max_attempts, rank, run_at,
       lease_token, lease_expires_at, reserved_cents, cost_cents, updated_at)
     select $1, $1, 'text_to_image', 'x', 'running', 2, 1, 1, 0, t, 1, t, 0, 0, t
       from (select now() - interval '1 hour' as t) as an_hour_ago`,
    [newId()],
  );
  expect(await failures()).toEqual([
    {
      check: 'projections',
      detail: expect.stringMatching(/^jobs at position 0 of 1, 3,60\d s behind$/),
      remedy: expect.stringContaining('role projector'),
    },
    {
      check: 'leases',
      detail: expect.stringMatching(/^running jobs that lost their worker: 1, up to 3,60\d s ago$/),
      remedy: 'start a process with the role scheduler',
    },
  ]);
});

it('finds the month that has no partition', async () => {
  const [next] = (
    await superuser.query<{ name: string; month: string }>(
      `select to_char(m, '"genledger.events_"YYYY_MM') as name, to_char(m, 'YYYY-MM') as month
         from (select date_trunc('month', now() at time zone 'UTC') + interval '1 month' as m) as next`,
    )
  ).rows;
  await superuser.query(`drop table ${next!.name}`);
  expect(await failures()).toMatchObject([
    { check: 'partitions', detail: `there is none for ${next!.month}: jobs of that month are refused` },
  ]);
});
