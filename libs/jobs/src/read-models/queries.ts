import { Inject } from '@nestjs/common';
import { IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { StoredEvent } from '@genledger/event-store';
import type { Actor } from '@genledger/platform';
import { JobFilter, JobPage, JobReader } from './job-reader';
import type { JobResource } from './job-resource';
import { CostGroup, JobCost, JobStatistic, JobSummary, StatisticsReader } from './statistics-reader';

/** A job as its actor may see it; null: absent, or another's. `version`: as it was then. */
export class GetJob extends Query<JobResource | null> {
  constructor(
    readonly actor: Actor,
    readonly id: string,
    readonly version?: number,
  ) {
    super();
  }
}

@QueryHandler(GetJob)
export class GetJobHandler implements IQueryHandler<GetJob> {
  constructor(@Inject(JobReader) private readonly reader: JobReader) {}

  execute({ actor, id, version }: GetJob): Promise<JobResource | null> {
    return version === undefined
      ? this.reader.get(actor, id)
      : this.reader.getAsOfVersion(actor, id, version);
  }
}

export class ListJobs extends Query<JobPage> {
  constructor(
    readonly actor: Actor,
    readonly filter: JobFilter,
    readonly limit: number,
    readonly before?: string,
  ) {
    super();
  }
}

@QueryHandler(ListJobs)
export class ListJobsHandler implements IQueryHandler<ListJobs> {
  constructor(@Inject(JobReader) private readonly reader: JobReader) {}

  execute({ actor, filter, limit, before }: ListJobs): Promise<JobPage> {
    return this.reader.list(actor, filter, limit, before);
  }
}

/** A job's events, oldest first; null: absent, or another's. */
export class GetJobHistory extends Query<readonly StoredEvent[] | null> {
  constructor(
    readonly actor: Actor,
    readonly id: string,
  ) {
    super();
  }
}

@QueryHandler(GetJobHistory)
export class GetJobHistoryHandler implements IQueryHandler<GetJobHistory> {
  constructor(@Inject(JobReader) private readonly reader: JobReader) {}

  execute({ actor, id }: GetJobHistory): Promise<readonly StoredEvent[] | null> {
    return this.reader.history(actor, id);
  }
}

export class GetJobStatistics extends Query<readonly JobStatistic[]> {
  constructor(readonly actor: Actor) {
    super();
  }
}

@QueryHandler(GetJobStatistics)
export class GetJobStatisticsHandler implements IQueryHandler<GetJobStatistics> {
  constructor(@Inject(StatisticsReader) private readonly reader: StatisticsReader) {}

  execute({ actor }: GetJobStatistics): Promise<readonly JobStatistic[]> {
    return this.reader.statistics(actor);
  }
}

export class GetJobSummary extends Query<readonly JobSummary[]> {
  constructor(readonly actor: Actor) {
    super();
  }
}

@QueryHandler(GetJobSummary)
export class GetJobSummaryHandler implements IQueryHandler<GetJobSummary> {
  constructor(@Inject(StatisticsReader) private readonly reader: StatisticsReader) {}

  execute({ actor }: GetJobSummary): Promise<readonly JobSummary[]> {
    return this.reader.summary(actor);
  }
}

export class GetJobCosts extends Query<readonly JobCost[]> {
  constructor(
    readonly actor: Actor,
    readonly groupBy: CostGroup,
  ) {
    super();
  }
}

@QueryHandler(GetJobCosts)
export class GetJobCostsHandler implements IQueryHandler<GetJobCosts> {
  constructor(@Inject(StatisticsReader) private readonly reader: StatisticsReader) {}

  execute({ actor, groupBy }: GetJobCosts): Promise<readonly JobCost[]> {
    return this.reader.costs(actor, groupBy);
  }
}

export const JOB_QUERY_HANDLERS = [
  GetJobHandler,
  ListJobsHandler,
  GetJobHistoryHandler,
  GetJobStatisticsHandler,
  GetJobSummaryHandler,
  GetJobCostsHandler,
];
