import { Inject } from '@nestjs/common';
import { Command, CommandHandler } from '@nestjs/cqrs';
import type { JobOutput, JobStatus, RequestContent } from '../job-events';
import type { JobOutcome } from '../job-item';
import type { JobActor, JobCommand } from '../job-commands';
import { JobStore } from '../job-store';
import { actorMeta } from './actor-meta';

/** Commands of a job's owner (or an admin) on jobs that exist. An outcome a job, in order. */
abstract class ChangeJobs extends Command<JobOutcome[]> {
  constructor(
    readonly actor: JobActor,
    readonly ids: readonly string[],
    readonly correlationId?: string,
  ) {
    super();
  }
}

/** Queued jobs are canceled at once, running ones when their worker hears of it. Idempotent. */
export class CancelJobs extends ChangeJobs {}

/** Takes jobs out of lists and statistics; their history and what they incurred stay. Live ones are canceled first. */
export class DeleteJobs extends ChangeJobs {}

/** Moves external jobs along: queued → running → succeeded | failed. `costCents` is what the job has cost in all. */
export class TransitionJobs extends ChangeJobs {
  constructor(
    actor: JobActor,
    ids: readonly string[],
    readonly to: JobStatus,
    readonly error: { readonly code: string | null; readonly message: string | null } | null,
    readonly costCents: number | null,
    correlationId?: string,
  ) {
    super(actor, ids, correlationId);
  }
}

export interface JobDetails {
  readonly projectId?: string | null;
  readonly mode?: string;
  readonly priority?: number;
  /** Prompt, metadata and tags, whole. */
  readonly content?: RequestContent;
}

/** Changes queued jobs. */
export class ChangeJobDetails extends ChangeJobs {
  constructor(
    actor: JobActor,
    ids: readonly string[],
    readonly details: JobDetails,
    correlationId?: string,
  ) {
    super(actor, ids, correlationId);
  }
}

/** Adds files to a succeeded job, after those that it has. */
export class AddJobOutputs extends ChangeJobs {
  constructor(
    actor: JobActor,
    id: string,
    readonly outputs: readonly Omit<JobOutput, 'position'>[],
    correlationId?: string,
  ) {
    super(actor, [id], correlationId);
  }
}

abstract class ChangeJobsHandler<C extends ChangeJobs> {
  constructor(@Inject(JobStore) private readonly store: JobStore) {}

  execute(command: C): Promise<JobOutcome[]> {
    const { actor, ids, correlationId } = command;
    const jobCommand = this.toJobCommand(command);
    const meta = actorMeta(actor, correlationId);
    return this.store.submitMany(
      ids.map((id) => ({ id, userId: actor.userId ?? '', command: jobCommand, meta })),
    );
  }

  protected abstract toJobCommand(command: C): JobCommand;
}

@CommandHandler(CancelJobs)
export class CancelJobsHandler extends ChangeJobsHandler<CancelJobs> {
  protected toJobCommand({ actor }: CancelJobs): JobCommand {
    return { type: 'cancel', actor };
  }
}

@CommandHandler(DeleteJobs)
export class DeleteJobsHandler extends ChangeJobsHandler<DeleteJobs> {
  protected toJobCommand({ actor }: DeleteJobs): JobCommand {
    return { type: 'delete', actor };
  }
}

@CommandHandler(TransitionJobs)
export class TransitionJobsHandler extends ChangeJobsHandler<TransitionJobs> {
  protected toJobCommand({ actor, to, error, costCents }: TransitionJobs): JobCommand {
    return {
      type: 'transition',
      actor,
      to,
      code: error?.code ?? null,
      message: error?.message ?? null,
      costCents,
    };
  }
}

@CommandHandler(ChangeJobDetails)
export class ChangeJobDetailsHandler extends ChangeJobsHandler<ChangeJobDetails> {
  protected toJobCommand({ actor, details }: ChangeJobDetails): JobCommand {
    return { type: 'change_details', actor, ...details };
  }
}

@CommandHandler(AddJobOutputs)
export class AddJobOutputsHandler extends ChangeJobsHandler<AddJobOutputs> {
  protected toJobCommand({ actor, outputs }: AddJobOutputs): JobCommand {
    // Positions are given out by the decider, under the job's lock.
    return { type: 'add_outputs', actor, outputs: outputs.map((output) => ({ ...output, position: 0 })) };
  }
}

export const CHANGE_JOBS_HANDLERS = [
  CancelJobsHandler,
  DeleteJobsHandler,
  TransitionJobsHandler,
  ChangeJobDetailsHandler,
  AddJobOutputsHandler,
];
