import { ABSENT, evolve, JobState } from '../job';
import { JobEvent, JobEventType, RecordedJobEvent } from '../job-events';
import type { JobActor, JobCommand, NewJob } from '../job-commands';
import { decide } from '../job.decider';
import { LEGAL_MOVES } from './job-histories';

const owner: JobActor = { userId: '11111111-1111-4111-8111-111111111111', role: 'user' };
const HOUR = 3_600_000;

const newJob: NewJob = {
  kind: 'external',
  mode: 'test',
  model: null,
  projectId: null,
  inputAssetId: '22222222-2222-4222-8222-222222222222',
  collectionId: null,
  ordinalNumber: null,
  traitOverrides: null,
  requested: {},
  effective: {},
  content: null,
  priority: 0,
  maxAttempts: 2,
  runAt: null,
  deadline: 3 * HOUR,
  retryOf: null,
  estimatedCents: 5,
  statedCents: 0,
};

function commandsFor(state: JobState): JobCommand[] {
  const tokens = 'leaseToken' in state && state.leaseToken !== null ? [state.leaseToken, 999] : [999];
  const output = {
    position: 1,
    upload_id: newJob.inputAssetId!,
    mime_type: 'image/png',
    size: 1,
    sha256: '',
    width: 1,
    height: 1,
  };
  const commands: JobCommand[] = [
    { type: 'queue', actor: owner, job: newJob },
    { type: 'start', actor: owner, workerId: 'w', leaseMs: HOUR },
    { type: 'start', actor: owner, workerId: null, leaseMs: null },
    { type: 'miss_deadline', actor: owner },
    { type: 'cancel', actor: owner },
    { type: 'change_details', actor: owner, priority: 7 },
    { type: 'add_outputs', actor: owner, outputs: [output] },
    { type: 'remove_input_asset', actor: owner, assetId: newJob.inputAssetId! },
    { type: 'adjust_cost', actor: owner, deltaCents: 1, reason: 'test' },
    { type: 'erase_content', actor: owner },
    { type: 'archive', actor: owner },
    { type: 'delete', actor: owner },
  ];
  for (const to of ['queued', 'running', 'succeeded', 'failed', 'canceled'] as const)
    commands.push({ type: 'transition', actor: owner, to, code: null, message: null, costCents: 3 });
  for (const leaseToken of tokens) {
    commands.push(
      { type: 'progress', actor: owner, leaseToken, fraction: 0.5, stage: 's' },
      { type: 'succeed', actor: owner, leaseToken, outputs: [], outputErrors: [], costCents: 2 },
      { type: 'fail', actor: owner, leaseToken, code: 'c', message: null, retryable: true, retryAfterMs: 0 },
      { type: 'fail', actor: owner, leaseToken, code: 'c', message: null, retryable: false, retryAfterMs: 0 },
      { type: 'release', actor: owner, leaseToken },
      { type: 'expire_lease', actor: owner, leaseToken, retryAfterMs: 0 },
      { type: 'confirm_cancel', actor: owner, leaseToken },
    );
  }
  return commands;
}

/** Every event that the decider can come to, as `type from>to`. */
function reachableMoves(): Set<string> {
  const moves = new Set<string>();
  const seen = new Set<string>();
  let states: JobState[] = [ABSENT];
  for (let depth = 0; depth < 7; depth++) {
    const next: JobState[] = [];
    for (const state of states) {
      for (const command of commandsFor(state)) {
        for (const now of [HOUR, 4 * HOUR]) {
          let reached = state;
          for (const event of decide(state, command, now).events) {
            moves.add(moveOf(event));
            const version = reached.status === 'absent' ? 1 : reached.version + 1;
            reached = evolve(reached, {
              ...event,
              version,
              recordedAt: now,
              userId: owner.userId,
            } as RecordedJobEvent);
          }
          if (reached === state || seen.has(shapeOf(reached))) continue;
          seen.add(shapeOf(reached));
          next.push(reached);
        }
      }
    }
    states = next;
  }
  return moves;
}

function moveOf({ type, data }: JobEvent): string {
  return `${type} ${data.from ?? '-'}>${data.to ?? '-'}`;
}

/** What the decider looks at; versions, times and sums would make the states endless. */
function shapeOf(state: JobState): string {
  if (state.status === 'absent' || state.status === 'ended') return state.status;
  const {
    status,
    attempt,
    leaseToken,
    leaseExpiresAt,
    cancelRequestedAt,
    erased,
    refusedTokens,
    inputAssetId,
  } = state;
  return JSON.stringify([
    status,
    attempt,
    leaseToken !== null,
    leaseExpiresAt !== null,
    cancelRequestedAt !== null,
    erased,
    refusedTokens.length,
    inputAssetId,
  ]);
}

it('allows exactly the moves that the decider makes', () => {
  // Imports and restorations have no command yet.
  const tabled = Object.entries(LEGAL_MOVES)
    .filter(([type]) => (type as JobEventType) !== 'JobImported' && type !== 'JobRestored')
    .flatMap(([type, moves]) => moves.map((move) => `${type} ${move}`));
  expect([...reachableMoves()].sort()).toEqual(tabled.sort());
});
