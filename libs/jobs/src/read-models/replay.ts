import type { StoredEvent } from '@genledger/event-store';
import { ABSENT, evolve, isLive, JobState, LiveJob } from '../job';
import { JobOutput, JobOutputError, RecordedJobEvent, RecordedOutput, RequestContent } from '../job-events';
import type { NewJob } from '../job-commands';
import type { GenerationJobRow } from './generation-job.entity';

/** What a job's history says it is. `row` is null where the job is not (or no longer) in the read models. */
export interface ReplayedJob {
  readonly state: JobState;
  readonly row: GenerationJobRow | null;
  readonly outputs: readonly JobOutput[];
  readonly outputErrors: readonly JobOutputError[];
}

/**
 * Folds a job's history into the row that readers see, from nothing but its events and their contents. The read model
 * must equal it at any version (`genledger verify`); an erased content reads as null on both sides.
 */
export function replayJob(events: readonly StoredEvent[]): ReplayedJob {
  let state: JobState = ABSENT;
  let request = null as RequestFacts | null;
  let message = null as string | null;
  let outputs: JobOutput[] = [];
  let outputErrors: readonly JobOutputError[] = [];
  for (const stored of events) {
    const event = recordedEvent(stored);
    state = evolve(state, event);
    switch (event.type) {
      case 'JobQueued':
      case 'JobImported':
        request = { ...event.data, created_at: new Date(event.recordedAt), content: event.content ?? null };
        break;
      case 'JobDetailsChanged':
        if (request && event.data.has_content) request = { ...request, content: event.content ?? null };
        break;
      case 'JobInputAssetRemoved':
        if (request) request = { ...request, input_asset_id: null };
        break;
      case 'JobFailed':
      case 'JobAttemptFailed':
        message = event.content?.message ?? null;
        break;
      case 'JobSucceeded':
        outputs = event.data.outputs.map(fileOf);
        outputErrors = event.data.output_errors;
        message = null;
        break;
      case 'JobOutputAdded':
        outputs.push(...event.data.outputs);
        break;
      default:
        break;
    }
  }
  return {
    state,
    row: request && isLive(state) ? rowOf(events[0]!.stream_id, state, request, message) : null,
    outputs,
    outputErrors,
  };
}

/** What readers of files get of an output. */
function fileOf({ provider_request_id: _, ...file }: RecordedOutput): JobOutput {
  return file;
}

/** The row of a job that was queued this moment. */
export function queuedJobRow(id: string, state: LiveJob, job: NewJob): GenerationJobRow {
  const request: RequestFacts = {
    created_at: new Date(state.updatedAt),
    content: job.content,
    input_asset_id: job.inputAssetId,
    collection_id: job.collectionId,
    ordinal_number: job.ordinalNumber,
    trait_overrides: job.traitOverrides,
    requested: job.requested,
    effective: job.effective,
    reserved_delta_cents: job.estimatedCents,
    retry_of: job.retryOf,
  };
  return rowOf(id, state, request, null);
}

interface RequestFacts {
  readonly created_at: Date;
  readonly content: RequestContent | null;
  readonly input_asset_id?: string | null;
  readonly collection_id?: string | null;
  readonly ordinal_number?: number | null;
  readonly trait_overrides?: Record<string, string> | null;
  readonly requested: Record<string, unknown>;
  readonly effective: Record<string, unknown>;
  readonly reserved_delta_cents: number;
  readonly retry_of?: string | null;
}

function rowOf(id: string, state: LiveJob, request: RequestFacts, message: string | null): GenerationJobRow {
  const tags = request.content?.tags;
  return {
    id,
    user_id: state.userId,
    project_id: state.projectId,
    status: state.status,
    mode: state.mode,
    input_asset_id: request.input_asset_id ?? null,
    error: state.errorVersion === null ? null : message,
    cost_cents: state.costCents,
    created_at: request.created_at,
    updated_at: new Date(state.updatedAt),
    kind: state.kind,
    model: state.model,
    version: state.version,
    attempt: state.attempt,
    max_attempts: state.maxAttempts,
    priority: state.priority,
    run_at: new Date(state.runAt),
    deadline: date(state.deadline),
    reserved_cents: state.reservedCents,
    error_code: state.errorCode,
    cancel_requested_at: date(state.cancelRequestedAt),
    started_at: date(state.startedAt),
    completed_at: date(state.completedAt),
    collection_id: request.collection_id ?? null,
    ordinal_number: request.ordinal_number ?? null,
    trait_overrides: request.trait_overrides ?? null,
    prompt: request.content?.prompt ?? null,
    negative_prompt: request.content?.negative_prompt ?? null,
    metadata: request.content?.metadata ?? null,
    requested_parameters: request.requested,
    effective_parameters: request.effective,
    estimated_cents: request.reserved_delta_cents,
    tags: tags && tags.length > 0 ? [...tags] : null,
    retry_of: request.retry_of ?? null,
  };
}

export function recordedEvent(stored: StoredEvent): RecordedJobEvent {
  return {
    type: stored.type,
    data: stored.data,
    content: stored.content,
    version: stored.version,
    recordedAt: stored.recorded_at.getTime(),
    userId: stored.user_id,
  } as unknown as RecordedJobEvent;
}

function date(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
