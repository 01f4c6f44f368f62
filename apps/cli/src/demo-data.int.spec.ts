import { CommandLine } from '../../../test/support/command-line';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import type { DemoData } from './demo-data-report';

jest.setTimeout(60_000);

let line: CommandLine;
let database: TestDatabase;
let env: { DATABASE_URL: string };
beforeEach(async () => {
  line = new CommandLine();
  database = await createTestDatabase();
  env = { DATABASE_URL: database.adminUrl };
});
afterEach(async () => {
  line.remove();
  await database.drop();
});

it('fills an empty log and sums it up as one line of JSON; the whole database holds', async () => {
  const { code, out, err } = await line.run(['demo-data', '--jobs', '60', '--seed', '3', '--json'], env);
  expect([code, err, out.trim().split('\n').length]).toEqual([0, '', 1]);
  const made = JSON.parse(out) as DemoData;
  const listed = Object.values(made.by_status).reduce((sum, { count }) => sum + count, 0);
  expect(made).toMatchObject({ jobs: 60, seed: 3, users: 3, deleted: 60 - listed });
  expect(Object.keys(made.by_status)).toEqual(['queued', 'running', 'succeeded', 'failed', 'canceled']);
  const listedCents = Object.values(made.by_status).reduce((sum, { cost_cents }) => sum + cost_cents, 0);
  expect(made.incurred_cents).toBeGreaterThanOrEqual(listedCents);
  expect(made.events).toBeGreaterThan(120);
  expect(Date.parse(made.until) - Date.parse(made.from)).toBe(90 * 86_400_000);

  const verified = await line.run(['verify'], env);
  expect([verified.code, verified.out]).toEqual([0, expect.stringMatching(/invariants hold\.\n$/)]);
});

it('tells a person what there is, and refuses a log that has events with one line', async () => {
  const { code, out, err } = await line.run(['demo-data', '--jobs', '40'], env);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(
    /^40 jobs of 3 users, \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, seed 1\n {2}queued +\d+ +\$0\.00\n/,
  );
  expect(out).toMatch(/\n\d+ events in \d+\.\d s: [\d,]+ a second\n/);
  expect(out).toMatch(/npx genledger token --user [0-9a-f-]{36} --role user\n$/);

  expect(await line.run(['demo-data', '--jobs', '40'], env)).toEqual({
    code: 1,
    out: '',
    err: 'genledger: the log has events: a made-up history goes into an empty one only\n',
  });
});

it('stops when it is interrupted', async () => {
  line.interruption.abort(new Error('interrupted'));
  expect(await line.run(['demo-data', '--jobs', '5'], env)).toEqual({
    code: 1,
    out: '',
    err: 'genledger: interrupted\n',
  });
});
