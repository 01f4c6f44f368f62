import { Inject, Injectable } from '@nestjs/common';
import { Database } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import type { AsOf } from './as-of';
import { LogClock, LogPoint, NotPast } from './log-clock';
import { COST_COLUMNS, parameters, scope } from './statistics-reader';
import type { CostGroup, JobCost, JobStatistic, JobSummary } from './statistics-reader';

export type SumsAsOf<T> =
  | { readonly status: 'found'; readonly point: LogPoint; readonly data: readonly T[] }
  | { readonly status: NotPast };

/**
 * The sums of {@link StatisticsReader} as of a moment, added up anew from the movements and charges that events carry.
 * That reads all of the actor's events up to there (an auditor's: everyone's).
 */
@Injectable()
export class PastStatisticsReader {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogClock) private readonly clock: LogClock,
  ) {}

  statistics(actor: Actor, asOf: AsOf): Promise<SumsAsOf<JobStatistic>> {
    return this.read(
      actor,
      asOf,
      (mine, position) =>
        `select genledger.job_status(m.status) as status, sum(m.count)::bigint as count,
                sum(m.cost_cents)::bigint as total_cost_cents,
                round(sum(m.cost_cents)::numeric / sum(m.count), 2)::float8 as avg_cost_cents
           from genledger.job_movements m where ${mine} and m.position <= ${position}
          group by 1 having sum(m.count) <> 0 order by 1`,
    );
  }

  /** The first and the last job are those that were in the group then. */
  summary(actor: Actor, asOf: AsOf): Promise<SumsAsOf<JobSummary>> {
    return this.read(
      actor,
      asOf,
      // By the time that a job was made: those that have left a group as often as they entered it are not in it.
      (mine, position) =>
        `with made as (
           select m.user_id, m.project_id, m.status, m.job_time, sum(m.count) as count, sum(m.cost_cents) as cost_cents
             from genledger.job_movements m where ${mine} and m.position <= ${position} group by 1, 2, 3, 4)
         select user_id, project_id, genledger.job_status(status) as status, sum(count)::bigint as job_count,
                sum(cost_cents)::bigint as total_cost_cents,
                round(sum(cost_cents)::numeric / sum(count), 2)::float8 as avg_cost_cents,
                genledger.job_time(min(job_time collate "C") filter (where count > 0)) as first_job_at,
                genledger.job_time(max(job_time collate "C") filter (where count > 0)) as last_job_at
           from made group by 1, 2, 3 having sum(count) <> 0 order by 1, 2, 3`,
    );
  }

  costs(actor: Actor, groupBy: CostGroup, asOf: AsOf): Promise<SumsAsOf<JobCost>> {
    return this.read(
      actor,
      asOf,
      (mine, position) =>
        `select ${COST_COLUMNS[groupBy]} as "group", sum(c.cents)::bigint as incurred_cents, count(*) as charges
           from genledger.job_charges c where ${mine} and c.position <= ${position} group by 1 order by 1`,
    );
  }

  private async read<T extends object>(
    actor: Actor,
    asOf: AsOf,
    sums: (mine: string, position: string) => string,
  ): Promise<SumsAsOf<T>> {
    const point = await this.clock.pointAt(asOf);
    if (typeof point === 'string') return { status: point };
    const values = [...parameters(actor), point.position];
    const data = await this.database.read(actor, async (query) => {
      const [, rows] = await Promise.all([
        // The planner takes the block ranges of a user for all there are, and would rather walk the whole log.
        query('set local enable_seqscan = off'),
        query<T>(sums(scope(actor), `$${values.length}`), values),
      ]);
      return rows;
    });
    return { status: 'found', point, data };
  }
}
