import { verdictOn } from '@genledger/event-store';
import type { Database, ReportProgress } from '@genledger/platform';
import { inSnapshot, MAX_ID, NIL_ID } from '../verification/invariants';
import { readJobsIn } from '../verification/job-records';
import { countStreams, nextRange, STREAMS } from '../verification/stream-ranges';
import { StrayJob, strayJob } from './job-model';
import { mendJobs } from './mend-jobs';
import { RebuildRun } from './rebuild-run';

export interface JobFinding {
  readonly id: string;
  readonly fate:
    /** Found by a check, which writes nothing. */
    | 'differs'
    | 'mended'
    /** Somebody held its row for longer than we wait. */
    | 'held'
    /** Its history cannot be folded; its rows were left alone. */
    | 'broken_history';
  readonly detail: string;
}

export interface JobsOptions {
  /** Compares and writes nothing. */
  readonly check: boolean;
  /** Hears of each finding, once it is final. */
  readonly onFinding: (finding: JobFinding) => void;
  /** After each range that is done; what it throws ends the rebuild there, and the next one goes on from there. */
  readonly report?: ReportProgress;
  /** Streams in one snapshot. */
  readonly streamsAtOnce?: number;
}

export interface JobsOutcome {
  /** Streams that were looked at, by the earlier run included. */
  readonly streams: number;
  /** How many of them an earlier run that was stopped had done. */
  readonly resumedAfter: number;
}

/** Jobs in one mending: their rows are locked for some milliseconds. */
const MENDED_AT_ONCE = 50;

/**
 * Holds job_states, job_requests, job_outputs and tombstones against the replay of every history, while the system runs, and
 * mends what differs. Comparing takes a short snapshot a range; most jobs are never locked.
 */
export async function rebuildJobs(database: Database, options: JobsOptions): Promise<JobsOutcome> {
  if (options.check) return walk(database, options, null);
  const run = await RebuildRun.begin(database, 'generation_jobs');
  try {
    const outcome = await walk(database, options, run);
    await run.finish();
    return outcome;
  } finally {
    await run.release();
  }
}

async function walk(
  database: Database,
  { onFinding, report, streamsAtOnce = STREAMS }: JobsOptions,
  run: RebuildRun | null,
): Promise<JobsOutcome> {
  const total = await countStreams((text, values) => database.write(text, values));
  const start = run?.start ?? { reached: NIL_ID, done: 0 };
  let done = start.done;
  for (let after = start.reached; after !== MAX_ID;) {
    const { range, streams, stray } = await inSnapshot(database, async (query) => {
      const next = await nextRange(query, after, streamsAtOnce);
      const records = await readJobsIn(query, next.range);
      return { ...next, stray: records.flatMap((record) => strayJob(record) ?? []) };
    });
    if (run) await mend(database, stray, onFinding);
    else for (const job of stray) onFinding(findingOf(job));
    after = range.upto;
    done += streams;
    await run?.save({ reached: after, done });
    report?.({ step: 'streams', done, total });
  }
  return { streams: done, resumedAfter: start.done };
}

function findingOf({ record: { id }, replayed, detail }: StrayJob): JobFinding {
  return { id, detail, fate: replayed ? 'differs' : 'broken_history' };
}

async function mend(
  database: Database,
  stray: readonly StrayJob[],
  onFinding: JobsOptions['onFinding'],
): Promise<void> {
  const findings = stray.map(findingOf);
  for (const finding of findings) if (finding.fate === 'broken_history') onFinding(finding);
  const differing = findings.filter(({ fate }) => fate === 'differs').map(({ id }) => id);
  for (let at = 0; at < differing.length; at += MENDED_AT_ONCE)
    await mendTogether(database, differing.slice(at, at + MENDED_AT_ONCE), onFinding);
}

/** Jobs that cannot be mended together, because somebody holds one of them, are mended one by one. */
async function mendTogether(
  database: Database,
  ids: readonly string[],
  onFinding: JobsOptions['onFinding'],
): Promise<void> {
  try {
    for (const mended of await mendJobs(database, ids)) onFinding({ ...mended, fate: 'mended' });
  } catch (error) {
    const verdict = verdictOn(error);
    if (verdict !== 'blocked' && verdict !== 'repeat') throw error;
    const [id] = ids;
    if (ids.length > 1) for (const one of ids) await mendTogether(database, [one], onFinding);
    else if (id !== undefined)
      onFinding({ id, fate: 'held', detail: 'another transaction holds its row; rebuild again' });
  }
}
