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

/** Under what an image provider keeps its own record of a call, where it said so. */
export interface ProviderCall {
  readonly provider_request_id?: string;
}

/** An output as its event has it; readers of files get the {@link JobOutput}. */
export type RecordedOutput = JobOutput & ProviderCall;

export interface JobOutputError extends ProviderCall {
  readonly position: number;
  readonly code: string;
}

export interface QueuedData extends ChargeFacts {
  readonly attempt: number;
  readonly max_attempts: number;
  readonly priority: number;
  /** Not before; left out: due at once. */
  readonly run_at?: string;
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
        outputs: readonly RecordedOutput[];
        output_errors: readonly JobOutputError[];
      }
    >
  | Event<
      'JobFailed',
      ChargeFacts & ProviderCall & { attempt: number; code: string; has_content?: true },
      MessageContent
    >
  | Event<
      'JobAttemptFailed',
      ChargeFacts & ProviderCall & { attempt: number; code: string; retry_at: string; has_content?: true },
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

/** `userId` is the stream's owner: events carry it in a column of its own. */
export type RecordedJobEvent = Recorded<JobEvent> & { readonly userId: string };

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
