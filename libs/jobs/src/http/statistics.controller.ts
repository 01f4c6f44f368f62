import { Controller, Get, Inject, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import { CurrentActor } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { GetJobCostsAsOf, GetJobStatisticsAsOf, GetJobSummaryAsOf } from '../read-models/past-queries';
import type { SumsAsOf } from '../read-models/past-statistics-reader';
import { GetJobCosts, GetJobStatistics, GetJobSummary } from '../read-models/queries';
import type { JobCost, JobStatistic, JobSummary } from '../read-models/statistics-reader';
import { CostsDto, SumsDto } from './as-of.dto';
import { noPastProblem } from './job-problems';
import { PositionGate } from './min-position';

/** `as_of_…` only where the sums are those of a moment. */
interface Sums<T> {
  readonly data: readonly T[];
  readonly as_of_position?: number;
  /** Of the tick that stands for the time that was asked for; null: a position was, or no tick is that old. */
  readonly as_of_time?: string | null;
}

/** Sums of the caller's jobs, exact at once. `cost_basis` says whether deleted jobs count. */
@ApiTags('statistics')
@Controller('v1')
export class StatisticsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(PositionGate) private readonly gate: PositionGate,
  ) {}

  /** Listed cost: what the jobs that still exist have cost. */
  @Get('statistics')
  async statistics(
    @CurrentActor() actor: Actor,
    @Query() query: SumsDto,
  ): Promise<{ cost_basis: 'listed' } & Sums<JobStatistic>> {
    await this.gate.passed(query);
    const { as_of } = query;
    const sums = as_of
      ? sumsAsOf(await this.queries.execute(new GetJobStatisticsAsOf(actor, as_of)))
      : { data: await this.queries.execute(new GetJobStatistics(actor)) };
    return { cost_basis: 'listed', ...sums };
  }

  @Get('summary')
  async summary(
    @CurrentActor() actor: Actor,
    @Query() query: SumsDto,
  ): Promise<{ cost_basis: 'listed' } & Sums<JobSummary>> {
    await this.gate.passed(query);
    const { as_of } = query;
    const sums = as_of
      ? sumsAsOf(await this.queries.execute(new GetJobSummaryAsOf(actor, as_of)))
      : { data: await this.queries.execute(new GetJobSummary(actor)) };
    return { cost_basis: 'listed', ...sums };
  }

  /** Incurred cost: what was spent, deleted jobs included. */
  @Get('costs')
  async costs(
    @CurrentActor() actor: Actor,
    @Query() query: CostsDto,
  ): Promise<{ cost_basis: 'incurred'; group_by: string; total_incurred_cents: number } & Sums<JobCost>> {
    await this.gate.passed(query);
    const { group_by = 'day', as_of } = query;
    const sums = as_of
      ? sumsAsOf(await this.queries.execute(new GetJobCostsAsOf(actor, group_by, as_of)))
      : { data: await this.queries.execute(new GetJobCosts(actor, group_by)) };
    const total_incurred_cents = sums.data.reduce((sum, { incurred_cents }) => sum + incurred_cents, 0);
    return { cost_basis: 'incurred', group_by, total_incurred_cents, ...sums };
  }
}

function sumsAsOf<T>(answer: SumsAsOf<T>): Sums<T> {
  if (answer.status !== 'found') throw noPastProblem(answer.status);
  const { position, tickAt } = answer.point;
  return { as_of_position: position, as_of_time: tickAt, data: answer.data };
}
