import type { StoredEvent } from '@genledger/event-store';
import type { LiveJob } from '../job';
import type { GenerationJobRow } from '../read-models/generation-job.entity';

/** Columns of the hot half in the order of `hotRow`. */
export const HOT_COLUMNS = [
  ...['id', 'user_id', 'project_id', 'kind', 'mode', 'model', 'status', 'version', 'attempt', 'max_attempts'],
  ...['rank', 'run_at', 'deadline', 'lease_token', 'lease_expires_at', 'refused_tokens', 'worker_id'],
  ...[
    'reserved_cents',
    'cost_cents',
    'error_code',
    'error_version',
    'input_asset_id',
    'output_count',
    'erased',
  ],
  ...['cancel_requested_at', 'started_at', 'completed_at', 'updated_at'],
] as const;

/** Columns of the cold half, but the text that stands beside it: that is no model, there is no other copy. */
export const COLD_COLUMNS = [
  ...['id', 'user_id', 'project_id', 'kind', 'mode', 'input_asset_id', 'collection_id', 'ordinal_number'],
  ...['trait_overrides', 'requested', 'effective', 'estimated_cents', 'tags', 'retry_of', 'content_version'],
  'created_at',
] as const;

type Row<Columns extends readonly string[]> = Readonly<Record<Columns[number], unknown>>;

/**
 * The hot row that a history makes. The lease of a job that runs is the stored one, if there is one: heartbeats move it
 * and leave no event.
 */
export function hotRow(id: string, job: LiveJob, stored: LiveJob | null): Row<typeof HOT_COLUMNS> {
  const held = job.status === 'running' ? stored : null;
  return {
    id,
    user_id: job.userId,
    project_id: job.projectId,
    kind: job.kind,
    mode: job.mode,
    model: job.model,
    status: job.status,
    version: job.version,
    attempt: job.attempt,
    max_attempts: job.maxAttempts,
    rank: -job.priority,
    run_at: time(job.runAt),
    deadline: time(job.deadline),
    lease_token: job.leaseToken,
    lease_expires_at: time(held?.leaseExpiresAt ?? job.leaseExpiresAt),
    refused_tokens: job.refusedTokens.length === 0 ? null : job.refusedTokens,
    worker_id: held?.workerId ?? job.workerId,
    reserved_cents: job.reservedCents,
    cost_cents: job.costCents,
    error_code: job.errorCode,
    error_version: job.errorVersion,
    input_asset_id: job.inputAssetId,
    output_count: job.outputCount,
    erased: job.erased,
    cancel_requested_at: time(job.cancelRequestedAt),
    started_at: time(job.startedAt),
    completed_at: time(job.completedAt),
    updated_at: time(job.updatedAt),
  };
}

export function coldRow(row: GenerationJobRow, history: readonly StoredEvent[]): Row<typeof COLD_COLUMNS> {
  return {
    id: row.id,
    user_id: row.user_id,
    project_id: row.project_id,
    kind: row.kind,
    mode: row.mode,
    input_asset_id: row.input_asset_id,
    collection_id: row.collection_id,
    ordinal_number: row.ordinal_number,
    trait_overrides: row.trait_overrides,
    requested: row.requested_parameters,
    effective: row.effective_parameters,
    estimated_cents: row.estimated_cents,
    tags: row.tags,
    retry_of: row.retry_of,
    content_version: contentVersion(history),
    created_at: row.created_at.toISOString(),
  };
}

const REQUESTS: ReadonlySet<string> = new Set(['JobQueued', 'JobImported', 'JobDetailsChanged']);

/** Version of the event whose content is what was asked for, erased or not. */
function contentVersion(history: readonly StoredEvent[]): number | null {
  const last = history.findLast(
    ({ type, data }) => REQUESTS.has(type) && (data as Committed).content_sha256 !== undefined,
  );
  return last?.version ?? null;
}

interface Committed {
  /** Of the event's RequestContent. */
  readonly content_sha256?: string;
}

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
