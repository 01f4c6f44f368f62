import * as fc from 'fast-check';
import { JOB_STATUSES } from '../job-events';
import type { JobActor, JobCommand } from '../job-commands';
import {
  ASSET_ID,
  EXTERNAL,
  LEASE,
  newJob,
  output,
  OWNER,
  PROJECT_ID,
  STRANGER,
  T0,
  WORKER,
} from './job-fixtures';

export interface Walkable {
  readonly owner?: JobActor;
  readonly projectIds?: readonly (string | null)[];
  /** The only asset that is ever removed. */
  readonly assetId?: string;
  /** Deadlines that may be given; times of the model's clock. */
  readonly deadlines?: readonly (number | null)[];
  readonly uploadIds?: readonly string[];
  /** Lengths of leases that starts may ask for. */
  readonly leases?: readonly (number | null)[];
}

const CENTS = fc.constantFrom(0, 1, 4, 100);
/** Versions that a JobStarted may have in a short history: right ones and stale ones. */
const TOKENS = fc.integer({ min: 1, max: 8 });
const TEXTS = fc.constantFrom('A sunset', 'ünïcode 🌅', '', 'two\nlines "quoted" \\ {braces}');

/** Any command, sensible or not, as often as not by someone who may. Queueing comes often, so that walks get somewhere. */
export function commandsFor(walkable: Walkable = {}): fc.Arbitrary<JobCommand> {
  const {
    owner = OWNER,
    projectIds = [null, PROJECT_ID],
    assetId = ASSET_ID,
    deadlines = [null, T0 + 60_000],
    uploadIds = [output(1).upload_id],
    leases = [null, LEASE, LEASE],
  } = walkable;
  const outputs = (count: number) =>
    Array.from({ length: count }, (_, at) => output(at + 1, uploadIds[at % uploadIds.length]));
  const content = fc.option(
    fc.record(
      {
        prompt: TEXTS,
        metadata: fc.dictionary(fc.constantFrom('a', 'b'), TEXTS),
        tags: fc.uniqueArray(fc.constantFrom('x', 'y "z"', 'ä\\b'), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    ),
  );
  const job = fc
    .record({
      base: fc.constantFrom(newJob(), newJob(), EXTERNAL),
      content,
      projectId: fc.constantFrom(...projectIds),
      inputAssetId: fc.constantFrom(null, assetId),
      priority: fc.integer({ min: -2, max: 2 }),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      deadline: fc.constantFrom(...deadlines),
      statedCents: CENTS,
    })
    .map(({ base, statedCents, ...rest }) => ({
      ...base,
      ...rest,
      statedCents: base.kind === 'external' ? statedCents : 0,
    }));
  const actor = fc.constantFrom(owner, owner, owner, WORKER, STRANGER);
  const of = <T extends JobCommand['type']>(
    type: T,
    fields: { [K in keyof Omit<Extract<JobCommand, { type: T }>, 'type' | 'actor'>]: fc.Arbitrary<unknown> },
  ): fc.Arbitrary<JobCommand> =>
    fc.record({ type: fc.constant(type), actor, ...fields }) as unknown as fc.Arbitrary<JobCommand>;
  const queue = of('queue', { job });
  const start = of('start', {
    workerId: fc.constantFrom('w1', 'w2'),
    leaseMs: fc.constantFrom(...leases),
  });
  return fc.oneof(
    { arbitrary: queue, weight: 4 },
    { arbitrary: start, weight: 4 },
    of('progress', { leaseToken: TOKENS, fraction: fc.constant(0.5), stage: fc.constant('half') }),
    of('succeed', {
      leaseToken: TOKENS,
      outputs: fc.integer({ min: 0, max: 3 }).map(outputs),
      outputErrors: fc.constantFrom([], [{ position: 4, code: 'invalid_input' }]),
      costCents: CENTS,
    }),
    of('fail', {
      leaseToken: TOKENS,
      code: fc.constantFrom('rate_limited', 'invalid_input'),
      message: fc.option(TEXTS),
      retryable: fc.boolean(),
      retryAfterMs: fc.constantFrom(0, 2_000),
    }),
    of('release', { leaseToken: TOKENS }),
    of('expire_lease', { leaseToken: TOKENS, retryAfterMs: fc.constantFrom(0, 1_000) }),
    of('miss_deadline', {}),
    of('cancel', {}),
    of('confirm_cancel', { leaseToken: TOKENS }),
    of('transition', {
      to: fc.constantFrom(...JOB_STATUSES),
      code: fc.constantFrom(null, 'broken'),
      message: fc.option(TEXTS),
      costCents: fc.option(CENTS),
    }),
    fc
      .record(
        {
          projectId: fc.constantFrom(...projectIds),
          mode: fc.constantFrom('one', 'two'),
          priority: fc.integer({ min: -2, max: 2 }),
          content: content.map((value) => value ?? {}),
        },
        { requiredKeys: [] },
      )
      .chain((details) => actor.map((by): JobCommand => ({ type: 'change_details', actor: by, ...details }))),
    of('add_outputs', { outputs: fc.integer({ min: 1, max: 2 }).map(outputs) }),
    of('remove_input_asset', { assetId: fc.constant(assetId) }),
    of('adjust_cost', { deltaCents: fc.constantFrom(-1, 0, 5), reason: fc.constant('invoice') }),
    of('erase_content', {}),
    of('archive', {}),
    of('delete', {}),
  );
}
