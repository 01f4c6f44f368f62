import { Inject, Injectable } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { Actor } from '@genledger/platform';
import type { JobRequest } from './admission';
import { CancelJobs, ChangeJobDetails, DeleteJobs, JobDetails, TransitionJobs } from './commands/change-jobs';
import { QueueJobs } from './commands/queue-jobs';
import type { JobStatus } from './job-events';
import type { JobItemRefusal, JobOutcome } from './job-item';
import type { JobFilter } from './read-models/job-reader';
import type { JobResource } from './read-models/job-resource';
import { GetJob, GetJobStatistics, ListJobs } from './read-models/queries';
import type { JobStatistic } from './read-models/statistics-reader';

/** A command that was refused; `code` says why. */
export class JobRefused extends Error {
  override readonly name = 'JobRefused';

  constructor(
    readonly code: JobItemRefusal | 'conflict',
    readonly pointer?: string,
  ) {
    super(`the job command was refused: ${code}`);
  }
}

const PAGE = 100;

/**
 * Jobs for teams in the same process: the eleven functions that the seeds' helper file has, each on behalf of an actor.
 * Lists are newest first and read page by page, so that a caller may stop early.
 */
@Injectable()
export class GenerationJobs {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  getGenerationJobs(actor: Actor): AsyncGenerator<JobResource> {
    return this.pages(actor, {});
  }

  getProjectJobs(actor: Actor, projectId: string): AsyncGenerator<JobResource> {
    return this.pages(actor, { projectId });
  }

  getJobsByStatus(actor: Actor, status: JobStatus): AsyncGenerator<JobResource> {
    return this.pages(actor, { status });
  }

  /** null: absent, or another's. */
  getGenerationJob(actor: Actor, id: string): Promise<JobResource | null> {
    return this.queries.execute(new GetJob(actor, id));
  }

  /** @throws JobRefused */
  async createGenerationJob(actor: Actor, request: JobRequest): Promise<JobResource> {
    const [queued] = await this.commands.execute(new QueueJobs(actor, [{ request }]));
    return this.present(actor, done(queued!.outcome));
  }

  /** Project, mode, priority, or the whole content of a queued job. @throws JobRefused */
  async updateGenerationJob(actor: Actor, id: string, details: JobDetails): Promise<JobResource> {
    const [outcome] = await this.commands.execute(new ChangeJobDetails(actor, [id], details));
    return this.present(actor, done(outcome!));
  }

  /** Moves an external job; false where the transition is not allowed. */
  async transitionJobStatus(
    actor: Actor,
    id: string,
    status: JobStatus,
    error?: string,
    costCents?: number,
  ): Promise<boolean> {
    const failure = error === undefined ? null : { code: null, message: error };
    const [outcome] = await this.commands.execute(
      new TransitionJobs(actor, [id], status, failure, costCents ?? null),
    );
    return outcome!.status === 'accepted' || outcome!.status === 'unchanged';
  }

  /** False: absent, or another's. */
  async deleteGenerationJob(actor: Actor, id: string): Promise<boolean> {
    const [outcome] = await this.commands.execute(new DeleteJobs(actor, [id]));
    return outcome!.status === 'accepted';
  }

  getJobStatistics(actor: Actor): Promise<readonly JobStatistic[]> {
    return this.queries.execute(new GetJobStatistics(actor));
  }

  async getRecentJobs(actor: Actor, limit = 10): Promise<readonly JobResource[]> {
    return (await this.queries.execute(new ListJobs(actor, {}, limit))).jobs;
  }

  /** Integer cents of all present jobs, summed in the database. */
  async getTotalCosts(actor: Actor): Promise<number> {
    const statistics = await this.getJobStatistics(actor);
    return statistics.reduce((sum, { total_cost_cents }) => sum + total_cost_cents, 0);
  }

  /** Beyond the seeds' eleven: ends jobs early. */
  cancelGenerationJobs(actor: Actor, ids: readonly string[]): Promise<JobOutcome[]> {
    return this.commands.execute(new CancelJobs(actor, ids));
  }

  private async *pages(actor: Actor, filter: JobFilter): AsyncGenerator<JobResource> {
    for (let before: string | undefined; ;) {
      const page = await this.queries.execute(new ListJobs(actor, filter, PAGE, before));
      yield* page.jobs;
      if (page.next === null) return;
      before = page.next;
    }
  }

  private async present(actor: Actor, id: string): Promise<JobResource> {
    const job = await this.getGenerationJob(actor, id);
    if (!job) throw new JobRefused('not_found');
    return job;
  }
}

function done(outcome: JobOutcome): string {
  switch (outcome.status) {
    case 'accepted':
    case 'unchanged':
    case 'replayed':
      return outcome.id;
    case 'refused':
      throw new JobRefused(outcome.code, outcome.pointer);
    case 'conflict':
      throw new JobRefused('conflict');
  }
}
