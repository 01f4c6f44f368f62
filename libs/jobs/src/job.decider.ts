import { accept, Decider, Decision, refuse, unchanged } from '@genledger/event-store';
import { ABSENT, evolve, isLive, isTerminal, JobState, LiveJob } from './job';
import { JobEvent, JobStatus, RecordedJobEvent, RequestContent } from './job-events';
import type { JobActor, JobCommand, NewJob } from './job-commands';
import {
  canceled,
  charge,
  deleted,
  facts,
  failed,
  HAS_CONTENT,
  iso,
  providerCall,
  succeeded,
} from './job-facts';

/** API: mapped to problems in http/job-problems.ts. */
export const JOB_REFUSALS = [
  'not_found',
  'already_exists',
  'already_finished',
  'invalid_transition',
  'lease_lost',
  'not_external',
  'only_lease_holder',
  'cost_cannot_fall',
  'not_finished',
  'only_queued',
  'deadline_exceeded',
] as const;
export type JobRefusal = (typeof JOB_REFUSALS)[number];

export type JobDecision = Decision<JobEvent, JobRefusal>;

export const jobDecider: Decider<JobState, JobCommand, JobEvent, JobRefusal> = {
  initial: ABSENT,
  decide,
  evolve: (state, event) => evolve(state, event as RecordedJobEvent),
};

export function decide(state: JobState, command: JobCommand, now: number): JobDecision {
  if (command.type === 'queue') return queue(state, command.job, now);
  if (!isLive(state) || !maySee(state, command.actor)) {
    return command.type === 'delete' && state.status === 'ended' && maySee(state, command.actor)
      ? unchanged()
      : refuse('not_found');
  }
  const job = state;
  switch (command.type) {
    case 'start':
      return start(job, command.workerId, command.leaseMs, now);
    case 'progress':
      return held(job, command.leaseToken, () =>
        accept({
          type: 'JobProgressed',
          data: { ...facts(job, 'running'), fraction: command.fraction, stage: command.stage },
        }),
      );
    case 'succeed':
      return recordResult(job, command.leaseToken, 'succeeded', () =>
        accept(succeeded(job, command.outputs, command.outputErrors, command.costCents)),
      );
    case 'fail':
      return recordResult(job, command.leaseToken, 'failed', () => accept(failedAttempt(job, command, now)));
    case 'release':
      return held(job, command.leaseToken, () =>
        accept({
          type: 'JobReleased',
          data: { ...facts(job, 'queued'), attempt: job.attempt - 1, lease_token: command.leaseToken },
        }),
      );
    case 'expire_lease':
      return expireLease(job, command.leaseToken, command.retryAfterMs, now);
    case 'miss_deadline':
      // Whoever looked for overdue jobs may have seen it before it was started in time.
      if (job.status !== 'queued') return unchanged();
      if (job.deadline === null || job.deadline > now) return refuse('invalid_transition');
      return accept(failed(job, 'deadline_exceeded', null));
    case 'cancel':
      return cancel(job);
    case 'confirm_cancel':
      return recordResult(job, command.leaseToken, 'canceled', () =>
        job.cancelRequestedAt === null ? refuse('invalid_transition') : accept(canceled(job, 'requested')),
      );
    case 'transition':
      return transition(job, command, now);
    case 'change_details':
      return changeDetails(job, command);
    case 'add_outputs':
      if (job.status !== 'succeeded') return refuse('not_finished');
      return accept({
        type: 'JobOutputAdded',
        data: {
          ...facts(job, job.status),
          outputs: command.outputs.map((output, at) => ({ ...output, position: job.outputCount + at + 1 })),
        },
      });
    case 'remove_input_asset':
      if (job.inputAssetId !== command.assetId) return unchanged();
      return accept({
        type: 'JobInputAssetRemoved',
        data: { ...facts(job, job.status), input_asset_id: command.assetId },
      });
    case 'adjust_cost':
      if (command.deltaCents === 0) return unchanged();
      if (command.deltaCents < 0) return refuse('cost_cannot_fall');
      return accept({
        type: 'JobCostAdjusted',
        data: { ...charge(job, job.status, command.deltaCents, 0), reason: command.reason },
      });
    case 'erase_content':
      if (job.erased) return unchanged();
      return isTerminal(job.status)
        ? accept({ type: 'JobContentErased', data: facts(job, job.status) })
        : accept(canceled(job, 'erased'), {
            type: 'JobContentErased',
            data: facts({ ...job, status: 'canceled', reservedCents: 0 }, 'canceled'),
          });
    case 'archive':
      if (!isTerminal(job.status)) return refuse('not_finished');
      return accept({ type: 'JobArchived', data: facts(job, job.status) });
    case 'delete':
      return isTerminal(job.status)
        ? accept(deleted(job))
        : accept(canceled(job, 'deleted'), deleted({ ...job, status: 'canceled', reservedCents: 0 }));
  }
}

function maySee(state: { readonly userId: string | null }, actor: JobActor): boolean {
  return actor.role !== 'user' || actor.userId === state.userId;
}

function queue(state: JobState, job: NewJob, now: number): JobDecision {
  if (state.status !== 'absent') return refuse('already_exists');
  if (job.deadline !== null && job.deadline <= now) return refuse('deadline_exceeded');
  return accept({
    type: 'JobQueued',
    data: {
      project_id: job.projectId,
      from: null,
      to: 'queued',
      cost_cents: job.statedCents,
      cost_delta_cents: job.statedCents,
      reserved_delta_cents: job.estimatedCents,
      kind: job.kind,
      mode: job.mode,
      model: job.model,
      attempt: 0,
      max_attempts: job.maxAttempts,
      priority: job.priority,
      requested: job.requested,
      effective: job.effective,
      ...(job.runAt === null ? undefined : { run_at: iso(job.runAt) }),
      ...(job.deadline === null ? undefined : { deadline: iso(job.deadline) }),
      ...(job.inputAssetId === null ? undefined : { input_asset_id: job.inputAssetId }),
      ...(job.collectionId === null ? undefined : { collection_id: job.collectionId }),
      ...(job.ordinalNumber === null ? undefined : { ordinal_number: job.ordinalNumber }),
      ...(job.traitOverrides === null ? undefined : { trait_overrides: job.traitOverrides }),
      ...(job.retryOf === null ? undefined : { retry_of: job.retryOf }),
    },
    content: job.content,
  });
}

function start(job: LiveJob, workerId: string | null, leaseMs: number | null, now: number): JobDecision {
  if (job.status !== 'queued')
    return refuse(isTerminal(job.status) ? 'already_finished' : 'invalid_transition');
  if (job.deadline !== null && job.deadline <= now) {
    return refuse('deadline_exceeded', failed(job, 'deadline_exceeded', null));
  }
  return accept({
    type: 'JobStarted',
    data: {
      ...facts(job, 'running'),
      attempt: job.attempt + 1,
      worker_id: workerId,
      lease_expires_at: leaseMs === null ? null : iso(now + leaseMs),
    },
  });
}

/** Only the holder of the present lease goes on; a stale one is refused, and the refusal recorded, once a token. */
function held(job: LiveJob, leaseToken: number, go: () => JobDecision): JobDecision {
  if (job.status === 'running' && job.leaseToken === leaseToken) return go();
  if (job.refusedTokens.includes(leaseToken)) return refuse('lease_lost');
  return refuse('lease_lost', {
    type: 'JobResultRefused',
    data: { ...facts(job, job.status), lease_token: leaseToken, reason: 'lease_lost' },
  });
}

function recordResult(job: LiveJob, leaseToken: number, end: JobStatus, go: () => JobDecision): JobDecision {
  // The answer to the first one was lost: the worker says it again.
  if (job.leaseToken === leaseToken && job.status === end) return unchanged();
  return held(job, leaseToken, go);
}

function failedAttempt(job: LiveJob, failure: Extract<JobCommand, { type: 'fail' }>, now: number): JobEvent {
  const again = failure.retryable && job.attempt < job.maxAttempts && job.cancelRequestedAt === null;
  const { code, message, providerRequestId } = failure;
  if (!again) return failed(job, code, message, { providerRequestId });
  return {
    type: 'JobAttemptFailed',
    data: {
      ...charge(job, 'queued', 0, 0),
      attempt: job.attempt,
      code,
      retry_at: iso(now + failure.retryAfterMs),
      ...providerCall(providerRequestId),
      ...(message === null ? undefined : HAS_CONTENT),
    },
    content: message === null ? null : { message },
  };
}

function expireLease(job: LiveJob, leaseToken: number, retryAfterMs: number, now: number): JobDecision {
  if (job.status !== 'running' || job.leaseToken !== leaseToken) return unchanged();
  if (job.leaseExpiresAt === null || job.leaseExpiresAt > now) return unchanged();
  if (job.cancelRequestedAt !== null) return accept(canceled(job, 'requested'));
  if (job.attempt >= job.maxAttempts) return accept(failed(job, 'lease_expired', null));
  return accept({
    type: 'JobLeaseExpired',
    data: {
      ...facts(job, 'queued'),
      attempt: job.attempt,
      lease_token: leaseToken,
      retry_at: iso(now + retryAfterMs),
    },
  });
}

function cancel(job: LiveJob): JobDecision {
  if (job.status === 'canceled') return unchanged();
  if (isTerminal(job.status)) return refuse('already_finished');
  if (job.status === 'queued' || job.leaseExpiresAt === null) return accept(canceled(job, 'requested'));
  if (job.cancelRequestedAt !== null) return unchanged();
  return accept({ type: 'JobCancelRequested', data: facts(job, job.status) });
}

/** The door of jobs whose work is done elsewhere: queued → running → succeeded | failed, by their owner. */
function transition(
  job: LiveJob,
  command: { to: JobStatus; code: string | null; message: string | null; costCents: number | null },
  now: number,
): JobDecision {
  if (job.kind !== 'external') return refuse('not_external');
  const delta = command.costCents === null ? 0 : command.costCents - job.costCents;
  if (job.status === command.to && delta === 0) return unchanged();
  if (isTerminal(job.status)) return refuse('already_finished');
  if (job.status === 'running' && job.leaseExpiresAt !== null) return refuse('only_lease_holder');
  if (delta < 0) return refuse('cost_cannot_fall');
  if (job.status === 'queued' && command.to === 'running') {
    const started = start(job, null, null, now);
    if (started.refusal !== undefined || delta === 0) return started;
    const running: LiveJob = { ...job, status: 'running' };
    return accept(...started.events, {
      type: 'JobCostAdjusted',
      data: { ...charge(running, 'running', delta, 0), reason: 'stated' },
    });
  }
  if (job.status === 'queued' && command.to === 'canceled') return cancel(job);
  if (job.status !== 'running') return refuse('invalid_transition');
  switch (command.to) {
    case 'succeeded':
      return accept(succeeded(job, [], [], delta));
    case 'failed':
      return accept(failed(job, command.code ?? 'failed', command.message, { costDeltaCents: delta }));
    case 'canceled':
      return cancel(job);
    case 'queued':
    case 'running':
      return refuse('invalid_transition');
  }
}

function changeDetails(
  job: LiveJob,
  change: { projectId?: string | null; mode?: string; priority?: number; content?: RequestContent },
): JobDecision {
  if (job.status !== 'queued') return refuse('only_queued');
  const projectId = change.projectId === undefined ? job.projectId : change.projectId;
  const mode = change.mode ?? job.mode;
  const priority = change.priority ?? job.priority;
  const moved = projectId !== job.projectId;
  if (!moved && mode === job.mode && priority === job.priority && change.content === undefined)
    return unchanged();
  return accept({
    type: 'JobDetailsChanged',
    data: {
      ...facts(job, 'queued'),
      project_id: projectId,
      ...(moved ? { from_project_id: job.projectId } : {}),
      mode,
      priority,
      ...(change.content === undefined ? undefined : HAS_CONTENT),
    },
    content: change.content ?? null,
  });
}
