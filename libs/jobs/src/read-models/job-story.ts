import type { StoredEvent } from '@genledger/event-store';
import { JobStatus, RecordedJobEvent } from '../job-events';
import { recordedEvent, replayJob } from './replay';

/** One event, told. Times are ISO 8601, cents are whole. */
export interface StoryStep {
  readonly version: number;
  readonly position: number;
  readonly type: string;
  readonly recorded_at: string;
  /** Since the event before; 0 for the first. */
  readonly since_previous_ms: number;
  readonly actor: string;
  readonly what: string;
  /** People's and providers' words among it; null: nobody said. */
  readonly why: string | null;
  readonly charged_cents: number;
  /** Below 0: released. */
  readonly reserved_cents: number;
}

export interface JobStory {
  readonly job_id: string;
  readonly user_id: string;
  readonly state: JobStatus | 'deleted' | 'archived' | 'absent';
  readonly version: number;
  readonly position: number;
  readonly recorded_at: string;
  /** Spent in the status, in all attempts, up to the last event that is told. */
  readonly queued_ms: number;
  readonly running_ms: number;
  readonly incurred_cents: number;
  readonly reserved_cents: number;
  readonly steps: readonly StoryStep[];
}

/** A job's history for people. `events` are a beginning of it, at least one. */
export function tellJob(events: readonly StoredEvent[]): JobStory {
  const recorded = events.map(recordedEvent);
  const steps = recorded.map((event, at) => stepOf(event, events[at]!, events[at - 1] ?? events[at]!));
  const spentIn = (status: JobStatus): number =>
    sum(steps.map((step, at) => (recorded[at]!.data.from === status ? step.since_previous_ms : 0)));
  const { state } = replayJob(events);
  const { stream_id, user_id } = events[0]!;
  const { version, position, recorded_at } = steps.at(-1)!;
  return {
    job_id: stream_id,
    user_id,
    state: state.status === 'ended' ? state.reason : state.status,
    version,
    position,
    recorded_at,
    queued_ms: spentIn('queued'),
    running_ms: spentIn('running'),
    incurred_cents: sum(steps.map((step) => step.charged_cents)),
    reserved_cents: sum(steps.map((step) => step.reserved_cents)),
    steps,
  };
}

function stepOf(event: RecordedJobEvent, stored: StoredEvent, previous: StoredEvent): StoryStep {
  return {
    version: stored.version,
    position: stored.position,
    type: stored.type,
    recorded_at: stored.recorded_at.toISOString(),
    since_previous_ms: stored.recorded_at.getTime() - previous.recorded_at.getTime(),
    actor: stored.meta.actor,
    what: whatHappened(event),
    why: whyItDid(event),
    charged_cents: event.data.cost_delta_cents,
    reserved_cents: event.data.reserved_delta_cents,
  };
}

function whatHappened(event: RecordedJobEvent): string {
  switch (event.type) {
    case 'JobQueued':
    case 'JobImported': {
      const { kind, max_attempts, priority, run_at, deadline } = event.data;
      return listed(
        event.type === 'JobQueued' ? `queued a job of kind ${kind}` : `imported a job of kind ${kind}`,
        `${max_attempts} ${max_attempts === 1 ? 'attempt' : 'attempts'} at most`,
        priority !== 0 && `priority ${priority}`,
        run_at !== undefined && `not before ${run_at}`,
        deadline !== undefined && `to be started by ${deadline}`,
      );
    }
    case 'JobStarted': {
      const { attempt, lease_expires_at } = event.data;
      return listed(
        `attempt ${attempt} started`,
        lease_expires_at !== null && `lease until ${lease_expires_at}`,
      );
    }
    case 'JobProgressed':
      return `${Math.round(event.data.fraction * 100)} % done: ${event.data.stage}`;
    case 'JobSucceeded': {
      const { outputs, output_errors } = event.data;
      const missing = output_errors.map(({ position, code }) => `${position} (${code})`).join(', ');
      return listed(`succeeded with ${files(outputs.length)}`, missing !== '' && `none at ${missing}`);
    }
    case 'JobFailed':
      return 'failed for good';
    case 'JobAttemptFailed':
      return listed(`attempt ${event.data.attempt} failed`, `due again at ${event.data.retry_at}`);
    case 'JobLeaseExpired':
      return listed(`attempt ${event.data.attempt} lost its worker`, `due again at ${event.data.retry_at}`);
    case 'JobReleased':
      return 'handed back to the queue, which counts as no attempt';
    case 'JobCancelRequested':
      return 'asked the worker to stop';
    case 'JobCanceled':
      return 'canceled';
    case 'JobDetailsChanged': {
      const { mode, priority, has_content } = event.data;
      return listed(`changed to mode ${mode}`, `priority ${priority}`, has_content && 'with new texts');
    }
    case 'JobOutputAdded':
      return `added ${files(event.data.outputs.length)}`;
    case 'JobInputAssetRemoved':
      return `lost its input ${event.data.input_asset_id}`;
    case 'JobResultRefused':
      return `refused a report under the lease of version ${event.data.lease_token}`;
    case 'JobCostAdjusted':
      return `cost is ${event.data.cost_cents} cents now`;
    case 'JobContentErased':
      return 'texts erased';
    case 'JobArchived':
      return 'archived';
    case 'JobRestored':
      return 'restored from the archive';
    case 'JobDeleted':
      return 'deleted';
  }
}

const CANCELED_BECAUSE = {
  requested: 'it was asked for',
  deleted: 'the job was deleted',
  erased: 'its texts were erased',
} as const;

function whyItDid(event: RecordedJobEvent): string | null {
  switch (event.type) {
    case 'JobQueued':
      return event.data.retry_of === undefined ? null : `retry of ${event.data.retry_of}`;
    case 'JobImported':
      return `it was ${event.data.source_id} elsewhere`;
    case 'JobFailed':
    case 'JobAttemptFailed': {
      const { code, has_content } = event.data;
      return has_content ? `${code}: ${event.content?.message ?? '(erased)'}` : code;
    }
    case 'JobLeaseExpired':
      return 'its lease ran out';
    case 'JobCanceled':
      return CANCELED_BECAUSE[event.data.reason];
    case 'JobResultRefused':
      return 'another attempt had the lease, or none';
    case 'JobCostAdjusted':
      return event.data.reason;
    default:
      return null;
  }
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}

function listed(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part).join(', ');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
