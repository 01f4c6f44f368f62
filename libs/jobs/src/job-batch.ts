import type { PoolClient } from 'pg';
import { BatchCategory, BatchPlan, LoadMode, uuidArray } from '@genledger/event-store';
import { JobBatchPlan } from './job-batch-plan';
import { eachTarget, JobItem, JobOutcome, LoadedJobs, Reference, sizeOf, TakenKey } from './job-item';
import type { JobHeadRow } from './job-rows';

const EMPTY = { rows: [] };

/**
 * Jobs in the group commit. Lock order: idempotency keys, then jobs, then what they refer to, each sorted by id.
 * Keys and references are settled before anything is written, so that no item can break the batch's one append.
 */
export class JobBatch implements BatchCategory<JobItem, LoadedJobs, JobOutcome> {
  streamOf(item: JobItem): string {
    return item.id;
  }

  bytesOf(item: JobItem): number {
    return sizeOf(item);
  }

  async load(client: PoolClient, items: readonly JobItem[], { alone }: LoadMode): Promise<LoadedJobs> {
    const keys = new Map<string, JobItem>();
    const ids = new Set<string>();
    const targets = { projects: new Set<string>(), assets: new Set<string>(), uploads: new Set<string>() };
    for (const item of items) {
      if (item.key && !keys.has(item.key.hash)) keys.set(item.key.hash, item);
      if (item.command.type !== 'queue') ids.add(item.id);
      eachTarget(item, (target, id) => targets[target].add(id));
    }
    const keyed = [...keys.values()];
    const taking =
      keyed.length === 0
        ? EMPTY
        : client.query<TakenKey>(
            `select key_hash, fingerprint, stream_id, version
               from genledger.take_idempotency_keys($1::uuid[], $2::uuid[], $3::uuid[])`,
            [
              uuidArray(keyed.map((item) => item.key!.hash)),
              uuidArray(keyed.map((item) => item.key!.fingerprint)),
              uuidArray(keyed.map((item) => item.id)),
            ],
          );
    const locking =
      ids.size === 0
        ? EMPTY
        : client.query<JobHeadRow>(`select * from genledger.load_jobs($1::uuid[], $2)`, [
            uuidArray([...ids]),
            alone,
          ]);
    const referring =
      targets.projects.size + targets.assets.size + targets.uploads.size === 0
        ? EMPTY
        : client.query<Reference>(
            `select target, id, user_id, held from genledger.lock_references($1::uuid[], $2::uuid[], $3::uuid[], $4)`,
            [
              uuidArray([...targets.projects]),
              uuidArray([...targets.assets]),
              uuidArray([...targets.uploads]),
              alone,
            ],
          );
    const [taken, locked, referred] = await Promise.all([taking, locking, referring]);
    const references = new Map<string, Reference>();
    for (const row of referred.rows) if (!references.has(row.id)) references.set(row.id, row);
    // Where a row is missing, all ids are told of again, as held: what came first, came locked.
    const heads = new Map<string, JobHeadRow>();
    for (const row of locked.rows) if (!heads.has(row.id)) heads.set(row.id, row);
    return {
      heads,
      takenKeys: new Map(taken.rows.map((row) => [row.key_hash, row])),
      references,
    };
  }

  decide(items: readonly JobItem[], loaded: LoadedJobs, now: number): BatchPlan<JobOutcome> {
    return new JobBatchPlan(loaded, now).decide(items);
  }

  blocked(item: JobItem): JobOutcome {
    return { status: 'conflict', id: item.id };
  }

  rejected(item: JobItem): JobOutcome {
    return { status: 'refused', id: item.id, code: 'invalid_value' };
  }
}
