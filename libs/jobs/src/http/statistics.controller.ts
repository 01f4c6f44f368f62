import { Controller, Get, Inject, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import { CurrentActor } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { GetJobCosts, GetJobStatistics, GetJobSummary } from '../read-models/queries';
import type { JobCost, JobStatistic, JobSummary } from '../read-models/statistics-reader';
import { CostsDto } from './list-jobs.dto';

/** Sums of the caller's jobs, exact at once. `cost_basis` says whether deleted jobs count. */
@ApiTags('statistics')
@Controller('v1')
export class StatisticsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  /** Listed cost: what the jobs that still exist have cost. */
  @Get('statistics')
  async statistics(
    @CurrentActor() actor: Actor,
  ): Promise<{ cost_basis: 'listed'; data: readonly JobStatistic[] }> {
    return { cost_basis: 'listed', data: await this.queries.execute(new GetJobStatistics(actor)) };
  }

  @Get('summary')
  async summary(
    @CurrentActor() actor: Actor,
  ): Promise<{ cost_basis: 'listed'; data: readonly JobSummary[] }> {
    return { cost_basis: 'listed', data: await this.queries.execute(new GetJobSummary(actor)) };
  }

  /** Incurred cost: what was spent, deleted jobs included. */
  @Get('costs')
  async costs(
    @CurrentActor() actor: Actor,
    @Query() { group_by = 'day' }: CostsDto,
  ): Promise<{
    cost_basis: 'incurred';
    group_by: string;
    total_incurred_cents: number;
    data: readonly JobCost[];
  }> {
    const data = await this.queries.execute(new GetJobCosts(actor, group_by));
    const total_incurred_cents = data.reduce((sum, { incurred_cents }) => sum + incurred_cents, 0);
    return { cost_basis: 'incurred', group_by, total_incurred_cents, data };
  }
}
