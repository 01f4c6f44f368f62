import type { JobOutput, JobOutputError } from '../job-events';
import type { GenerationJobRow } from './generation-job.entity';

/** Where an output's file can be fetched; the files are another context's. */
export interface OutputLinks {
  sign(uploadId: string): { readonly url: string; readonly url_expires_at: string };
}
export const OUTPUT_LINKS = Symbol('OUTPUT_LINKS');

export interface JobOutputResource extends JobOutput {
  readonly url: string;
  readonly url_expires_at: string;
}

/** A job on the wire of /v1 (design: `parameters.requested` is what was sent, `effective` what it was run with). */
export interface JobResource {
  readonly id: string;
  readonly status: GenerationJobRow['status'];
  readonly kind: GenerationJobRow['kind'];
  readonly mode: string;
  readonly user_id: string;
  readonly project_id: string | null;
  readonly input_asset_id: string | null;
  readonly collection_id: string | null;
  readonly ordinal_number: number | null;
  readonly trait_overrides: Record<string, string> | null;
  readonly parameters: {
    readonly requested: Record<string, unknown>;
    readonly effective: Record<string, unknown>;
  };
  readonly metadata: Record<string, string> | null;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly run_at: string;
  readonly deadline: string | null;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly error: {
    readonly code: string;
    readonly message: string | null;
    readonly retryable: boolean;
  } | null;
  readonly cost: {
    readonly estimated_cents: number;
    readonly actual_cents: number | null;
    readonly currency: 'USD';
  };
  readonly outputs: readonly JobOutputResource[];
  readonly output_errors: readonly JobOutputError[];
  readonly queue_position: number | null;
  readonly cancel_requested_at: string | null;
  readonly retry_of: string | null;
  readonly created_at: string;
  readonly queued_at: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly updated_at: string;
  readonly version: number;
  readonly urls: {
    readonly self: string;
    readonly events: string;
    readonly cancel: string;
    readonly outputs: string;
  };
}

export interface JobParts {
  readonly outputs: readonly JobOutput[];
  readonly outputErrors?: readonly JobOutputError[];
  readonly queuePosition?: number | null;
}

export function jobResource(row: GenerationJobRow, parts: JobParts, links: OutputLinks): JobResource {
  const ended = row.completed_at !== null;
  const self = `/v1/jobs/${row.id}`;
  return {
    id: row.id,
    status: row.status,
    kind: row.kind,
    mode: row.mode,
    user_id: row.user_id,
    project_id: row.project_id,
    input_asset_id: row.input_asset_id,
    collection_id: row.collection_id,
    ordinal_number: row.ordinal_number,
    trait_overrides: row.trait_overrides,
    parameters: {
      requested: {
        ...(row.prompt === null ? {} : { prompt: row.prompt }),
        ...(row.negative_prompt === null ? {} : { negative_prompt: row.negative_prompt }),
        ...row.requested_parameters,
      },
      effective: row.effective_parameters,
    },
    metadata: row.metadata,
    tags: row.tags ?? [],
    priority: row.priority,
    run_at: row.run_at.toISOString(),
    deadline: row.deadline?.toISOString() ?? null,
    attempt: row.attempt,
    max_attempts: row.max_attempts,
    error:
      row.error_code === null
        ? null
        : {
            code: row.error_code,
            message: row.error,
            retryable: row.status === 'queued' || row.status === 'running',
          },
    cost: {
      estimated_cents: row.estimated_cents,
      actual_cents: ended || row.cost_cents > 0 ? row.cost_cents : null,
      currency: 'USD',
    },
    outputs: parts.outputs.map((output) => ({ ...output, ...links.sign(output.upload_id) })),
    output_errors: parts.outputErrors ?? [],
    queue_position: parts.queuePosition ?? null,
    cancel_requested_at: row.cancel_requested_at?.toISOString() ?? null,
    retry_of: row.retry_of,
    created_at: row.created_at.toISOString(),
    queued_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    completed_at: row.completed_at?.toISOString() ?? null,
    updated_at: row.updated_at.toISOString(),
    version: row.version,
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel`, outputs: `${self}/outputs` },
  };
}
