import type { Recorded } from '@genledger/event-store';

/**
 * A generation job, as a stream of facts. Lifecycle: docs/job-lifecycle.md, fields: docs/event-catalogue.md.
 *
 * The `type` strings and field names are the storage format. Changes are additive, or make a new type.
 */
export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const JOB_KINDS = ['text_to_image', 'nft_edition', 'model_row', 'variant', 'external'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/**
 * Every event folds by itself: it leaves `from` at the cost before it and enters `to` at the cost after it.
 * Cents are integers.
 */
export interface JobFacts {
  readonly project_id: string | null;
  /** Present only when the event moves the job out of another project. */
  readonly from_project_id?: string | null;
  readonly from: JobStatus | null;
  readonly to: JobStatus | null;
  readonly cost_cents: number;
  readonly cost_delta_cents: number;
  readonly reserved_delta_cents: number;
}

/** What a charge is booked under; on events that may carry one. */
export interface ChargeFacts extends JobFacts {
  readonly kind: JobKind;
  readonly mode: string;
  readonly model: string | null;
}

export interface JobOutput {
  readonly position: number;
  readonly upload_id: string;
  readonly mime_type: string;
  readonly size: number;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
}

export interface JobOutputError {
  readonly position: number;
  readonly code: string;
}

export interface QueuedData extends ChargeFacts {
  readonly attempt: number;
  readonly max_attempts: number;
  readonly priority: number;
  readonly run_at: string;
  readonly deadline?: string;
  readonly input_asset_id?: string;
  readonly collection_id?: string;
  readonly ordinal_number?: number;
  readonly trait_overrides?: Record<string, string>;
  readonly requested: Record<string, unknown>;
  readonly effective: Record<string, unknown>;
  readonly retry_of?: string;
}

/** Erasable parts of an event. `tags` are here because people write them. */
export interface RequestContent {
  readonly prompt?: string;
  readonly negative_prompt?: string;
  readonly metadata?: Record<string, string>;
  readonly tags?: readonly string[];
}

export interface MessageContent {
  readonly message: string;
}

type Event<Type extends string, Data extends object, Content extends object = never> = {
  readonly type: Type;
  readonly data: Data;
  readonly content?: Content | null;
};

export type JobEvent =
  | Event<'JobQueued', QueuedData, RequestContent>
  | Event<
      'JobStarted',
      JobFacts & { attempt: number; worker_id: string | null; lease_expires_at: string | null }
    >
  | Event<'JobProgressed', JobFacts & { fraction: number; stage: string }>
  | Event<
      'JobSucceeded',
      ChargeFacts & {
        attempt: number;
        outputs: readonly JobOutput[];
        output_errors: readonly JobOutputError[];
      }
    >
  | Event<'JobFailed', ChargeFacts & { attempt: number; code: string; has_content?: true }, MessageContent>
  | Event<
      'JobAttemptFailed',
      ChargeFacts & { attempt: number; code: string; retry_at: string; has_content?: true },
      MessageContent
    >
  | Event<'JobLeaseExpired', JobFacts & { attempt: number; lease_token: number; retry_at: string }>
  | Event<'JobReleased', JobFacts & { attempt: number; lease_token: number }>
  | Event<'JobCancelRequested', JobFacts>
  | Event<'JobCanceled', JobFacts & { reason: 'requested' | 'deleted' | 'erased' }>
  | Event<
      'JobDetailsChanged',
      JobFacts & { mode: string; priority: number; has_content?: true },
      RequestContent
    >
  | Event<'JobOutputAdded', JobFacts & { outputs: readonly JobOutput[] }>
  | Event<'JobInputAssetRemoved', JobFacts & { input_asset_id: string }>
  | Event<'JobResultRefused', JobFacts & { lease_token: number; reason: 'lease_lost' }>
  | Event<'JobCostAdjusted', ChargeFacts & { reason: string }>
  | Event<'JobContentErased', JobFacts>
  | Event<'JobArchived', JobFacts>
  | Event<'JobRestored', JobFacts>
  | Event<'JobDeleted', JobFacts>
  | Event<
      'JobImported',
      QueuedData & {
        source_id: string;
        error_code: string | null;
        started_at: string | null;
        completed_at: string | null;
      },
      RequestContent
    >;

export type JobEventType = JobEvent['type'];

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

/** `userId` is the stream's owner: events carry it in a column of its own. */
export type RecordedJobEvent = Recorded<JobEvent> & { readonly userId: string };

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
    runAt: Date.parse(data.run_at),
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

/** Highest position of a result, those of failed images included. */
export function lastPosition(result: {
  outputs: readonly JobOutput[];
  output_errors: readonly JobOutputError[];
}): number {
  return [...result.outputs, ...result.output_errors].reduce(
    (last, { position }) => Math.max(last, position),
    0,
  );
}

function time(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso);
}
