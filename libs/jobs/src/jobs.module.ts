import { Module } from '@nestjs/common';
import type { DynamicModule, ModuleMetadata, Provider } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { CHANGE_JOBS_HANDLERS } from './commands/change-jobs';
import { PriceJobsHandler } from './commands/price-jobs';
import { QueueJobsHandler } from './commands/queue-jobs';
import { WORK_JOBS_HANDLERS } from './commands/work-jobs';
import { GenerationJobs } from './generation-jobs';
import { BatchQueuer } from './http/batch-queuer';
import { FeedController } from './http/feed.controller';
import { JobPresenter } from './http/job-presenter';
import { JobQuotes } from './http/job-quotes';
import { JobsController } from './http/jobs.controller';
import { LiveEvents } from './http/live-events';
import { PositionGate } from './http/min-position';
import { ProjectsController } from './http/projects.controller';
import { StatisticsController } from './http/statistics.controller';
import { JobStore } from './job-store';
import { DeadlineEnforcer } from './processes/deadline-enforcer';
import { JobAwaiter } from './processes/job-awaiter';
import { JobProjector } from './processes/job-projector';
import { JobRescuer } from './processes/job-rescuer';
import { LogKeeper } from './processes/log-keeper';
import { EventFeed } from './read-models/event-feed';
import { AwaitJobHandler } from './read-models/await-job';
import { AwaitPositionHandler } from './read-models/await-position';
import { JobReader } from './read-models/job-reader';
import { OUTPUT_LINKS } from './read-models/job-resource';
import type { OutputLinks } from './read-models/job-resource';
import { LogClock } from './read-models/log-clock';
import { PastJobReader } from './read-models/past-job-reader';
import { PAST_QUERY_HANDLERS } from './read-models/past-queries';
import { PastStatisticsReader } from './read-models/past-statistics-reader';
import { JOB_QUERY_HANDLERS } from './read-models/queries';
import { StatisticsReader } from './read-models/statistics-reader';
import { DEFAULT_MODEL, IMAGE_MODEL } from './text-to-image';

export interface JobsModuleOptions {
  readonly imports?: ModuleMetadata['imports'];
  /** What image jobs run with; the generators are another context's matter. The built-in painter where not given. */
  readonly imageModel?: string;
  /** Where the files of outputs can be fetched: another context's matter, bound where the modules are composed. */
  readonly outputLinks: {
    readonly inject?: Provider[];
    readonly useFactory: (...args: never[]) => OutputLinks;
  };
}

@Module({})
export class JobsModule {
  static forRoot({
    imports = [],
    imageModel = DEFAULT_MODEL,
    outputLinks,
  }: JobsModuleOptions): DynamicModule {
    return {
      module: JobsModule,
      imports: [CqrsModule, ...imports],
      controllers: [JobsController, FeedController, StatisticsController, ProjectsController],
      providers: [
        { provide: IMAGE_MODEL, useValue: imageModel },
        {
          provide: OUTPUT_LINKS,
          inject: (outputLinks.inject ?? []) as never[],
          useFactory: outputLinks.useFactory,
        },
        JobStore,
        JobReader,
        StatisticsReader,
        EventFeed,
        LiveEvents,
        LogClock,
        PastJobReader,
        PastStatisticsReader,
        JobPresenter,
        BatchQueuer,
        JobQuotes,
        PositionGate,
        GenerationJobs,
        JobProjector,
        JobRescuer,
        DeadlineEnforcer,
        JobAwaiter,
        LogKeeper,
        QueueJobsHandler,
        PriceJobsHandler,
        ...CHANGE_JOBS_HANDLERS,
        ...WORK_JOBS_HANDLERS,
        ...JOB_QUERY_HANDLERS,
        ...PAST_QUERY_HANDLERS,
        AwaitJobHandler,
        AwaitPositionHandler,
      ],
      exports: [GenerationJobs, JobProjector, JobRescuer, LogKeeper, JobPresenter, OUTPUT_LINKS, CqrsModule],
    };
  }
}
