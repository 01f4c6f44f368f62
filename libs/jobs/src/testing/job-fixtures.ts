import type { JobEvent, JobOutput, QueuedData } from '../job-events';
import type { JobActor, JobCommand, NewJob } from '../job-commands';

export const OWNER_ID = '11111111-1111-4111-8111-111111111111';
export const STRANGER_ID = '22222222-2222-4222-8222-222222222222';
export const PROJECT_ID = '33333333-3333-4333-8333-333333333333';
export const ASSET_ID = '44444444-4444-4444-8444-444444444444';
export const OWNER: JobActor = { userId: OWNER_ID, role: 'user' };
export const STRANGER: JobActor = { userId: STRANGER_ID, role: 'user' };
export const WORKER: JobActor = { userId: null, role: 'worker' };

/** ms since 1970: when the histories of specs begin. */
export const T0 = Date.UTC(2026, 0, 1);
export const LEASE = 30_000;

export function newJob(job: Partial<NewJob> = {}): NewJob {
  return {
    kind: 'text_to_image',
    mode: 'text_to_image',
    model: 'painter-1',
    projectId: null,
    inputAssetId: null,
    collectionId: null,
    ordinalNumber: null,
    traitOverrides: null,
    requested: { number_of_images: 2 },
    effective: { number_of_images: 2, aspect_ratio: '1:1', seed: 7, model: 'painter-1' },
    content: { prompt: 'A sunset' },
    priority: 0,
    maxAttempts: 3,
    runAt: null,
    deadline: null,
    retryOf: null,
    estimatedCents: 8,
    statedCents: 0,
    ...job,
  };
}

export const EXTERNAL = newJob({
  kind: 'external',
  mode: 'lifestyle',
  model: null,
  requested: {},
  effective: {},
  content: null,
  estimatedCents: 0,
});

export function queueOf(job: Partial<NewJob> = {}): JobCommand {
  return { type: 'queue', job: newJob(job), actor: OWNER };
}

export function output(
  position: number,
  uploadId = `00000000-0000-4000-8000-00000000000${position}`,
): JobOutput {
  return {
    position,
    upload_id: uploadId,
    mime_type: 'image/png',
    size: 10,
    sha256: 'a'.repeat(64),
    width: 4,
    height: 3,
  };
}

type DataOf<Type extends JobEvent['type']> = Extract<JobEvent, { type: Type }>['data'];

/** A JobQueued as it is stored: with its stream's owner. */
export function queued(
  data: Partial<QueuedData> = {},
  at = T0,
): JobEvent & { userId: string; recordedAt: number } {
  const job = newJob();
  return {
    type: 'JobQueued',
    userId: OWNER_ID,
    recordedAt: at,
    content: job.content,
    data: {
      project_id: null,
      from: null,
      to: 'queued',
      cost_cents: 0,
      cost_delta_cents: 0,
      reserved_delta_cents: 8,
      kind: job.kind,
      mode: job.mode,
      model: job.model,
      attempt: 0,
      max_attempts: 3,
      priority: 0,
      requested: job.requested,
      effective: job.effective,
      ...data,
    },
  };
}

export function externalQueued(data: Partial<QueuedData> = {}): ReturnType<typeof queued> {
  return queued({ kind: 'external', mode: 'lifestyle', model: null, reserved_delta_cents: 0, ...data });
}

const FACTS = { project_id: null, cost_cents: 0, cost_delta_cents: 0, reserved_delta_cents: 0 };

export function started(data: Partial<DataOf<'JobStarted'>> = {}): JobEvent {
  return {
    type: 'JobStarted',
    data: {
      ...FACTS,
      from: 'queued',
      to: 'running',
      attempt: 1,
      worker_id: 'worker-1',
      lease_expires_at: new Date(T0 + LEASE).toISOString(),
      ...data,
    },
  };
}

const CHARGED = { ...FACTS, kind: 'text_to_image', mode: 'text_to_image', model: 'painter-1' } as const;

export function succeeded(data: Partial<DataOf<'JobSucceeded'>> = {}): JobEvent {
  return {
    type: 'JobSucceeded',
    data: {
      ...CHARGED,
      from: 'running',
      to: 'succeeded',
      cost_cents: 8,
      cost_delta_cents: 8,
      reserved_delta_cents: -8,
      attempt: 1,
      outputs: [output(1), output(2)],
      output_errors: [],
      ...data,
    },
  };
}

export function failed(data: Partial<DataOf<'JobFailed'>> = {}): JobEvent {
  return {
    type: 'JobFailed',
    data: {
      ...CHARGED,
      from: 'running',
      to: 'failed',
      reserved_delta_cents: -8,
      attempt: 1,
      code: 'invalid_input',
      ...data,
    },
    content: null,
  };
}

export function cancelRequested(): JobEvent {
  return { type: 'JobCancelRequested', data: { ...FACTS, from: 'running', to: 'running' } };
}

export function canceled(data: Partial<DataOf<'JobCanceled'>> = {}): JobEvent {
  return {
    type: 'JobCanceled',
    data: {
      ...FACTS,
      from: 'running',
      to: 'canceled',
      reserved_delta_cents: -8,
      reason: 'requested',
      ...data,
    },
  };
}

export function ended(type: 'JobDeleted' | 'JobArchived'): JobEvent {
  const to = type === 'JobDeleted' ? null : 'succeeded';
  return { type, data: { ...FACTS, from: 'succeeded', to, cost_cents: 8 } };
}
