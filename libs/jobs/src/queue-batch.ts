import type { PoolClient } from 'pg';
import {
  BatchCategory,
  BatchPlan,
  byteaArray,
  commitContent,
  EventMeta,
  intArray,
  jsonArray,
  LoadMode,
  NewContent,
  textArray,
  timestampArray,
  toIJson,
  uuidArray,
} from '@genledger/event-store';
import { ABSENT, evolve } from './job';
import { tallyOf } from './job-batch-plan';
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
  readonly events: Map<string, JobEvent>;
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
    while (batch.length > 0) {
      const events = new Map<string, JobEvent>();
      const rows = await this.send(client, batch, events, sentBefore);
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
          if (!event) return null;
          const job = evolve(ABSENT, { ...event, version: 1, recordedAt: at, userId });
          return { status: 'accepted', id, job, version: 1, position };
        }),
    };
  }

  blocked(): Queued {
    return null;
  }

  rejected({ id }: JobItem): Queued {
    return { status: 'refused', id, code: 'invalid_value' };
  }

  private async send(
    client: PoolClient,
    items: readonly JobItem[],
    events: Map<string, JobEvent>,
    sentBefore: boolean,
  ): Promise<AnswerRow[]> {
    const contents: NewContent[] = [];
    const data: string[] = [];
    const tallies: string[] = [];
    const metas = new Map<EventMeta, string>();
    const pairs = new Map<string, { project: string; user: string }>();
    for (const { id, userId, command, meta } of items) {
      const [event] = decide(ABSENT, command, 0).events;
      if (event?.type !== 'JobQueued') throw new Error('a plain new job was not queued');
      events.set(id, event);
      tallies.push(`{${tallyOf(event).join()}}`);
      if (event.content) {
        const { body, salt, sha256 } = commitContent(event.content);
        contents.push({ streamId: id, version: 1, userId, salt, body });
        data.push(toIJson({ ...event.data, content_sha256: sha256 }));
      } else {
        data.push(toIJson(event.data));
      }
      if (!metas.has(meta)) metas.set(meta, toIJson(meta));
      const project = event.data.project_id;
      if (project !== null) pairs.set(project + userId, { project, user: userId });
    }
    const jobs = items.map(jobOf);
    const keyed = items.filter((item) => item.key !== undefined);
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
      jsonArray(jobs.map((job) => JSON.stringify(job.requested))),
      jsonArray(jobs.map((job) => JSON.stringify(job.effective))),
      textArray(jobs.map((job) => arrayLiteral(job.content?.tags))),
      intArray(jobs.map((job) => (job.content === null ? null : 1))),
      textArray(tallies),
      uuidArray(contents.map((content) => content.streamId)),
      uuidArray(contents.map((content) => content.userId)),
      byteaArray(contents.map((content) => content.salt)),
      jsonArray(contents.map((content) => content.body)),
      uuidArray(referred.map((pair) => pair.project)),
      uuidArray(referred.map((pair) => pair.user)),
      uuidArray(keyed.map((item) => item.key!.hash)),
      uuidArray(keyed.map((item) => item.key!.fingerprint)),
      uuidArray(keyed.map((item) => item.id)),
      sentBefore,
    ]);
    return rows;
  }
}

const QUEUE_JOBS = `select answer, id, at_ms, last_position from genledger.queue_jobs($1::uuid[], $2::uuid[], $3::json[],
  $4::json[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[], $11::timestamptz[], $12::int[],
  $13::int[], $14::json[], $15::json[], $16::text[], $17::int[], $18::text[], $19::uuid[], $20::uuid[], $21::bytea[],
  $22::json[], $23::uuid[], $24::uuid[], $25::uuid[], $26::uuid[], $27::uuid[], $28)`;

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
