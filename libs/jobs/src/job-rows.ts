import {
  bigintArray,
  byteaArray,
  callOf,
  intArray,
  jsonArray,
  NewContent,
  Statement,
  textArray,
  tidArray,
  timestampArray,
  uuidArray,
} from '@genledger/event-store';
import type { LiveJob } from './job';
import type { JobOutput } from './job-events';
import type { NewJob } from './job-commands';

/** A row of genledger.load_jobs. Times are ms since 1970. */
export interface JobHeadRow {
  readonly found: 'locked' | 'held' | 'ended';
  readonly row_id: string;
  readonly id: string;
  readonly user_id: string;
  readonly project_id: string | null;
  readonly kind: LiveJob['kind'];
  readonly mode: string;
  readonly model: string | null;
  /** For an ended job: why. */
  readonly status: string;
  readonly version: number;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly rank: number;
  readonly run_ms: number;
  readonly deadline_ms: number | null;
  readonly lease_token: number | null;
  readonly lease_ms: number | null;
  readonly refused_tokens: number[] | null;
  readonly worker_id: string | null;
  readonly reserved_cents: number;
  readonly cost_cents: number;
  readonly error_code: string | null;
  readonly error_version: number | null;
  readonly input_asset_id: string | null;
  readonly output_count: number;
  readonly erased: boolean;
  readonly cancel_ms: number | null;
  readonly started_ms: number | null;
  readonly completed_ms: number | null;
  readonly updated_ms: number;
}

/** What a hot row holds, found without locks. */
export type HotJobRow = Omit<JobHeadRow, 'found' | 'row_id'>;

export function jobOfRow(row: HotJobRow): LiveJob {
  return {
    status: row.status as LiveJob['status'],
    userId: row.user_id,
    projectId: row.project_id,
    kind: row.kind,
    mode: row.mode,
    model: row.model,
    version: row.version,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    // Claims walk ranks upwards, so a higher priority is a lower rank.
    priority: row.rank === 0 ? 0 : -row.rank,
    runAt: row.run_ms,
    deadline: row.deadline_ms,
    leaseToken: row.lease_token,
    leaseExpiresAt: row.lease_ms,
    refusedTokens: row.refused_tokens ?? [],
    workerId: row.worker_id,
    reservedCents: row.reserved_cents,
    costCents: row.cost_cents,
    errorCode: row.error_code,
    errorVersion: row.error_version,
    inputAssetId: row.input_asset_id,
    outputCount: row.output_count,
    erased: row.erased,
    cancelRequestedAt: row.cancel_ms,
    startedAt: row.started_ms,
    completedAt: row.completed_ms,
    updatedAt: row.updated_ms,
  };
}

export interface InsertedJob {
  readonly id: string;
  readonly userId: string;
  readonly job: NewJob;
  /** What the job's first event has committed to. */
  readonly content: Pick<NewContent, 'salt' | 'body'> | null;
  readonly runAt: number;
  readonly createdAt: number;
}

export function insertJobsStatement(jobs: readonly InsertedJob[]): Statement {
  return {
    text: `select ${callOf('insert_jobs', 23)}`,
    values: [
      uuidArray(jobs.map(({ id }) => id)),
      uuidArray(jobs.map(({ userId }) => userId)),
      uuidArray(jobs.map(({ job }) => job.projectId)),
      textArray(jobs.map(({ job }) => job.kind)),
      textArray(jobs.map(({ job }) => job.mode)),
      textArray(jobs.map(({ job }) => job.model)),
      intArray(jobs.map(({ job }) => job.maxAttempts)),
      intArray(jobs.map(({ job }) => -job.priority)),
      timestampArray(jobs.map(({ runAt }) => runAt)),
      timestampArray(jobs.map(({ job }) => job.deadline)),
      intArray(jobs.map(({ job }) => job.estimatedCents)),
      intArray(jobs.map(({ job }) => job.statedCents)),
      uuidArray(jobs.map(({ job }) => job.inputAssetId)),
      uuidArray(jobs.map(({ job }) => job.collectionId)),
      intArray(jobs.map(({ job }) => job.ordinalNumber)),
      jsonArray(jobs.map(({ job }) => json(job.traitOverrides))),
      jsonArray(jobs.map(({ job }) => JSON.stringify(job.requested))),
      jsonArray(jobs.map(({ job }) => JSON.stringify(job.effective))),
      textArray(jobs.map(({ job }) => arrayLiteral(job.content?.tags))),
      uuidArray(jobs.map(({ job }) => job.retryOf)),
      byteaArray(jobs.map(({ content }) => content?.salt)),
      jsonArray(jobs.map(({ content }) => content?.body)),
      timestampArray(jobs.map(({ createdAt }) => createdAt)),
    ],
  };
}

export interface UpdatedJob {
  readonly rowId: string;
  readonly job: LiveJob;
}

export function updateJobsStatement(updates: readonly UpdatedJob[]): Statement {
  const jobs = updates.map(({ job }) => job);
  return {
    text: `select ${callOf('update_jobs', 23)}`,
    values: [
      tidArray(updates.map(({ rowId }) => rowId)),
      uuidArray(jobs.map((job) => job.projectId)),
      textArray(jobs.map((job) => job.mode)),
      textArray(jobs.map((job) => job.status)),
      intArray(jobs.map((job) => job.version)),
      intArray(jobs.map((job) => job.attempt)),
      intArray(jobs.map((job) => -job.priority)),
      timestampArray(jobs.map((job) => job.runAt)),
      intArray(jobs.map((job) => job.leaseToken)),
      timestampArray(jobs.map((job) => job.leaseExpiresAt)),
      textArray(jobs.map((job) => (job.refusedTokens.length === 0 ? null : `{${job.refusedTokens.join()}}`))),
      textArray(jobs.map((job) => job.workerId)),
      intArray(jobs.map((job) => job.reservedCents)),
      intArray(jobs.map((job) => job.costCents)),
      textArray(jobs.map((job) => job.errorCode)),
      intArray(jobs.map((job) => job.errorVersion)),
      uuidArray(jobs.map((job) => job.inputAssetId)),
      intArray(jobs.map((job) => job.outputCount)),
      intArray(jobs.map((job) => Number(job.erased))),
      timestampArray(jobs.map((job) => job.cancelRequestedAt)),
      timestampArray(jobs.map((job) => job.startedAt)),
      timestampArray(jobs.map((job) => job.completedAt)),
      timestampArray(jobs.map((job) => job.updatedAt)),
    ],
  };
}

export interface LinkedOutput {
  readonly jobId: string;
  readonly userId: string;
  readonly output: JobOutput;
}

export function insertOutputsStatement(outputs: readonly LinkedOutput[]): Statement {
  return {
    text: `select ${callOf('insert_job_outputs', 9)}`,
    values: [
      uuidArray(outputs.map(({ jobId }) => jobId)),
      intArray(outputs.map(({ output }) => output.position)),
      uuidArray(outputs.map(({ userId }) => userId)),
      uuidArray(outputs.map(({ output }) => output.upload_id)),
      textArray(outputs.map(({ output }) => output.mime_type)),
      bigintArray(outputs.map(({ output }) => output.size)),
      textArray(outputs.map(({ output }) => output.sha256)),
      intArray(outputs.map(({ output }) => output.width)),
      intArray(outputs.map(({ output }) => output.height)),
    ],
  };
}

export interface ChangedRequest {
  readonly id: string;
  readonly projectId: string | null;
  readonly mode: string;
  readonly inputAssetId: string | null;
  /** Version whose content replaces the request's; null: it stays. */
  readonly contentVersion: number | null;
  readonly tags: readonly string[] | null;
}

export function changeRequestsStatement(changes: readonly ChangedRequest[]): Statement {
  return {
    text: `select ${callOf('change_job_requests', 6)}`,
    values: [
      uuidArray(changes.map((change) => change.id)),
      uuidArray(changes.map((change) => change.projectId)),
      textArray(changes.map((change) => change.mode)),
      textArray(changes.map((change) => arrayLiteral(change.tags ?? undefined))),
      uuidArray(changes.map((change) => change.inputAssetId)),
      intArray(changes.map((change) => change.contentVersion)),
    ],
  };
}

export function endJobsStatement(
  ended: readonly { readonly id: string; readonly version: number }[],
  reason: 'deleted' | 'archived',
  now: number,
): Statement {
  return {
    text: `select genledger.end_jobs($1::uuid[], $2::int[], $3, to_timestamp($4::float8 / 1000))`,
    values: [
      uuidArray(ended.map(({ id }) => id)),
      intArray(ended.map(({ version }) => version)),
      reason,
      now,
    ],
  };
}

export function returnKeysStatement(hashes: readonly string[]): Statement {
  return { text: `select genledger.return_idempotency_keys($1::uuid[])`, values: [uuidArray(hashes)] };
}

function json(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** A text[] inside a text[]: PostgreSQL has no arrays of arrays of different lengths. */
export function arrayLiteral(values: readonly string[] | undefined): string | null {
  if (!values || values.length === 0) return null;
  return `{${values.map((value) => `"${value.replace(/[\\"]/g, '\\$&')}"`).join()}}`;
}
