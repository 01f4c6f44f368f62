import { specFor } from '@genledger/event-store/testing';
import { LiveJob } from './job';
import { JOB_KINDS, JOB_STATUSES, JobEvent, JobStatus } from './job-events';
import type { JobActor, JobCommand } from './job-commands';
import { decide, jobDecider } from './job.decider';
import {
  ASSET_ID,
  canceled,
  cancelRequested,
  ended,
  EXTERNAL,
  externalQueued,
  failed,
  LEASE,
  output,
  OWNER,
  OWNER_ID,
  PROJECT_ID,
  queued,
  queueOf,
  started,
  STRANGER,
  succeeded,
  T0,
  WORKER,
} from './testing/job-fixtures';

const given = specFor(jobDecider);
/** In the histories below the lease belongs to the second event. */
const TOKEN = 2;
const LATER = T0 + 10 * LEASE;
const iso = (ms: number): string => new Date(ms).toISOString();

const HISTORIES: Readonly<Record<JobStatus | 'absent' | 'deleted' | 'archived', readonly JobEvent[]>> = {
  absent: [],
  queued: [queued({ input_asset_id: ASSET_ID, deadline: iso(T0 + LEASE) })],
  running: [queued({ input_asset_id: ASSET_ID, deadline: iso(T0 + LEASE) }), started()],
  succeeded: [queued({ input_asset_id: ASSET_ID }), started(), succeeded()],
  failed: [queued({ input_asset_id: ASSET_ID }), started(), failed()],
  canceled: [queued({ input_asset_id: ASSET_ID }), started(), cancelRequested(), canceled()],
  deleted: [queued(), started(), succeeded(), ended('JobDeleted')],
  archived: [queued(), started(), succeeded(), ended('JobArchived')],
};
const STATES = Object.keys(HISTORIES) as (keyof typeof HISTORIES)[];

const COMMANDS = {
  queue: queueOf(),
  start: { type: 'start', workerId: 'worker-2', leaseMs: LEASE, actor: WORKER },
  progress: { type: 'progress', leaseToken: TOKEN, fraction: 0.5, stage: 'half', actor: WORKER },
  succeed: {
    type: 'succeed',
    leaseToken: TOKEN,
    outputs: [output(1)],
    outputErrors: [],
    costCents: 4,
    actor: WORKER,
  },
  fail: { ...failure(false), leaseToken: TOKEN },
  'fail, to be retried': { ...failure(true), leaseToken: TOKEN },
  release: { type: 'release', leaseToken: TOKEN, actor: WORKER },
  expire_lease: { type: 'expire_lease', leaseToken: TOKEN, retryAfterMs: 0, actor: WORKER },
  miss_deadline: { type: 'miss_deadline', actor: WORKER },
  cancel: { type: 'cancel', actor: OWNER },
  confirm_cancel: { type: 'confirm_cancel', leaseToken: TOKEN, actor: WORKER },
  change_details: { type: 'change_details', mode: 'other', actor: OWNER },
  add_outputs: { type: 'add_outputs', outputs: [output(0)], actor: OWNER },
  remove_input_asset: { type: 'remove_input_asset', assetId: ASSET_ID, actor: OWNER },
  adjust_cost: { type: 'adjust_cost', deltaCents: 3, reason: 'invoice', actor: OWNER },
  erase_content: { type: 'erase_content', actor: OWNER },
  archive: { type: 'archive', actor: OWNER },
  delete: { type: 'delete', actor: OWNER },
} as const satisfies Readonly<Record<string, JobCommand>>;

function failure(retryable: boolean): Extract<JobCommand, { type: 'fail' }> {
  return {
    type: 'fail',
    leaseToken: TOKEN,
    code: 'rate_limited',
    message: 'Slow down',
    retryable,
    retryAfterMs: 5_000,
    actor: WORKER,
  };
}

/** Events in order, joined by +; `!code` refused, with what the refusal records behind it; '-' nothing. */
function inBrief(history: readonly JobEvent[], command: JobCommand, now = LATER): string {
  const { events, refusal } = decide(given(history).state(), command, now);
  const types = events.map((event) => event.type).join('+');
  if (refusal !== undefined) return types === '' ? `!${refusal}` : `!${refusal} ${types}`;
  return types === '' ? '-' : types;
}

describe('the lifecycle of a job', () => {
  const LOST = '!lease_lost JobResultRefused';
  const FINISHED = '!already_finished';
  const gone = { absent: '!not_found', deleted: '!not_found', archived: '!not_found' };
  const live = (what: string) => ({ queued: what, running: what, ...terminal(what) });
  const terminal = (what: string) => ({ succeeded: what, failed: what, canceled: what });
  const table: Readonly<Record<keyof typeof COMMANDS, Readonly<Record<keyof typeof HISTORIES, string>>>> = {
    queue: {
      ...live('!already_exists'),
      absent: 'JobQueued',
      deleted: '!already_exists',
      archived: '!already_exists',
    },
    // Due jobs past their deadline are failed in place of being started.
    start: {
      ...gone,
      queued: '!deadline_exceeded JobFailed',
      running: '!invalid_transition',
      ...terminal(FINISHED),
    },
    progress: { ...gone, queued: LOST, running: 'JobProgressed', ...terminal(LOST) },
    succeed: { ...gone, queued: LOST, running: 'JobSucceeded', ...terminal(LOST), succeeded: '-' },
    fail: { ...gone, queued: LOST, running: 'JobFailed', ...terminal(LOST), failed: '-' },
    'fail, to be retried': {
      ...gone,
      queued: LOST,
      running: 'JobAttemptFailed',
      ...terminal(LOST),
      failed: '-',
    },
    release: { ...gone, queued: LOST, running: 'JobReleased', ...terminal(LOST) },
    expire_lease: { ...gone, queued: '-', running: 'JobLeaseExpired', ...terminal('-') },
    miss_deadline: { ...gone, queued: 'JobFailed', running: '-', ...terminal('-') },
    cancel: {
      ...gone,
      queued: 'JobCanceled',
      running: 'JobCancelRequested',
      ...terminal(FINISHED),
      canceled: '-',
    },
    confirm_cancel: {
      ...gone,
      queued: LOST,
      running: '!invalid_transition',
      ...terminal(LOST),
      canceled: '-',
    },
    change_details: { ...gone, ...live('!only_queued'), queued: 'JobDetailsChanged' },
    add_outputs: { ...gone, ...live('!not_finished'), succeeded: 'JobOutputAdded' },
    remove_input_asset: { ...gone, ...live('JobInputAssetRemoved') },
    adjust_cost: { ...gone, ...live('JobCostAdjusted') },
    erase_content: {
      ...gone,
      ...live('JobContentErased'),
      queued: 'JobCanceled+JobContentErased',
      running: 'JobCanceled+JobContentErased',
    },
    archive: { ...gone, ...live('JobArchived'), queued: '!not_finished', running: '!not_finished' },
    delete: {
      ...gone,
      ...live('JobDeleted'),
      queued: 'JobCanceled+JobDeleted',
      running: 'JobCanceled+JobDeleted',
      deleted: '-',
      archived: '-',
    },
  };
  const cells = (Object.keys(table) as (keyof typeof COMMANDS)[]).flatMap((command) =>
    STATES.map((state) => [command, state, table[command][state]] as const),
  );

  it.each(cells)('%s on a job that is %s: %s', (command, state, expected) => {
    expect(inBrief(HISTORIES[state], COMMANDS[command])).toBe(expected);
  });

  it.each(JOB_KINDS)('is the same for the kind %s, as far as workers move it', (kind) => {
    given([queued({ kind }), started()])
      .when(COMMANDS.succeed)
      .then([succeeded({ kind, cost_cents: 4, cost_delta_cents: 4, outputs: [output(1)] })]);
  });
});

describe('a transition by the owner of an external job', () => {
  const byOwner = started({ worker_id: null, lease_expires_at: null });
  const charged = { kind: 'external', mode: 'lifestyle', model: null, reserved_delta_cents: 0 } as const;
  const histories: Readonly<Record<JobStatus, readonly JobEvent[]>> = {
    queued: [externalQueued()],
    running: [externalQueued(), byOwner],
    succeeded: [
      externalQueued(),
      byOwner,
      succeeded({ ...charged, cost_cents: 0, cost_delta_cents: 0, outputs: [] }),
    ],
    failed: [externalQueued(), byOwner, failed(charged)],
    canceled: [externalQueued(), canceled({ from: 'queued', reserved_delta_cents: 0 })],
  };
  const to = (status: JobStatus, costCents: number | null = null): JobCommand => ({
    type: 'transition',
    to: status,
    code: null,
    message: null,
    costCents,
    actor: OWNER,
  });
  const allowed: Partial<Record<`${JobStatus} to ${JobStatus}`, string>> = {
    'queued to running': 'JobStarted',
    'queued to canceled': 'JobCanceled',
    'running to succeeded': 'JobSucceeded',
    'running to failed': 'JobFailed',
    'running to canceled': 'JobCanceled',
  };
  const pairs = JOB_STATUSES.flatMap((from) => JOB_STATUSES.map((status) => [from, status] as const));

  it.each(pairs)('from %s to %s', (from, status) => {
    const refused = ['queued', 'running'].includes(from) ? '!invalid_transition' : '!already_finished';
    const expected = from === status ? '-' : (allowed[`${from} to ${status}`] ?? refused);
    expect(inBrief(histories[from], to(status))).toBe(expected);
  });

  it.each(pairs)('from %s to %s is not open to jobs of another kind', (from, status) => {
    expect(inBrief(HISTORIES[from], to(status))).toBe('!not_external');
  });

  it.each(JOB_STATUSES)('to %s is not theirs while a worker holds the job', (status) => {
    const expected = status === 'running' ? '-' : '!only_lease_holder';
    expect(inBrief([externalQueued(), started()], to(status))).toBe(expected);
  });

  it('states what the job has cost in all, of which the difference is charged', () => {
    given([
      externalQueued({ cost_cents: 30, cost_delta_cents: 30 }),
      { ...byOwner, data: { ...byOwner.data, cost_cents: 30 } } as JobEvent,
    ])
      .when(to('succeeded', 100))
      .then([succeeded({ ...charged, cost_cents: 100, cost_delta_cents: 70, outputs: [] })]);
  });

  it('charges what is stated at the start as an adjustment', () => {
    expect(inBrief([externalQueued()], to('running', 40))).toBe('JobStarted+JobCostAdjusted');
  });

  it('never takes back what was incurred', () => {
    given([externalQueued({ cost_cents: 30, cost_delta_cents: 30 })])
      .when(to('running', 29))
      .thenRefused('cost_cannot_fall');
  });

  it('has no lease, so nobody rescues it', () => {
    expect(inBrief([externalQueued(), byOwner], COMMANDS.expire_lease)).toBe('-');
  });

  it('keeps the error message out of the event', () => {
    given([externalQueued(), byOwner])
      .when({
        type: 'transition',
        to: 'failed',
        code: null,
        message: 'Printer on fire',
        costCents: null,
        actor: OWNER,
      })
      .then([
        {
          ...failed({ ...charged, code: 'failed', has_content: true }),
          content: { message: 'Printer on fire' },
        } as JobEvent,
      ]);
  });
});

describe('a queued job', () => {
  it('is recorded with its whole request, but for the texts', () => {
    given([])
      .when(queueOf({ priority: 5, projectId: PROJECT_ID, statedCents: 0 }), { now: T0 })
      .then([withoutPlace(queued({ priority: 5, project_id: PROJECT_ID }))]);
  });

  it('is due when it says', () => {
    const history = [queued({ run_at: iso(T0 + 60_000) })];
    expect((given(history).state() as LiveJob).runAt).toBe(T0 + 60_000);
  });

  it('may state what external work has cost so far', () => {
    const { events } = decide(
      given([]).state(),
      { type: 'queue', job: { ...EXTERNAL, statedCents: 12 }, actor: OWNER },
      T0,
    );
    expect(events).toMatchObject([
      { data: { cost_cents: 12, cost_delta_cents: 12, reserved_delta_cents: 0 } },
    ]);
  });

  it('is refused when its deadline has passed already', () => {
    given([])
      .when(queueOf({ deadline: T0 }), { now: T0 })
      .thenRefused('deadline_exceeded');
    expect(inBrief([], queueOf({ deadline: T0 + 1 }), T0)).toBe('JobQueued');
  });

  it('moves its sums along when it changes its project', () => {
    given([queued()])
      .when({ type: 'change_details', projectId: PROJECT_ID, actor: OWNER })
      .then([
        {
          type: 'JobDetailsChanged',
          data: {
            project_id: PROJECT_ID,
            from_project_id: null,
            from: 'queued',
            to: 'queued',
            cost_cents: 0,
            cost_delta_cents: 0,
            reserved_delta_cents: 0,
            mode: 'text_to_image',
            priority: 0,
          },
          content: null,
        },
      ]);
  });

  it('is not changed by details that it has', () => {
    given([queued()])
      .when({ type: 'change_details', mode: 'text_to_image', priority: 0, projectId: null, actor: OWNER })
      .thenNothing();
  });
});

describe('a lease', () => {
  const running = [queued(), started()];

  it('is named by the version of its start, which progress and cost leave alone', () => {
    const progressed = given(running).when(COMMANDS.progress).state() as LiveJob;
    expect(progressed).toMatchObject({ version: 3, leaseToken: TOKEN, leaseExpiresAt: T0 + LEASE });
    given([...running, decided(running, COMMANDS.progress), decided(running, COMMANDS.adjust_cost)])
      .when({ ...COMMANDS.succeed, costCents: 8, outputs: [output(1), output(2)] })
      .then([succeeded({ cost_cents: 11 })]);
  });

  it('gives way to the next one, and its holder is refused, once on the record', () => {
    const again = [
      ...running,
      decided(running, COMMANDS.expire_lease),
      started({ attempt: 2, worker_id: 'worker-2', lease_expires_at: iso(LATER + LEASE) }),
    ];
    const refusal: JobEvent = {
      type: 'JobResultRefused',
      data: {
        project_id: null,
        from: 'running',
        to: 'running',
        cost_cents: 0,
        cost_delta_cents: 0,
        reserved_delta_cents: 0,
        lease_token: TOKEN,
        reason: 'lease_lost',
      },
    };
    given(again).when(COMMANDS.succeed).thenRefused('lease_lost', [refusal]);
    given([...again, refusal])
      .when(COMMANDS.succeed)
      .thenRefused('lease_lost');
    given([...again, refusal])
      .when(COMMANDS.fail)
      .thenRefused('lease_lost');
    expect(inBrief([...again, refusal], { ...COMMANDS.succeed, leaseToken: 4 })).toBe('JobSucceeded');
  });

  it('is not ended before its time, nor by another token', () => {
    given(running)
      .when(COMMANDS.expire_lease, { now: T0 + LEASE - 1 })
      .thenNothing();
    given(running)
      .when({ ...COMMANDS.expire_lease, leaseToken: 1 }, { now: LATER })
      .thenNothing();
    expect(inBrief(running, COMMANDS.expire_lease, T0 + LEASE)).toBe('JobLeaseExpired');
  });

  it('that runs out after the last attempt fails the job', () => {
    given([queued({ max_attempts: 1 }), started()])
      .when(COMMANDS.expire_lease, { now: LATER })
      .then([failed({ code: 'lease_expired' })]);
  });

  it('that runs out after a cancel was asked for cancels the job', () => {
    given([...running, cancelRequested()])
      .when(COMMANDS.expire_lease, { now: LATER })
      .then([canceled()]);
  });

  it('that is handed back does not use up an attempt', () => {
    expect(given(running).when(COMMANDS.release).state()).toMatchObject({
      status: 'queued',
      attempt: 0,
      leaseExpiresAt: null,
      workerId: null,
      reservedCents: 8,
    });
  });
});

describe('an attempt that failed', () => {
  it('is followed by another, due at its retry_at', () => {
    expect(
      given([queued(), started()]).when(COMMANDS['fail, to be retried'], { now: LATER }).state(),
    ).toMatchObject({
      status: 'queued',
      attempt: 1,
      runAt: LATER + 5_000,
      errorCode: 'rate_limited',
      errorVersion: 3,
      reservedCents: 8,
    });
  });

  it.each([
    ['was the last one', [queued({ max_attempts: 1 }), started()]],
    ['was to be canceled', [queued(), started(), cancelRequested()]],
  ])('ends the job where it %s', (_, history) => {
    expect(inBrief(history, COMMANDS['fail, to be retried'])).toBe('JobFailed');
  });

  it.each([
    ['the next one', 'JobAttemptFailed', true],
    ['the end', 'JobFailed', false],
  ])('names the provider’s record of the call, whether it is followed by %s', (_, type, retryable) => {
    const history = [queued(), started()];
    expect(decided(history, { ...failure(retryable), providerRequestId: 'req_41' })).toMatchObject({
      type,
      data: { provider_request_id: 'req_41' },
    });
    expect(decided(history, failure(retryable)).data).not.toHaveProperty('provider_request_id');
  });

  it('leaves no trace on a job that succeeds later', () => {
    const history = [queued(), started()];
    const retried = [...history, decided(history, COMMANDS['fail, to be retried']), started({ attempt: 2 })];
    expect(
      given(retried)
        .when({ ...COMMANDS.succeed, leaseToken: 4 })
        .state(),
    ).toMatchObject({
      status: 'succeeded',
      attempt: 2,
      errorCode: null,
      errorVersion: null,
    });
  });
});

describe('canceling', () => {
  const asked = [queued(), started(), cancelRequested()];

  it('a job that a worker holds asks, and the worker confirms', () => {
    given([queued(), started()]).when(COMMANDS.cancel).then([cancelRequested()]);
    given(asked).when(COMMANDS.cancel).thenNothing();
    given(asked).when(COMMANDS.confirm_cancel).then([canceled()]);
  });

  it('loses against a result that was on its way', () => {
    expect(inBrief(asked, COMMANDS.succeed)).toBe('JobSucceeded');
  });

  it('releases what was reserved', () => {
    given([queued()])
      .when(COMMANDS.cancel)
      .then([canceled({ from: 'queued' })]);
  });
});

describe('a deadline', () => {
  const deadline = iso(T0 + 5_000);

  it('fails a job that is not started by then', () => {
    given([queued({ deadline })])
      .when(COMMANDS.start, { now: T0 + 5_000 })
      .thenRefused('deadline_exceeded', [failed({ from: 'queued', attempt: 0, code: 'deadline_exceeded' })]);
    expect(inBrief([queued({ deadline })], COMMANDS.start, T0 + 4_999)).toBe('JobStarted');
  });

  it('is not missed before it is there, nor where there is none', () => {
    given([queued({ deadline })])
      .when(COMMANDS.miss_deadline, { now: T0 + 4_999 })
      .thenRefused('invalid_transition');
    given([queued()]).when(COMMANDS.miss_deadline).thenRefused('invalid_transition');
  });

  it('does not end a job that was started in time, but one that is queued again after it', () => {
    const history = [queued({ deadline }), started()];
    expect(inBrief(history, COMMANDS.miss_deadline, T0 + 5_000)).toBe('-');
    const { events } = decide(given(history).state(), COMMANDS.release, T0);
    expect(inBrief([...history, ...events], COMMANDS.miss_deadline, T0 + 5_000)).toBe('JobFailed');
  });
});

describe('cost', () => {
  const done = [queued(), started(), succeeded()];

  it('is settled at the end: what was reserved is released, what was used is charged', () => {
    expect(given(done).state()).toMatchObject({ costCents: 8, reservedCents: 0 });
  });

  it('never falls', () => {
    given(done)
      .when({ ...COMMANDS.adjust_cost, deltaCents: -1 })
      .thenRefused('cost_cannot_fall');
    given(done)
      .when({ ...COMMANDS.adjust_cost, deltaCents: 0 })
      .thenNothing();
    expect(given(done).when(COMMANDS.adjust_cost).state()).toMatchObject({ costCents: 11 });
  });

  it('leaves the lists with a deleted job, and stays incurred', () => {
    given(done)
      .when(COMMANDS.delete)
      .then([
        {
          type: 'JobDeleted',
          data: {
            project_id: null,
            from: 'succeeded',
            to: null,
            cost_cents: 8,
            cost_delta_cents: 0,
            reserved_delta_cents: 0,
          },
        },
      ]);
  });
});

describe('outputs that are added', () => {
  it('come after those that are there', () => {
    const { events } = decide(
      given(HISTORIES.succeeded).state(),
      { ...COMMANDS.add_outputs, outputs: [output(0), output(0)] },
      LATER,
    );
    expect(events).toMatchObject([{ data: { outputs: [{ position: 3 }, { position: 4 }] } }]);
  });

  it('take no position that an image had, made or failed', () => {
    const partly = (outputs: readonly number[], errors: readonly number[]) => [
      queued(),
      started(),
      succeeded({
        outputs: outputs.map((position) => output(position)),
        output_errors: errors.map((position) => ({ position, code: 'content_policy_violation' })),
      }),
    ];
    for (const history of [partly([2], [1]), partly([1], [2])]) {
      const { events } = decide(given(history).state(), COMMANDS.add_outputs, LATER);
      expect(events).toMatchObject([{ data: { outputs: [{ position: 3 }] } }]);
    }
  });
});

describe('who may command', () => {
  const actors: readonly (readonly [string, JobActor, string])[] = [
    ['its owner', OWNER, 'JobCanceled'],
    ['another user', STRANGER, '!not_found'],
    ['an admin', { userId: STRANGER.userId, role: 'admin' }, 'JobCanceled'],
    ['the server', { userId: null, role: 'system' }, 'JobCanceled'],
  ];
  it.each(actors)('%s', (_, actor, expected) => {
    expect(inBrief(HISTORIES.queued, { type: 'cancel', actor })).toBe(expected);
  });

  it.each(Object.entries(COMMANDS).filter(([name]) => name !== 'queue'))(
    'another user learns nothing from %s of a job that is not theirs',
    (_, command) => {
      for (const state of STATES)
        expect(inBrief(HISTORIES[state], { ...command, actor: STRANGER })).toBe('!not_found');
    },
  );
});

it('names the owner of a job that came from elsewhere, with the status it had', () => {
  const imported = { ...queued({ to: 'failed' }), type: 'JobImported' } as unknown as JobEvent;
  const history = [
    {
      ...imported,
      data: {
        ...imported.data,
        source_id: 'old-1',
        error_code: 'timeout',
        started_at: iso(T0),
        completed_at: iso(T0),
      },
    } as JobEvent,
  ];
  expect(given(history).state()).toMatchObject({
    status: 'failed',
    userId: OWNER_ID,
    errorCode: 'timeout',
    startedAt: T0,
    completedAt: T0,
  });
});

/** The first event of a decision, to go on with. */
function decided(history: readonly JobEvent[], command: JobCommand): JobEvent {
  const [event] = decide(given(history).state(), command, LATER).events;
  if (!event) throw new Error(`${command.type} led to nothing`);
  return event;
}

function withoutPlace({ type, data, content }: JobEvent): JobEvent {
  return { type, data, content } as JobEvent;
}
