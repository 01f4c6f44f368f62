import type { LiveJob } from './job';
import type {
  ChargeFacts,
  JobEvent,
  JobFacts,
  JobOutputError,
  JobStatus,
  ProviderCall,
  RecordedOutput,
} from './job-events';

export function succeeded(
  job: LiveJob,
  outputs: readonly RecordedOutput[],
  outputErrors: readonly JobOutputError[],
  costCents: number,
): JobEvent {
  return {
    type: 'JobSucceeded',
    data: {
      ...charge(job, 'succeeded', costCents, -job.reservedCents),
      attempt: job.attempt,
      outputs,
      output_errors: outputErrors,
    },
  };
}

export function failed(
  job: LiveJob,
  code: string,
  message: string | null,
  { costDeltaCents = 0, providerRequestId }: { costDeltaCents?: number; providerRequestId?: string } = {},
): JobEvent {
  return {
    type: 'JobFailed',
    data: {
      ...charge(job, 'failed', costDeltaCents, -job.reservedCents),
      attempt: job.attempt,
      code,
      ...providerCall(providerRequestId),
      ...(message === null ? undefined : HAS_CONTENT),
    },
    content: message === null ? null : { message },
  };
}

export function providerCall(requestId: string | undefined): ProviderCall {
  return requestId === undefined ? {} : { provider_request_id: requestId };
}

export function canceled(job: LiveJob, reason: 'requested' | 'deleted' | 'erased'): JobEvent {
  return { type: 'JobCanceled', data: { ...facts(job, 'canceled', -job.reservedCents), reason } };
}

/** Leaves the lists and their sums; what it incurred stays incurred. */
export function deleted(job: LiveJob): JobEvent {
  return { type: 'JobDeleted', data: facts(job, null) };
}

export function facts(job: LiveJob, to: JobStatus | null, reservedDeltaCents = 0): JobFacts {
  return {
    project_id: job.projectId,
    from: job.status,
    to,
    cost_cents: job.costCents,
    cost_delta_cents: 0,
    reserved_delta_cents: reservedDeltaCents === 0 ? 0 : reservedDeltaCents,
  };
}

export function charge(
  job: LiveJob,
  to: JobStatus,
  costDeltaCents: number,
  reservedDeltaCents: number,
): ChargeFacts {
  return {
    ...facts(job, to, reservedDeltaCents),
    cost_cents: job.costCents + costDeltaCents,
    cost_delta_cents: costDeltaCents,
    kind: job.kind,
    mode: job.mode,
    model: job.model,
  };
}

export const HAS_CONTENT = { has_content: true } as const;

// A batch has one time, and its events name it again and again.
let lastIso = { ms: 0, text: new Date(0).toISOString() };

export function iso(ms: number): string {
  if (lastIso.ms !== ms) lastIso = { ms, text: new Date(ms).toISOString() };
  return lastIso.text;
}
