import type { RebuildFinding } from '@genledger/jobs';
import { CommandLine } from '../../../test/support/command-line';
import { bob, MixedLedger, openMixedLedger } from '../../../test/support/mixed-ledger';

let line: CommandLine;
let ledger: MixedLedger;
beforeAll(async () => {
  ledger = await openMixedLedger();
});
beforeEach(() => (line = new CommandLine()));
afterEach(async () => {
  line.remove();
  await ledger.restore();
});
afterAll(() => ledger.close());

const rebuildModel = (model: string, ...argv: string[]) =>
  line.run(['rebuild', model, ...argv], { DATABASE_URL: ledger.adminUrl });
const rebuild = (...argv: string[]) => rebuildModel('generation_jobs', ...argv);

interface Result {
  readonly finished: boolean;
  readonly equal: boolean;
  readonly findings: readonly RebuildFinding[];
}

it('checks, mends and says what it has mended', async () => {
  await ledger.spoil(`update genledger.job_states set attempt = 7 where id = :failed`);
  const id = ledger.jobs['failed'];
  const detail = 'attempt is 7, by its events 2';
  expect(await rebuild('--check')).toEqual({
    code: 1,
    out: `differs        ${id}  ${detail}\n`,
    err: 'genledger: 9 streams read: 1 not as the events say\n',
  });
  expect(await rebuild()).toEqual({
    code: 0,
    out: `mended         ${id}  ${detail}\n9 streams read: 1 mended\n`,
    err: '',
  });
  expect(await rebuild('--check')).toEqual({
    code: 0,
    out: '9 streams read: all is as the events say\n',
    err: '',
  });
});

it('answers as one line of JSON', async () => {
  await ledger.spoil(
    `update genledger.job_requests set content_body = '{"prompt":"secret"}' where id = :waiting`,
  );
  await ledger.spoil(`update genledger.job_requests set tags = '{secret}' where id = :waiting`);
  const { code, out } = await rebuild('--json', '--check');
  expect([code, out.trim().split('\n').length]).toEqual([1, 1]);
  expect(JSON.parse(out)).toEqual({
    model: 'generation_jobs',
    check: true,
    finished: true,
    equal: false,
    unit: 'streams',
    done: 9,
    resumed_after: 0,
    findings: [{ id: ledger.jobs['waiting'], fate: 'differs', detail: 'tags differs from its events' }],
  });
  const mended = await rebuild('--json');
  expect([mended.code, (JSON.parse(mended.out) as Result).equal]).toEqual([0, true]);
});

it('tells what it has mended when it is interrupted, and goes on', async () => {
  await ledger.spoil(`update genledger.job_states set attempt = 7 where id = :failed`);
  line.interruption.abort(new Error('interrupted'));
  const { code, out, err } = await rebuild('--json');
  const { finished, equal, findings } = JSON.parse(out) as Result;
  expect([code, err, finished, equal, findings[0]?.id]).toEqual([
    1,
    'genledger: interrupted\n',
    false,
    false,
    ledger.jobs['failed'],
  ]);
  line = new CommandLine();
  expect(await rebuild()).toMatchObject({
    code: 0,
    out: '9 streams read, 9 of them by a run before: all is as the events say\n',
  });
});

it.each([
  [
    'job_statistics',
    `update genledger.job_statistics set count = 5 where user_id = '${bob}' and status = 'canceled'`,
    'canceled: 5 jobs, 0 cents; by the events 1 jobs, 0 cents',
  ],
  [
    'generation_job_summary',
    `update genledger.generation_job_summary set job_count = 5 where user_id = '${bob}' and status = 'canceled'`,
    'canceled: 5 jobs, 0 cents, ',
  ],
])('checks and mends %s', async (model, sql, detail) => {
  await ledger.spoil(sql);
  const checked = await rebuildModel(model, '--check');
  expect(checked).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^genledger: \d+ positions read: 1 not as the events say\n$/) as string,
  });
  expect(checked.out).toContain(`differs        ${bob}  ${detail}`);
  const mended = await rebuildModel(model);
  expect([mended.code, mended.out.split('\n').length]).toEqual([0, 3]);
  expect(mended.out).toContain(`mended         ${bob}  ${detail}`);
  expect(await rebuildModel(model, '--check')).toMatchObject({ code: 0, err: '' });
});

it('is the only one', async () => {
  await ledger.superuser.query(
    `select pg_advisory_lock(hashtext('genledger.rebuild'), hashtext('generation_jobs'))`,
  );
  expect(await rebuild()).toEqual({
    code: 1,
    out: '',
    err: 'genledger: generation_jobs is being rebuilt already, by another process\n',
  });
  await ledger.superuser.query('select pg_advisory_unlock_all()');
});
