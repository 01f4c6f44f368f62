import type { PoolClient } from 'pg';
import {
  BatchCategory,
  BatchPlan,
  byteaArray,
  callOf,
  commitContent,
  EventMeta,
  intArray,
  jsonArray,
  LoadMode,
  sqlState,
  textArray,
  timestampArray,
  toIJson,
  uuidArray,
} from '@genledger/event-store';
import { ABSENT, evolve } from './job';
import { accountOf } from './job-batch-plan';
import type { NewJob } from './job-commands';
import type { JobEvent } from './job-events';
import { JobItem, JobOutcome, sizeOf } from './job-item';
import { arrayLiteral } from './job-rows';
import { decide } from './job.decider';

/** null: nothing was written for it here; the batch of all commands has the answer. */
export type Queued = Extract<JobOutcome, { status: 'accepted' | 'refused' }> | null;

interface AnswerRow {
  readonly answer: 'queued' | 'reference' | 'key';
  /** The project, or the key, that stands in the way. */
  readonly id: string | null;
  readonly at_ms: number | null;
  readonly last_position: number | null;
}

interface Settled {
  readonly events: Map<string, QueuedEvent>;
  readonly at: number;
  readonly position: number;
}

/** Whether a command queues a job that needs no clock and refers to nothing but its project. */
export function isPlainQueue({ command }: JobItem): boolean {
  if (command.type !== 'queue') return false;
  const { deadline, inputAssetId, collectionId, ordinalNumber, traitOverrides, retryOf } = command.job;
  return (
    deadline === null &&
    inputAssetId === null &&
    collectionId === null &&
    ordinalNumber === null &&
    traitOverrides === null &&
    retryOf === null
  );
}

/**
 * Plain new jobs, one statement a batch. Nothing is read that `decide` would need, so it decides first, and
 * genledger.queue_jobs settles keys and references, appends and writes, or answers what stands in the way. Items with that
 * project or key go the way of all commands, the others are sent again.
 */
export class QueueBatch implements BatchCategory<JobItem, Settled, Queued> {
  readonly isOneStatement = true;

  streamOf(item: JobItem): string {
    return item.id;
  }

  bytesOf(item: JobItem): number {
    return sizeOf(item);
  }

  async load(client: PoolClient, items: readonly JobItem[], { sentBefore }: LoadMode): Promise<Settled> {
    let batch = withoutRepeatedKeys(items);
    let settleKeys = false;
    while (batch.length > 0) {
      const events = new Map<string, QueuedEvent>();
      let rows: AnswerRow[];
      try {
        rows = await send(client, batch, events, { settleKeys, sentBefore });
      } catch (error) {
        if (settleKeys || !isTakenKey(error)) throw error;
        settleKeys = true;
        continue;
      }
      const [first] = rows;
      if (first?.answer === 'queued') return { events, at: first.at_ms!, position: first.last_position! };
      const inTheWay = new Set(rows.map((row) => row.id));
      batch = batch.filter(
        (item) => !inTheWay.has(jobOf(item).projectId) && !(item.key && inTheWay.has(item.key.hash)),
      );
    }
    return { events: new Map(), at: 0, position: 0 };
  }

  decide(items: readonly JobItem[], { events, at, position }: Settled): BatchPlan<Queued> {
    return {
      held: [],
      writes: [],
      wrote: events.size > 0,
      answer: () =>
        items.map(({ id, userId }) => {
          const event = events.get(id);
          return event === undefined ? null : accepted(id, userId, event, at, position);
        }),
    };
  }

  blocked(): Queued {
    return null;
  }

  rejected({ id }: JobItem): Queued {
    return { status: 'refused', id, code: 'invalid_value' };
  }
}

type QueuedEvent = Extract<JobEvent, { type: 'JobQueued' }>;

/** Few callers look at the state, so it is folded when they do. */
function accepted(id: string, userId: string, event: QueuedEvent, at: number, position: number): Queued {
  return {
    status: 'accepted',
    id,
    version: 1,
    position,
    get job() {
      return evolve(ABSENT, { ...event, version: 1, recordedAt: at, userId });
    },
  };
}

/** A key of the batch was used before: which, the statement tells when it is asked to settle them. */
function isTakenKey(error: unknown): boolean {
  const { constraint } = error as { constraint?: string };
  return sqlState(error) === '23505' && constraint === 'idempotency_keys_pkey';
}

async function send(
  client: PoolClient,
  items: readonly JobItem[],
  events: Map<string, QueuedEvent>,
  { settleKeys, sentBefore }: { settleKeys: boolean; sentBefore: boolean },
): Promise<AnswerRow[]> {
  const jobs = items.map(jobOf);
  const data: string[] = [];
  const salts: (Buffer | null)[] = [];
  const bodies: (string | null)[] = [];
  const accounts: (string | null)[] = [];
  const metas = new Map<EventMeta, string>();
  const pairs = new Map<string, { project: string; user: string }>();
  for (const { id, userId, command, meta } of items) {
    const [event] = decide(ABSENT, command, 0).events;
    if (event?.type !== 'JobQueued') throw new Error('a plain new job was not queued');
    events.set(id, event);
    accounts.push(accountOf(event));
    if (event.content) {
      const { body, salt, sha256 } = commitContent(event.content);
      salts.push(salt);
      bodies.push(body);
      data.push(toIJson({ ...event.data, content_sha256: sha256 }));
    } else {
      salts.push(null);
      bodies.push(null);
      data.push(toIJson(event.data));
    }
    if (!metas.has(meta)) metas.set(meta, toIJson(meta));
    const project = event.data.project_id;
    if (project !== null) pairs.set(project + userId, { project, user: userId });
  }
  const referred = [...pairs.values()];
  const { rows } = await client.query<AnswerRow>(QUEUE_JOBS, [
    uuidArray(items.map(({ id }) => id)),
    uuidArray(items.map(({ userId }) => userId)),
    jsonArray(data),
    jsonArray(items.map(({ meta }) => metas.get(meta))),
    uuidArray(jobs.map((job) => job.projectId)),
    textArray(jobs.map((job) => job.kind)),
    textArray(jobs.map((job) => job.mode)),
    textArray(jobs.map((job) => job.model)),
    intArray(jobs.map((job) => job.maxAttempts)),
    intArray(jobs.map((job) => -job.priority)),
    timestampArray(jobs.map((job) => job.runAt)),
    intArray(jobs.map((job) => job.estimatedCents)),
    intArray(jobs.map((job) => job.statedCents)),
    textArray(accounts),
    jsonArray(jobs.map((job) => JSON.stringify(job.requested))),
    jsonArray(jobs.map((job) => JSON.stringify(job.effective))),
    textArray(jobs.map((job) => arrayLiteral(job.content?.tags))),
    byteaArray(salts),
    jsonArray(bodies),
    uuidArray(referred.map((pair) => pair.project)),
    uuidArray(referred.map((pair) => pair.user)),
    uuidArray(items.map(({ key }) => key?.hash)),
    uuidArray(items.map(({ key }) => key?.fingerprint)),
    settleKeys,
    sentBefore,
  ]);
  return rows;
}

const QUEUE_JOBS = `select answer, id, at_ms, last_position from ${callOf('queue_jobs', 25)}`;

function jobOf({ command }: JobItem): NewJob {
  if (command.type !== 'queue') throw new Error(`not a new job: ${command.type}`);
  return command.job;
}

/** The second of two commands under one key is for the batch that compares them. */
function withoutRepeatedKeys(items: readonly JobItem[]): JobItem[] {
  const seen = new Set<string>();
  return items.filter(({ key }) => {
    if (!key) return true;
    if (seen.has(key.hash)) return false;
    seen.add(key.hash);
    return true;
  });
}
