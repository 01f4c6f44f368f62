import type { JobOutputError, JobResource, JobStatus } from '@genledger/jobs';

/** The seed's words for a job's status. */
const STATUS_WORDS: Readonly<Record<JobStatus, string>> = {
  queued: 'pending',
  running: 'processing',
  succeeded: 'completed',
  failed: 'failed',
  canceled: 'canceled',
};

export interface GenerationStatus {
  readonly generationId: string;
  readonly status: string;
  readonly prompt: string | null;
  /** What the images are made with: what was sent, and the documented default for what was not. */
  readonly metadata: { readonly aspectRatio: unknown; readonly numberOfImages: unknown };
  /** Exactly what was sent. */
  readonly requested: Readonly<Record<string, unknown>>;
  readonly aiMetadata: {
    readonly imageIds: readonly string[];
    readonly model: unknown;
    readonly seed: unknown;
    readonly errors: readonly JobOutputError[];
  };
  readonly images: readonly {
    readonly imageId: string;
    readonly imageUrl: string;
    readonly mimeType: string;
    readonly size: number;
    readonly width: number;
    readonly height: number;
  }[];
  readonly error: { readonly code: string; readonly message: string | null } | null;
  /** Cents, once it is known. */
  readonly tokens: number | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
}

/** A job as the seed's status route tells it. */
export function generationStatus(job: JobResource): GenerationStatus {
  const { requested, effective } = job.parameters;
  const { prompt, negative_prompt, number_of_images, aspect_ratio, seed } = requested;
  const sent = {
    prompt,
    negativePrompt: negative_prompt,
    numberOfImages: number_of_images,
    aspectRatio: aspect_ratio,
    seed,
  };
  return {
    generationId: job.id,
    status: STATUS_WORDS[job.status],
    prompt: typeof prompt === 'string' ? prompt : null,
    metadata: { aspectRatio: effective['aspect_ratio'], numberOfImages: effective['number_of_images'] },
    requested: Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== undefined)),
    aiMetadata: {
      imageIds: job.outputs.map((output) => output.upload_id),
      model: effective['model'],
      seed: effective['seed'],
      errors: job.output_errors,
    },
    images: job.outputs.map((output) => ({
      imageId: output.upload_id,
      imageUrl: output.url,
      mimeType: output.mime_type,
      size: output.size,
      width: output.width,
      height: output.height,
    })),
    error: job.error && { code: job.error.code, message: job.error.message },
    tokens: job.cost.actual_cents,
    createdAt: job.created_at,
    startedAt: job.started_at,
    completedAt: job.completed_at,
  };
}
