import { STORED_EVENT_COLUMNS } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import type { Query } from '@genledger/platform';
import type { LiveJob } from '../job';
import type { JobOutput } from '../job-events';
import { HotJobRow, jobOfRow } from '../job-rows';
import { GENERATION_JOB_COLUMNS, GenerationJobRow } from '../read-models/generation-job.entity';
import type { IdRange } from './invariants';

export type TalliedEvent = StoredEvent & {
  readonly scope_id: string | null;
  readonly tally: number[] | null;
  readonly account: string | null;
};

export interface Tombstone {
  readonly stream_id: string;
  readonly version: number;
  readonly reason: string;
}

/** Whatever the database holds of one job: what happened, and what became of it in the read models. */
export interface JobRecord {
  readonly id: string;
  readonly history: readonly TalliedEvent[];
  /** As readers see it: both halves together. */
  readonly row: GenerationJobRow | null;
  /** As commands load it: the hot half. */
  readonly hot: LiveJob | null;
  readonly hasColdRow: boolean;
  readonly outputs: readonly JobOutput[];
  readonly tombstone: Tombstone | null;
}

/** Streams of the reserved high range live long and are no jobs: they are not loaded. */
const events = (within: Condition): string => `select ${STORED_EVENT_COLUMNS}, e.scope_id, e.tally, e.account
  from genledger.events e
  left join genledger.event_contents c
    on c.stream_id = e.stream_id and c.version = e.version and ${within('c.stream_id')}
 where ${within('e.stream_id')} and e.stream_id < 'f0000000-0000-0000-0000-000000000000'
 order by e.stream_id, e.version`;

const outputs = (
  within: Condition,
): string => `select job_id, position, upload_id, mime_type, size, sha256, width, height
  from genledger.job_outputs where ${within('job_id')} order by job_id, position`;

/** As numeric, so that the milliseconds are whole. */
const ms = (column: string, name: string): string =>
  `(extract(epoch from ${column}) * 1000)::float8 as ${name}`;

const HOT_COLUMNS = `id, user_id, project_id, kind, mode, model, status, version, attempt, max_attempts, rank,
  ${ms('run_at', 'run_ms')}, ${ms('deadline', 'deadline_ms')}, lease_token, ${ms('lease_expires_at', 'lease_ms')},
  refused_tokens, worker_id, reserved_cents, cost_cents, error_code, error_version, input_asset_id, output_count, erased,
  ${ms('cancel_requested_at', 'cancel_ms')}, ${ms('started_at', 'started_ms')}, ${ms('completed_at', 'completed_ms')},
  ${ms('updated_at', 'updated_ms')}`;

type Condition = (column: string) => string;

/** Every job of which anything lies in a range. */
export function readJobsIn(query: Query, { after, upto }: IdRange): Promise<JobRecord[]> {
  return readJobs(query, (column) => `${column} > $1 and ${column} <= $2`, [after, upto]);
}

/** Those of these jobs of which there is anything. */
export function readJobsOf(query: Query, ids: readonly string[]): Promise<JobRecord[]> {
  return readJobs(query, (column) => `${column} = any ($1::uuid[])`, [ids]);
}

async function readJobs(query: Query, within: Condition, values: readonly unknown[]): Promise<JobRecord[]> {
  const [logged, rows, hotRows, coldRows, files, tombstones] = await Promise.all([
    query<TalliedEvent>(events(within), values),
    query<GenerationJobRow>(
      `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where ${within('id')}`,
      values,
    ),
    query<HotJobRow>(`select ${HOT_COLUMNS} from genledger.job_states where ${within('id')}`, values),
    query<{ id: string }>(`select id from genledger.job_requests where ${within('id')}`, values),
    query<JobOutput & { job_id: string }>(outputs(within), values),
    query<Tombstone>(
      `select stream_id, version, reason from genledger.ended_streams where ${within('stream_id')}`,
      values,
    ),
  ]);
  const histories = jobHistories(logged);
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const hotOf = new Map(hotRows.map((row) => [row.id, jobOfRow(row)]));
  const cold = new Set(coldRows.map(({ id }) => id));
  const outputsOf = groupBy(files, (output) => output.job_id);
  const tombstoneOf = new Map(tombstones.map((tombstone) => [tombstone.stream_id, tombstone]));
  const known = [histories, hotOf, cold, outputsOf, tombstoneOf].flatMap((of) => [...of.keys()]);
  return [...new Set(known)].map((id) => ({
    id,
    history: histories.get(id) ?? [],
    row: rowOf.get(id) ?? null,
    hot: hotOf.get(id) ?? null,
    hasColdRow: cold.has(id),
    outputs: (outputsOf.get(id) ?? []).map(({ job_id: _, ...output }) => output),
    tombstone: tombstoneOf.get(id) ?? null,
  }));
}

function jobHistories(logged: readonly TalliedEvent[]): Map<string, TalliedEvent[]> {
  const histories = groupBy(logged, (event) => event.stream_id);
  for (const [id, history] of histories)
    if (!history.some((event) => event.type.startsWith('Job'))) histories.delete(id);
  return histories;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
