import { JOB_MODEL_CORRUPTIONS } from '../../../../test/support/job-model-corruptions';
import { alice, MixedLedger, openMixedLedger } from '../../../../test/support/mixed-ledger';
import { verifyLedger } from '../verification/verify-ledger';
import { JobFinding, rebuildJobs, JobsOptions } from './rebuild-jobs';
import { RebuildRun, RebuildUnderWay } from './rebuild-run';

let ledger: MixedLedger;
beforeAll(async () => {
  ledger = await openMixedLedger();
});
afterEach(() => ledger.restore());
afterAll(() => ledger.close());

async function rebuild(options: Partial<JobsOptions> = {}) {
  const findings: JobFinding[] = [];
  const onFinding = (finding: JobFinding): void => void findings.push(finding);
  const outcome = await rebuildJobs(ledger.database, { check: false, onFinding, ...options });
  return { ...outcome, findings };
}

async function failing(): Promise<string[]> {
  return (await verifyLedger(ledger.database))
    .filter(({ holds }) => !holds)
    .map(({ invariant }) => invariant);
}

async function versionsOfRows(): Promise<unknown[]> {
  const { rows } = await ledger.superuser.query(
    `select id, xmin::text from genledger.job_states union all select id, xmin::text from genledger.job_requests
     union all select job_id, xmin::text from genledger.job_outputs
     union all select stream_id, xmin::text from genledger.ended_streams order by 1, 2`,
  );
  return rows as unknown[];
}

it('writes nothing where nothing differs', async () => {
  const before = await versionsOfRows();
  expect(await rebuild()).toEqual({ streams: 9, resumedAfter: 0, findings: [] });
  expect(await versionsOfRows()).toEqual(before);
});

/** What no event can give back, and sums that a history which is gone has left its mark on. */
const LEFT: Readonly<Record<string, string[]>> = {
  'a live history without a row': ['contents_match'],
  'a hot row without a cold row': ['contents_match'],
  'a row without a history': ['statistics_equal_jobs', 'summary_equals_jobs'],
};

it.each(JOB_MODEL_CORRUPTIONS)('finds %s, and mends it', async (what, sql, invariants, name) => {
  await ledger.spoil(sql);
  const id = ledger.jobs[name]!;

  const spoilt = await versionsOfRows();
  const checked = await rebuild({ check: true });
  expect(checked.findings).toEqual([{ id, fate: 'differs', detail: expect.any(String) as string }]);
  expect(await versionsOfRows()).toEqual(spoilt);
  expect(await failing()).toEqual(expect.arrayContaining(invariants));

  const { findings } = await rebuild();
  expect(findings).toEqual([{ ...checked.findings[0], fate: 'mended' }]);
  expect((await rebuild({ check: true })).findings).toEqual([]);
  expect(await failing()).toEqual(LEFT[what] ?? []);
});

it('makes all rows anew, with the texts that were set aside', async () => {
  await ledger.spoil(
    `insert into genledger.contents (stream_id, version, user_id, salt, body)
     select id, 1, user_id, content_salt, content_body from genledger.job_requests where content_body is not null`,
  );
  await ledger.superuser.query(
    'truncate genledger.job_states, genledger.job_requests, genledger.job_outputs, genledger.ended_streams',
  );
  expect((await rebuild()).findings).toHaveLength(9);
  expect(await failing()).toEqual([]);
});

it('leaves the rows alone of a job whose history has a hole', async () => {
  await ledger.spoil(`delete from genledger.events where stream_id = :painted and version = 1`);
  const before = await versionsOfRows();
  const { findings } = await rebuild();
  expect(findings).toEqual([
    { id: ledger.jobs['painted'], fate: 'broken_history', detail: 'its history has no version 1' },
  ]);
  expect(await versionsOfRows()).toEqual(before);
});

it('keeps the lease that heartbeats have moved', async () => {
  const id = ledger.jobs['tail']!;
  const start = {
    type: 'start',
    workerId: 'w',
    leaseMs: 60_000,
    actor: { userId: null, role: 'worker' },
  } as const;
  await ledger.store.submit({ id, userId: alice, command: start, meta: { actor: 'test' } });
  await ledger.spoil(
    `update genledger.job_states set lease_expires_at = '2099-01-01', worker_id = 'w2', max_attempts = 9 where id = :tail`,
  );
  expect((await rebuild()).findings).toMatchObject([{ id, fate: 'mended' }]);
  const [row] = await ledger.database.write(
    `select lease_expires_at, worker_id, max_attempts from genledger.job_states where id = $1`,
    [id],
  );
  expect(row).toEqual({ lease_expires_at: new Date('2099-01-01'), worker_id: 'w2', max_attempts: 3 });
});

it('names a job that somebody holds, and mends the others', async () => {
  await ledger.spoil(`update genledger.job_states set attempt = attempt + 1 where id in (:failed, :painted)`);
  await ledger.superuser.query('begin');
  await ledger.superuser.query('select from genledger.job_states where id = $1 for update', [
    ledger.jobs['failed'],
  ]);
  const { findings } = await rebuild();
  await ledger.superuser.query('rollback');
  expect(findings.map(({ id, fate }) => [id, fate])).toEqual([
    [ledger.jobs['painted'], 'mended'],
    [ledger.jobs['failed'], 'held'],
  ]);
  expect((await rebuild()).findings).toMatchObject([{ id: ledger.jobs['failed'], fate: 'mended' }]);
});

describe('a rebuild that is stopped', () => {
  const stopAfter = (streams: number): Partial<JobsOptions> => ({
    streamsAtOnce: 2,
    report: ({ done }) => {
      if (done >= streams) throw new Error('stopped');
    },
  });

  it.each([2, 4, 8])('goes on after %i of 9 streams, and the one after it starts anew', async (streams) => {
    await ledger.spoil(`update genledger.job_states set max_attempts = 9 where id = id`);
    const spoilt = (await rebuild({ check: true })).findings.map(({ id }) => id);
    const mended: string[] = [];
    const onFinding = ({ id }: JobFinding): void => void mended.push(id);

    await expect(rebuild({ ...stopAfter(streams), onFinding })).rejects.toThrow('stopped');
    expect(await rebuild({ onFinding })).toMatchObject({ resumedAfter: streams, streams: 9 });
    expect(mended).toEqual(spoilt);
    expect(await failing()).toEqual([]);
    expect(await rebuild()).toMatchObject({ resumedAfter: 0, streams: 9 });
  });
});

it('is the only one: a second one says so, and a check may run beside it', async () => {
  const run = await RebuildRun.begin(ledger.database, 'generation_jobs');
  await expect(rebuild()).rejects.toThrow(RebuildUnderWay);
  expect((await rebuild({ check: true })).findings).toEqual([]);
  await run.release();
  expect((await rebuild()).streams).toBe(9);
});
