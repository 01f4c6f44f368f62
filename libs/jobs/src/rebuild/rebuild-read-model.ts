import type { Database, ReportProgress } from '@genledger/platform';
import { rebuildJobs } from './rebuild-jobs';
import type { JobFinding } from './rebuild-jobs';
import { FOLDED_MODELS, rebuildSums, SumFinding } from './rebuild-sums';

export const READ_MODELS = ['generation_jobs', ...FOLDED_MODELS] as const;
export type ReadModel = (typeof READ_MODELS)[number];

/** Of a job, or of a user's sum. */
export type RebuildFinding = JobFinding;

export interface RebuildOutcome {
  /** What the log is counted in. */
  readonly unit: 'streams' | 'positions';
  readonly done: number;
  /** How many of them an earlier run that was stopped had done. */
  readonly resumedAfter: number;
}

/**
 * Makes a read model what the log says, while the system runs. What differs is mended, or only named where `check` is set.
 * Rejects with RebuildUnderWay while another process does the same.
 */
export async function rebuildReadModel(
  database: Database,
  model: ReadModel,
  options: {
    readonly check: boolean;
    readonly onFinding: (finding: RebuildFinding) => void;
    /** What it throws ends the rebuild; the next one goes on from there. */
    readonly report: ReportProgress;
  },
): Promise<RebuildOutcome> {
  if (model === 'generation_jobs') {
    const { streams, resumedAfter } = await rebuildJobs(database, options);
    return { unit: 'streams', done: streams, resumedAfter };
  }
  const { position, resumedAfter, differing } = await rebuildSums(database, model, options);
  const fate = options.check ? 'differs' : 'mended';
  for (const sum of differing) options.onFinding({ id: sum.user_id, fate, detail: describeSum(sum) });
  return { unit: 'positions', done: position, resumedAfter };
}

function describeSum({ project_id, status, stored, folded }: SumFinding): string {
  const group = project_id === null ? status : `${status} in project ${project_id}`;
  return `${group}: ${stored}; by the events ${folded}`;
}
