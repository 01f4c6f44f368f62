import { Inject } from '@nestjs/common';
import { IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { Actor } from '@genledger/platform';
import type { AsOf } from './as-of';
import { JobAsOf, PastJobReader } from './past-job-reader';
import { PastStatisticsReader, SumsAsOf } from './past-statistics-reader';
import type { CostGroup, JobCost, JobStatistic, JobSummary } from './statistics-reader';

/** A job as it was, as its actor would have seen it. */
export class GetJobAsOf extends Query<JobAsOf> {
  constructor(
    readonly actor: Actor,
    readonly id: string,
    readonly asOf: AsOf,
  ) {
    super();
  }
}

@QueryHandler(GetJobAsOf)
export class GetJobAsOfHandler implements IQueryHandler<GetJobAsOf> {
  constructor(@Inject(PastJobReader) private readonly reader: PastJobReader) {}

  execute({ actor, id, asOf }: GetJobAsOf): Promise<JobAsOf> {
    return this.reader.get(actor, id, asOf);
  }
}

export class GetJobStatisticsAsOf extends Query<SumsAsOf<JobStatistic>> {
  constructor(
    readonly actor: Actor,
    readonly asOf: AsOf,
  ) {
    super();
  }
}

@QueryHandler(GetJobStatisticsAsOf)
export class GetJobStatisticsAsOfHandler implements IQueryHandler<GetJobStatisticsAsOf> {
  constructor(@Inject(PastStatisticsReader) private readonly reader: PastStatisticsReader) {}

  execute({ actor, asOf }: GetJobStatisticsAsOf): Promise<SumsAsOf<JobStatistic>> {
    return this.reader.statistics(actor, asOf);
  }
}

export class GetJobSummaryAsOf extends Query<SumsAsOf<JobSummary>> {
  constructor(
    readonly actor: Actor,
    readonly asOf: AsOf,
  ) {
    super();
  }
}

@QueryHandler(GetJobSummaryAsOf)
export class GetJobSummaryAsOfHandler implements IQueryHandler<GetJobSummaryAsOf> {
  constructor(@Inject(PastStatisticsReader) private readonly reader: PastStatisticsReader) {}

  execute({ actor, asOf }: GetJobSummaryAsOf): Promise<SumsAsOf<JobSummary>> {
    return this.reader.summary(actor, asOf);
  }
}

export class GetJobCostsAsOf extends Query<SumsAsOf<JobCost>> {
  constructor(
    readonly actor: Actor,
    readonly groupBy: CostGroup,
    readonly asOf: AsOf,
  ) {
    super();
  }
}

@QueryHandler(GetJobCostsAsOf)
export class GetJobCostsAsOfHandler implements IQueryHandler<GetJobCostsAsOf> {
  constructor(@Inject(PastStatisticsReader) private readonly reader: PastStatisticsReader) {}

  execute({ actor, groupBy, asOf }: GetJobCostsAsOf): Promise<SumsAsOf<JobCost>> {
    return this.reader.costs(actor, groupBy, asOf);
  }
}

export const PAST_QUERY_HANDLERS = [
  GetJobAsOfHandler,
  GetJobStatisticsAsOfHandler,
  GetJobSummaryAsOfHandler,
  GetJobCostsAsOfHandler,
];
