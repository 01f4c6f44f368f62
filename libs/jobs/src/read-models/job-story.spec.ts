import * as fc from 'fast-check';
import type { StoredEvent } from '@genledger/event-store';
import { isLive } from '../job';
import type { JobEvent } from '../job-events';
import {
  canceled,
  cancelRequested,
  ended,
  failed,
  OWNER_ID,
  queued,
  started,
  succeeded,
  T0,
} from '../testing/job-fixtures';
import { steps, storedOf, walkAll } from '../testing/job-walks';
import { tellJob } from './job-story';

/** Events as they are stored, each so long after the one before it. */
function historyOf(...told: readonly (readonly [afterMs: number, event: JobEvent])[]): StoredEvent[] {
  let now = T0;
  return told.map(([afterMs, event], at) => {
    now += afterMs;
    return storedOf({ ...event, version: at + 1, recordedAt: now, userId: OWNER_ID });
  });
}

const FAILURE: JobEvent = {
  type: 'JobAttemptFailed',
  data: {
    ...failed().data,
    to: 'queued',
    reserved_delta_cents: 0,
    code: 'rate_limited',
    retry_at: '2026-01-01T00:00:05.000Z',
    has_content: true,
  } as never,
  content: { message: 'Slow down' },
};

it('tells who did what, why, how long it took and what it cost', () => {
  const story = tellJob(
    historyOf(
      [0, queued()],
      [30, started()],
      [2_000, FAILURE],
      [3_000, started({ attempt: 2 })],
      [1_000, succeeded()],
    ),
  );
  expect(story).toMatchObject({
    user_id: OWNER_ID,
    state: 'succeeded',
    version: 5,
    position: 5,
    queued_ms: 3_030,
    running_ms: 3_000,
    incurred_cents: 8,
    reserved_cents: 0,
  });
  expect(
    story.steps.map((step) => [
      step.since_previous_ms,
      step.what,
      step.why,
      step.charged_cents,
      step.reserved_cents,
    ]),
  ).toEqual([
    [0, 'queued a job of kind text_to_image, 3 attempts at most', null, 0, 8],
    [30, 'attempt 1 started, lease until 2026-01-01T00:00:30.000Z', null, 0, 0],
    [2_000, 'attempt 1 failed, due again at 2026-01-01T00:00:05.000Z', 'rate_limited: Slow down', 0, 0],
    [3_000, 'attempt 2 started, lease until 2026-01-01T00:00:30.000Z', null, 0, 0],
    [1_000, 'succeeded with 2 files', null, 8, -8],
  ]);
});

it.each<[string, JobEvent[], string, string, string | null]>([
  ['a cancel', [queued(), started(), cancelRequested()], 'running', 'asked the worker to stop', null],
  ['a canceled job', [queued(), canceled({ from: 'queued' })], 'canceled', 'canceled', 'it was asked for'],
  ['a deleted job', [queued(), succeeded(), ended('JobDeleted')], 'deleted', 'deleted', null],
  ['an archived job', [queued(), succeeded(), ended('JobArchived')], 'archived', 'archived', null],
  [
    'a message that was erased',
    [queued(), started(), { ...failed({ has_content: true }), content: null }],
    'failed',
    'failed for good',
    'invalid_input: (erased)',
  ],
  [
    'images that could not be made',
    [
      queued(),
      succeeded({ outputs: [], output_errors: [{ position: 1, code: 'content_policy_violation' }] }),
    ],
    'succeeded',
    'succeeded with 0 files, none at 1 (content_policy_violation)',
    null,
  ],
])('tells of %s', (_what, events, state, what, why) => {
  const story = tellJob(historyOf(...events.map((event) => [1, event] as const)));
  expect(story.state).toBe(state);
  expect(story.steps.at(-1)).toMatchObject({ what, why });
});

it('adds up to what the fold leads to, whatever was commanded', () => {
  const told = new Set<string>();
  fc.assert(
    fc.property(steps, (all) => {
      const { state, history } = walkAll(all);
      fc.pre(history.length > 0);
      const story = tellJob(history.map((event) => storedOf(event)));
      for (const { type, what } of story.steps) {
        told.add(type);
        expect(what).not.toBe('');
      }
      expect(story.version).toBe(history.length);
      if (isLive(state))
        expect(story).toMatchObject({
          state: state.status,
          incurred_cents: state.costCents,
          reserved_cents: state.reservedCents,
        });
      const end = history.findIndex(({ data }) => data.to !== 'queued' && data.to !== 'running');
      const lived = history[end === -1 ? history.length - 1 : end]!.recordedAt - history[0]!.recordedAt;
      expect(story.queued_ms + story.running_ms).toBe(lived);
    }),
    { numRuns: 1_000 },
  );
  expect(told.size).toBeGreaterThan(12);
});
