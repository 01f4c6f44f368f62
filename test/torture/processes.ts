import { Doorbell, EventMeta, StreamStore } from '@genledger/event-store';
import { Database, newId, serverUrls } from '@genledger/platform';
import { admit, JobRequest } from '../../libs/jobs/src/admission';
import type { JobItem } from '../../libs/jobs/src/job-item';
import { JobStore } from '../../libs/jobs/src/job-store';

/** What a process of ours holds: connections of its own, and the stores on them. */
export interface StoreProcess {
  readonly database: Database;
  readonly jobs: JobStore;
  readonly streams: StreamStore;
  stop(): Promise<void>;
}

export async function startProcess(adminUrl: string): Promise<StoreProcess> {
  const database = new Database({ ...serverUrls(adminUrl) });
  await database.connect();
  const connection = { pool: database.writer, openSession: () => database.openSession('doorbell') };
  const doorbell = new Doorbell(connection.openSession);
  return {
    database,
    jobs: new JobStore(connection, doorbell),
    streams: new StreamStore(connection.pool),
    async stop() {
      await doorbell.close();
      await database.onApplicationShutdown();
    },
  };
}

export const USER = '11111111-1111-4111-8111-111111111111';
const META: EventMeta = { actor: USER };
const ACTOR = { userId: USER, role: 'user' } as const;

export function queueJob(given: Partial<JobRequest> = {}, id = newId()): JobItem {
  return {
    id,
    userId: USER,
    meta: META,
    command: { type: 'queue', actor: ACTOR, job: admit({ kind: 'external', ...given }) },
  };
}

/** A command that changes a queued job again and again, as long as the priority is another one. */
export function changePriority(id: string, priority: number): JobItem {
  return { id, userId: USER, meta: META, command: { type: 'change_details', actor: ACTOR, priority } };
}
