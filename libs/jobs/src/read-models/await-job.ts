import { Inject } from '@nestjs/common';
import { IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { Actor } from '@genledger/platform';
import { JobAwaiter } from '../processes/job-awaiter';
import { JobReader } from './job-reader';
import type { JobResource } from './job-resource';

/**
 * A job once it has ended, or as it is after `ms`, when `signal` aborts or when the server stops; null: absent, another's,
 * or deleted meanwhile.
 */
export class AwaitJob extends Query<JobResource | null> {
  constructor(
    readonly actor: Actor,
    readonly id: string,
    readonly ms: number,
    readonly signal?: AbortSignal,
  ) {
    super();
  }
}

@QueryHandler(AwaitJob)
export class AwaitJobHandler implements IQueryHandler<AwaitJob> {
  constructor(
    @Inject(JobReader) private readonly reader: JobReader,
    @Inject(JobAwaiter) private readonly awaiter: JobAwaiter,
  ) {}

  async execute({ actor, id, ms, signal }: AwaitJob): Promise<JobResource | null> {
    let job: JobResource | null = null;
    let isFinal = false;
    const hasEnded = async (): Promise<boolean> => {
      job = await this.reader.get(actor, id);
      isFinal = job === null || job.completed_at !== null;
      return isFinal;
    };
    await this.awaiter.untilEnded(id, hasEnded, ms, signal);
    return isFinal ? job : this.reader.get(actor, id);
  }
}
