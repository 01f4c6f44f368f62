import { Inject, Injectable } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { currentRequestId, Problem, validateBody } from '@genledger/platform';
import type { Actor, ProblemItem } from '@genledger/platform';
import { QueuedJob, QueueJobs } from '../commands/queue-jobs';
import { jobResource, JobResource, OUTPUT_LINKS } from '../read-models/job-resource';
import type { OutputLinks } from '../read-models/job-resource';
import { GetJob } from '../read-models/queries';
import { JobPresenter } from './job-presenter';
import { outcomeProblem } from './job-problems';
import { fingerprintOf, jobRequestOf } from './job-requests';
import { BatchItemDto } from './jobs.dto';

/** One item's answer: 201 with the job, or the status and problem that it alone would have got. */
export type BatchOutcome =
  | { readonly index: number; readonly status: 201; readonly job: JobResource }
  | {
      readonly index: number;
      readonly status: number;
      readonly error: {
        readonly code: string;
        readonly detail: string;
        readonly errors?: readonly ProblemItem[];
      };
    };

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
  ) {}

  async queue(actor: Actor, bodies: readonly object[], key: string | undefined): Promise<BatchAnswer> {
    const fingerprint = key === undefined ? '' : fingerprintOf('POST /v1/jobs/batch', bodies);
    const outcomes: BatchOutcome[] = [];
    const items: { index: number; item: QueueJobs['items'][number] }[] = [];
    bodies.forEach((body, index) => {
      try {
        const dto = validateBody(BatchItemDto, body);
        const { idempotency_key: own, ...rest } = dto;
        const request = jobRequestOf(rest);
        const keyed =
          own === undefined
            ? this.presenter.key(actor, key === undefined ? undefined : `${key}#${index}`, fingerprint)
            : this.presenter.key(actor, own, fingerprintOf('POST /v1/jobs', rest));
        items.push({ index, item: { request, key: keyed } });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        outcomes[index] = refused(index, error);
      }
    });
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
    if (problem) return refused(index, problem);
    const row = queued.row();
    if (row) return { index, status: 201, job: jobResource(row, { outputs: [] }, this.links) };
    const version = outcome.status === 'replayed' ? outcome.version : undefined;
    const job = await this.queries.execute(new GetJob(actor, outcome.id, version));
    return job ? { index, status: 201, job } : refused(index, new Problem('not-found'));
  }
}

function refused(index: number, { status, code, message, errors }: Problem): BatchOutcome {
  return { index, status, error: { code, detail: message, ...(errors && { errors }) } };
}
