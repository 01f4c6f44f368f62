import type { VerificationResult } from '@genledger/platform';
import { Corruption, JOB_MODEL_CORRUPTIONS } from '../../../../test/support/job-model-corruptions';
import { alice, bob, MixedLedger, openMixedLedger } from '../../../../test/support/mixed-ledger';
import { verifyLedger } from './verify-ledger';

let ledger: MixedLedger;
beforeAll(async () => {
  ledger = await openMixedLedger();
});
afterEach(() => ledger.restore());
afterAll(() => ledger.close());

async function failing(): Promise<VerificationResult[]> {
  return (await verifyLedger(ledger.database)).filter(({ holds }) => !holds);
}

it('finds nothing in what the store has written, and has looked at all of it', async () => {
  const results = await verifyLedger(ledger.database);
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
  const checked = Object.fromEntries(results.map(({ invariant, checked }) => [invariant, checked]));
  expect(checked).toMatchObject({
    streams_gapless: 9,
    histories_legal: 9,
    jobs_equal_replay: 9,
    statistics_equal_jobs: 7,
    costs_equal_events: 2,
    contents_match: 7,
    checkpoints_settled: 1,
  });
});

it('finds nothing once the tail is folded too, and says how far it is', async () => {
  await ledger.projector.drain();
  const steps: string[] = [];
  const results = await verifyLedger(ledger.database, ({ step, done, total }) =>
    steps.push(`${step} ${done === total}`),
  );
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
  expect(steps).toEqual(['streams true', 'positions true', 'statistics true']);
});

const progressed = `stream_id = :painted and type = 'JobProgressed' and version = 3`;

const corruptions: readonly Corruption[] = [
  [
    'a version that is missing',
    `delete from genledger.events where ${progressed}`,
    ['streams_gapless'],
    'painted',
  ],
  [
    'an event recorded before the one in front of it',
    `update genledger.events set recorded_at = recorded_at - interval '1 hour' where ${progressed}`,
    ['time_never_falls'],
    'painted',
  ],
  [
    'an event that stands behind the next one',
    `update genledger.events e set position = o.position from genledger.events o
      where e.stream_id = :painted and o.stream_id = :painted and (e.version, o.version) in ((3, 4), (4, 3))`,
    ['positions_ascend'],
    'painted',
  ],
  [
    "an event of another user's",
    `update genledger.events set user_id = '${bob}' where ${progressed}`,
    ['streams_have_one_owner'],
    'painted',
  ],
  [
    'an event that leaves a status in which the job was not',
    `update genledger.events set data = replace(data::text, '"from":"running"', '"from":"queued"')::json, tally[1] = 1
      where ${progressed}`,
    ['histories_legal'],
    'painted',
  ],
  [
    'an event of a type that may not come there',
    `update genledger.events set type = 'JobContentErased' where ${progressed}`,
    ['histories_legal', 'jobs_equal_replay'],
    'painted',
  ],
  [
    'a second end',
    `insert into genledger.events
     select position, stream_id, version + 1, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally
       from genledger.events where stream_id = :canceled and version = 2`,
    ['histories_legal', 'jobs_equal_replay', 'one_terminal_event', 'positions_ascend', 'positions_unique'],
    'canceled',
  ],
  [
    'a cost that does not follow from the one before',
    `update genledger.events set data = replace(data::text, '"cost_cents":0', '"cost_cents":7')::json, tally[3] = 7
      where ${progressed}`,
    ['costs_chain'],
    'painted',
  ],
  [
    'a tally that its event does not bear out',
    `update genledger.events set tally[4] = 9 where ${progressed}`,
    ['tallies_match'],
    'painted',
  ],
  ...JOB_MODEL_CORRUPTIONS,
  [
    'a prompt that was rewritten',
    `update genledger.job_requests set content_body = '{"prompt":"another"}' where id = :waiting`,
    ['contents_match'],
    'waiting',
  ],
  [
    'an error message that was rewritten',
    `update genledger.contents set body = '{"message":"another"}' where stream_id = :failed`,
    ['contents_match'],
    'failed',
  ],
  [
    'an account that its event does not bear out',
    `update genledger.events set account = '["other","text_to_image",null]' where stream_id = :painted and account is not null`,
    ['tallies_match'],
    'painted',
  ],
  [
    'a prompt that is gone without an erasure',
    `update genledger.job_requests set content_body = null where id = :waiting`,
    ['contents_match'],
    'waiting',
  ],
  [
    "a project that is another tenant's",
    `update genledger.projects set user_id = '${bob}' where id = (select project_id from genledger.job_states where id = :moved)`,
    ['tenants_apart'],
    'moved',
  ],
  [
    "an upload that is another tenant's",
    `update genledger.uploads set user_id = '${bob}'`,
    ['tenants_apart'],
    'painted',
  ],
  [
    'a cent that no event has charged',
    `update genledger.job_costs set incurred_cents = incurred_cents + 1 where user_id = '${alice}' and kind = 'text_to_image'`,
    ['costs_equal_events'],
    alice,
  ],
  [
    'a statistic that is off by one',
    `update genledger.job_statistics set count = count + 1 where user_id = '${bob}' and status = 'canceled'`,
    ['statistics_equal_jobs'],
    bob,
  ],
  [
    'a cost without jobs in the statistics',
    `insert into genledger.job_statistics values ('${bob}', 'failed', 0, 3)`,
    ['statistics_equal_jobs'],
    bob,
  ],
  [
    'a cent too much in the summary',
    `update genledger.generation_job_summary set total_cost_cents = total_cost_cents + 1
      where user_id = '${alice}' and status = 'failed'`,
    ['summary_equals_jobs'],
    alice,
  ],
  [
    'a summary that begins after its first job',
    `update genledger.generation_job_summary set first_job_at = now() + interval '1 day' where user_id = '${bob}'`,
    ['summary_equals_jobs'],
    bob,
  ],
  [
    'a checkpoint ahead of the log',
    `insert into genledger.checkpoints (name, position) values ('other', 1000000)`,
    ['checkpoints_settled'],
    'other',
  ],
  [
    'a tick ahead of the log',
    `insert into genledger.ticks (position, at) values (1000000, now())`,
    ['checkpoints_settled'],
    'tick',
  ],
];

it.each(corruptions)('finds %s', async (_what, sql, invariants, name) => {
  await ledger.spoil(sql);

  const found = await failing();

  expect(found.map(({ invariant }) => invariant).sort()).toEqual(invariants);
  expect(found.flatMap(({ examples }) => examples.map(({ id }) => id))).toContain(ledger.jobs[name] ?? name);
});

it('counts all offenders and names the first twenty', async () => {
  await ledger.superuser.query(
    `insert into genledger.checkpoints (name, position) select 'c' || n, 1000000 from generate_series(1, 30) as n`,
  );
  const [found] = await failing();
  expect(found).toMatchObject({ invariant: 'checkpoints_settled', holds: false, offenders: 30 });
  expect(found?.examples).toHaveLength(20);
});
