import { Inject } from '@nestjs/common';
import { Command, CommandHandler, ICommandHandler } from '@nestjs/cqrs';
import { newId } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { admit, JobRequest } from '../admission';
import { isLive } from '../job';
import type { IdempotencyKey, JobOutcome } from '../job-item';
import { JobStore } from '../job-store';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import { queuedJobRow } from '../read-models/replay';
import { IMAGE_MODEL } from '../text-to-image';
import { actorMeta } from './actor-meta';

export interface QueuedJob {
  readonly outcome: JobOutcome;
  /** The job as it was queued, made from memory; null unless it was accepted. */
  row(): GenerationJobRow | null;
}

/** Queues jobs of the actor, each accepted or refused by itself. An outcome an item, in order. */
export class QueueJobs extends Command<QueuedJob[]> {
  constructor(
    readonly actor: Actor,
    readonly items: readonly { readonly request: JobRequest; readonly key?: IdempotencyKey }[],
    readonly correlationId?: string,
  ) {
    super();
  }
}

@CommandHandler(QueueJobs)
export class QueueJobsHandler implements ICommandHandler<QueueJobs> {
  constructor(
    @Inject(JobStore) private readonly store: JobStore,
    @Inject(IMAGE_MODEL) private readonly imageModel: string,
  ) {}

  async execute({ actor, items, correlationId }: QueueJobs): Promise<QueuedJob[]> {
    const meta = actorMeta(actor, correlationId);
    const commands = items.map(({ request, key }) => ({
      id: newId(),
      userId: actor.userId,
      command: { type: 'queue', job: admit(request, this.imageModel), actor } as const,
      meta,
      key,
    }));
    const outcomes = await this.store.submitMany(commands);
    return outcomes.map((outcome, at) => ({
      outcome,
      row: () =>
        outcome.status === 'accepted' && outcome.job !== null && isLive(outcome.job)
          ? queuedJobRow(outcome.id, outcome.job, commands[at]!.command.job)
          : null,
    }));
  }
}
