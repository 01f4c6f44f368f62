import type { StoredEvent } from '@genledger/event-store';
import { replayJob, ReplayedJob } from '../read-models/replay';
import { describeDifference, jobDifferences } from '../verification/job-differences';
import type { JobRecord } from '../verification/job-records';

/** A job whose read models are not what its history says. */
export interface StrayJob {
  readonly record: JobRecord;
  readonly detail: string;
  /** Null where the history cannot be folded: nothing can be said about the rows then, and they are left alone. */
  readonly replayed: ReplayedJob | null;
}

/** Null where all is as it should be. */
export function strayJob(record: JobRecord): StrayJob | null {
  const fault = historyFault(record.history);
  if (fault !== null) return { record, detail: fault, replayed: null };
  let replayed: ReplayedJob;
  try {
    replayed = replayJob(record.history);
  } catch (error) {
    const detail = `its events cannot be folded: ${(error as Error).message}`;
    return { record, detail, replayed: null };
  }
  const [first] = jobDifferences(record, replayed);
  return first ? { record, detail: describeDifference(first), replayed } : null;
}

/** A history with a hole would be taken for one of a job that never was, and its rows for rows too many. */
function historyFault(history: readonly StoredEvent[]): string | null {
  const hole = history.findIndex(({ version }, at) => version !== at + 1);
  if (hole >= 0) return `its history has no version ${hole + 1}`;
  const [first] = history;
  return !first || first.type === 'JobQueued' || first.type === 'JobImported'
    ? null
    : `its history begins with ${first.type}`;
}
