import { Inject, Injectable } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { currentRequestId, Problem } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { QueuedJob, QueueJobs } from '../commands/queue-jobs';
import { jobResource, JobResource, OUTPUT_LINKS } from '../read-models/job-resource';
import type { OutputLinks } from '../read-models/job-resource';
import { GetJob } from '../read-models/queries';
import { readBatch, RefusedItem, refusedItem } from './batch-items';
import { IMAGE_MODEL } from '../text-to-image';
import { JobPresenter } from './job-presenter';
import { outcomeProblem } from './job-problems';
import { fingerprintOf, jobRequestOf } from './job-requests';

/** One item's answer: 201 with the job, or the status and problem that it alone would have got. */
export type BatchOutcome =
  { readonly index: number; readonly status: 201; readonly job: JobResource } | RefusedItem;

export interface BatchAnswer {
  readonly data: readonly BatchOutcome[];
  readonly accepted: number;
  readonly refused: number;
}

/**
 * A request's key makes each of its items repeatable by itself (key and index), so that a call that was cut in the middle
 * goes on where it stopped when it is sent again.
 */
@Injectable()
export class BatchQueuer {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(JobPresenter) private readonly presenter: JobPresenter,
    @Inject(OUTPUT_LINKS) private readonly links: OutputLinks,
    @Inject(IMAGE_MODEL) private readonly imageModel: string,
  ) {}

  async queue(actor: Actor, bodies: readonly object[], key: string | undefined): Promise<BatchAnswer> {
    const fingerprint = key === undefined ? '' : fingerprintOf('POST /v1/jobs/batch', bodies);
    const { items, refused } = readBatch(bodies, ({ idempotency_key: own, ...rest }, index) => ({
      request: jobRequestOf(rest, this.imageModel),
      key:
        own === undefined
          ? this.presenter.key(actor, key === undefined ? undefined : `${key}#${index}`, fingerprint)
          : this.presenter.key(actor, own, fingerprintOf('POST /v1/jobs', rest)),
    }));
    const outcomes: BatchOutcome[] = [];
    for (const item of refused) outcomes[item.index] = item;
    const queued = await this.commands.execute(
      new QueueJobs(
        actor,
        items.map(({ item }) => item),
        currentRequestId(),
      ),
    );
    for (const [at, job] of queued.entries()) {
      const { index } = items[at]!;
      outcomes[index] = await this.answer(actor, index, job);
    }
    const accepted = outcomes.filter((outcome) => outcome.status === 201).length;
    return { data: outcomes, accepted, refused: outcomes.length - accepted };
  }

  private async answer(actor: Actor, index: number, queued: QueuedJob): Promise<BatchOutcome> {
    const { outcome } = queued;
    const problem = outcomeProblem(outcome);
    if (problem) return refusedItem(index, problem);
    const row = queued.row();
    if (row) return { index, status: 201, job: jobResource(row, { outputs: [] }, this.links) };
    const version = outcome.status === 'replayed' ? outcome.version : undefined;
    const job = await this.queries.execute(new GetJob(actor, outcome.id, version));
    return job ? { index, status: 201, job } : refusedItem(index, new Problem('not-found'));
  }
}
