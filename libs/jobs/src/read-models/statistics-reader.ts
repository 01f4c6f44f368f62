import { Inject, Injectable } from '@nestjs/common';
import { Database } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import type { JobStatus } from '../job-events';

/** Deleted jobs are left out: this is what the lists show. `avg_cost_cents` is rounded to hundredths of a cent. */
export interface JobStatistic {
  readonly status: JobStatus;
  readonly count: number;
  readonly total_cost_cents: number;
  readonly avg_cost_cents: number;
}

export interface JobSummary {
  readonly user_id: string;
  readonly project_id: string | null;
  readonly status: JobStatus;
  readonly job_count: number;
  readonly total_cost_cents: number;
  readonly avg_cost_cents: number;
  readonly first_job_at: Date;
  readonly last_job_at: Date;
}

export const COST_GROUPS = ['day', 'project', 'mode', 'kind', 'model', 'user'] as const;
export type CostGroup = (typeof COST_GROUPS)[number];

/** Incurred cents: they never fall, deleted jobs included. */
export interface JobCost {
  readonly group: string | null;
  readonly incurred_cents: number;
  readonly charges: number;
}

export const COST_COLUMNS: Readonly<Record<CostGroup, string>> = {
  day: 'day::text',
  project: 'project_id::text',
  mode: 'mode',
  kind: 'kind',
  model: 'model',
  user: 'user_id::text',
};

/**
 * Statistics that are exact at once: folded rows plus the events above the checkpoint, in one snapshot. Everyone reads
 * their own sums (row-level security adds up all users' for auditors and admins).
 */
@Injectable()
export class StatisticsReader {
  constructor(@Inject(Database) private readonly database: Database) {}

  async statistics(actor: Actor): Promise<readonly JobStatistic[]> {
    return this.database.read(actor, (query) =>
      query<JobStatistic>(
        `select status, sum(count)::bigint as count, sum(total_cost_cents)::bigint as total_cost_cents,
                round(sum(total_cost_cents) / sum(count), 2)::float8 as avg_cost_cents
           from genledger.exact_job_statistics where ${scope(actor)} group by status order by status`,
        parameters(actor),
      ),
    );
  }

  async summary(actor: Actor): Promise<readonly JobSummary[]> {
    return this.database.read(actor, (query) =>
      query<JobSummary>(
        `select user_id, project_id, status, job_count, total_cost_cents,
                round(total_cost_cents::numeric / job_count, 2)::float8 as avg_cost_cents, first_job_at, last_job_at
           from genledger.exact_job_summary where ${scope(actor)} order by user_id, project_id, status`,
        parameters(actor),
      ),
    );
  }

  async costs(actor: Actor, groupBy: CostGroup): Promise<readonly JobCost[]> {
    return this.database.read(actor, (query) =>
      query<JobCost>(
        `select ${COST_COLUMNS[groupBy]} as "group", sum(incurred_cents)::bigint as incurred_cents, sum(charges)::bigint as charges
           from genledger.exact_job_costs where ${scope(actor)} group by 1 order by 1`,
        parameters(actor),
      ),
    );
  }

  /** What the actor's present jobs cost together: the seeds' getTotalCosts. */
  async totalCosts(actor: Actor): Promise<number> {
    const statistics = await this.statistics(actor);
    return statistics.reduce((sum, { total_cost_cents }) => sum + total_cost_cents, 0);
  }
}

/** Whose rows an actor's sums are made of, with `parameters` as its values. */
export function scope(actor: Actor): string {
  return seesAll(actor) ? 'true' : 'user_id = $1';
}

export function parameters(actor: Actor): string[] {
  return seesAll(actor) ? [] : [actor.userId];
}

function seesAll(actor: Actor): boolean {
  return actor.role === 'auditor' || actor.role === 'admin';
}
