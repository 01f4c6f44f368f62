import { JobKind, JobStatus, lastPosition, RecordedJobEvent } from './job-events';

export interface AbsentJob {
  readonly status: 'absent';
}

/** Deleted or archived: its rows are gone, its history is not. */
export interface EndedJob {
  readonly status: 'ended';
  readonly reason: 'deleted' | 'archived';
  readonly userId: string | null;
  readonly version: number;
}

/** What `decide` needs, and what the hot row holds. Times are ms since 1970. */
export interface LiveJob {
  readonly status: JobStatus;
  readonly userId: string;
  readonly projectId: string | null;
  readonly kind: JobKind;
  readonly mode: string;
  readonly model: string | null;
  readonly version: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly priority: number;
  readonly runAt: number;
  readonly deadline: number | null;
  /** Version of the JobStarted that the lease belongs to; kept after the end, so that a repeated result is known. */
  readonly leaseToken: number | null;
  readonly leaseExpiresAt: number | null;
  readonly refusedTokens: readonly number[];
  readonly workerId: string | null;
  readonly reservedCents: number;
  readonly costCents: number;
  readonly errorCode: string | null;
  /** Version of the event whose content is the error message. */
  readonly errorVersion: number | null;
  readonly inputAssetId: string | null;
  /** Highest position taken: an image that failed keeps its own. */
  readonly outputCount: number;
  readonly erased: boolean;
  readonly cancelRequestedAt: number | null;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  readonly updatedAt: number;
}

export type JobState = AbsentJob | EndedJob | LiveJob;

export const ABSENT: AbsentJob = { status: 'absent' };

export function isLive(state: JobState): state is LiveJob {
  return state.status !== 'absent' && state.status !== 'ended';
}

export function isTerminal(status: JobStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

export function evolve(state: JobState, event: RecordedJobEvent): JobState {
  if (event.type === 'JobQueued' || event.type === 'JobImported') return queued(event);
  if (event.type === 'JobRestored' && state.status === 'ended') return state;
  if (!isLive(state)) return state.status === 'ended' ? { ...state, version: event.version } : state;

  const { data } = event;
  const job: LiveJob = {
    ...state,
    version: event.version,
    updatedAt: event.recordedAt,
    projectId: data.project_id,
    costCents: data.cost_cents,
    reservedCents: state.reservedCents + data.reserved_delta_cents,
  };
  switch (event.type) {
    case 'JobStarted':
      return {
        ...job,
        status: 'running',
        attempt: event.data.attempt,
        leaseToken: event.version,
        leaseExpiresAt: time(event.data.lease_expires_at),
        workerId: event.data.worker_id,
        startedAt: state.startedAt ?? event.recordedAt,
      };
    case 'JobSucceeded':
      return {
        ...ended(job, 'succeeded', event.recordedAt),
        errorCode: null,
        errorVersion: null,
        outputCount: lastPosition(event.data),
      };
    case 'JobFailed':
      return {
        ...ended(job, 'failed', event.recordedAt),
        errorCode: event.data.code,
        errorVersion: event.data.has_content ? event.version : null,
      };
    case 'JobCanceled':
      return ended(job, 'canceled', event.recordedAt);
    case 'JobAttemptFailed':
      return {
        ...requeued(job, time(event.data.retry_at) ?? event.recordedAt),
        errorCode: event.data.code,
        errorVersion: event.data.has_content ? event.version : null,
      };
    case 'JobLeaseExpired':
      return requeued(job, time(event.data.retry_at) ?? event.recordedAt);
    case 'JobReleased':
      return { ...requeued(job, event.recordedAt), attempt: event.data.attempt };
    case 'JobCancelRequested':
      return { ...job, cancelRequestedAt: event.recordedAt };
    case 'JobDetailsChanged':
      return { ...job, mode: event.data.mode, priority: event.data.priority };
    case 'JobResultRefused':
      return { ...job, refusedTokens: [...state.refusedTokens, event.data.lease_token] };
    case 'JobOutputAdded':
      return { ...job, outputCount: state.outputCount + event.data.outputs.length };
    case 'JobInputAssetRemoved':
      return { ...job, inputAssetId: null };
    case 'JobContentErased':
      return { ...job, erased: true };
    case 'JobProgressed':
    case 'JobCostAdjusted':
    case 'JobRestored':
      return job;
    case 'JobArchived':
      return { status: 'ended', reason: 'archived', userId: state.userId, version: event.version };
    case 'JobDeleted':
      return { status: 'ended', reason: 'deleted', userId: state.userId, version: event.version };
  }
}

function queued(event: RecordedJobEvent & { type: 'JobQueued' | 'JobImported' }): LiveJob {
  const { data } = event;
  const imported = event.type === 'JobImported' ? event.data : null;
  return {
    status: data.to ?? 'queued',
    userId: event.userId,
    projectId: data.project_id,
    kind: data.kind,
    mode: data.mode,
    model: data.model,
    version: event.version,
    attempt: data.attempt,
    maxAttempts: data.max_attempts,
    priority: data.priority,
    runAt: time(data.run_at ?? null) ?? event.recordedAt,
    deadline: time(data.deadline ?? null),
    leaseToken: null,
    leaseExpiresAt: null,
    refusedTokens: [],
    workerId: null,
    reservedCents: data.reserved_delta_cents,
    costCents: data.cost_cents,
    errorCode: imported?.error_code ?? null,
    errorVersion: null,
    inputAssetId: data.input_asset_id ?? null,
    outputCount: 0,
    erased: false,
    cancelRequestedAt: null,
    startedAt: time(imported?.started_at ?? null),
    completedAt: time(imported?.completed_at ?? null),
    updatedAt: event.recordedAt,
  };
}

function ended(job: LiveJob, status: JobStatus, at: number): LiveJob {
  return { ...job, status, leaseExpiresAt: null, completedAt: at };
}

function requeued(job: LiveJob, runAt: number): LiveJob {
  return { ...job, status: 'queued', runAt, leaseExpiresAt: null, workerId: null };
}

function time(iso: string | null): number | null {
  return iso === null ? null : parseTime(iso);
}

// The events of a batch name one and the same time.
let lastParsed = { iso: '', ms: 0 };

function parseTime(iso: string): number {
  if (lastParsed.iso !== iso) lastParsed = { iso, ms: Date.parse(iso) };
  return lastParsed.ms;
}
