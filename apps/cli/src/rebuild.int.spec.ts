import type { JobFinding } from '@genledger/jobs';
import { CommandLine } from '../../../test/support/command-line';
import { MixedLedger, openMixedLedger } from '../../../test/support/mixed-ledger';

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

const rebuild = (...argv: string[]) =>
  line.run(['rebuild', 'generation_jobs', ...argv], { DATABASE_URL: ledger.adminUrl });

interface Result {
  readonly finished: boolean;
  readonly equal: boolean;
  readonly streams: number | null;
  readonly findings: readonly JobFinding[];
}

it('checks, mends and says what it has mended', async () => {
  await ledger.spoil(`update genledger.job_states set attempt = 7 where id = :failed`);
  const id = ledger.jobs['failed'];
  const detail = 'attempt is 7, by its events 2';
  expect(await rebuild('--check')).toEqual({
    code: 1,
    out: `differs        ${id}  ${detail}\n`,
    err: 'genledger: 1 of 9 jobs are not what their events say\n',
  });
  expect(await rebuild()).toEqual({
    code: 0,
    out: `mended         ${id}  ${detail}\n9 streams: 1 mended\n`,
    err: '',
  });
  expect(await rebuild('--check')).toEqual({
    code: 0,
    out: '9 streams: all are what their events say\n',
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
    streams: 9,
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
    out: '9 streams, 9 of them by a run before: all are what their events say\n',
  });
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
