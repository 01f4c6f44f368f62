import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Patch,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  ApiPreferWait,
  CurrentActor,
  currentRequestId,
  CursorCodec,
  IdempotencyKey,
  IdParam,
  prefersEventStream,
  PreferWait,
  Problem,
  TokenExpiresAt,
} from '@genledger/platform';
import type { Actor, EventStream, PreferredWait } from '@genledger/platform';
import {
  AddJobOutputs,
  CancelJobs,
  ChangeJobDetails,
  DeleteJobs,
  TransitionJobs,
} from '../commands/change-jobs';
import { QueueJobs } from '../commands/queue-jobs';
import type { JobOutcome } from '../job-item';
import { AwaitJob } from '../read-models/await-job';
import type { JobResource } from '../read-models/job-resource';
import { GetJobAsOf } from '../read-models/past-queries';
import { GetJob, GetJobHistory, ListJobs } from '../read-models/queries';
import { IMAGE_MODEL } from '../text-to-image';
import { JobAsOfDto } from './as-of.dto';
import { BatchQueuer, BatchAnswer } from './batch-queuer';
import { historyEvent, HistoryEvent } from '../read-models/history-event';
import { CancelAfter } from './cancel-after';
import { ApiHistoryOrStream, LAST_EVENT_ID } from './event-stream-docs';
import { ApiCreateJob } from './create-job.openapi';
import { JobPresenter } from './job-presenter';
import { noPastProblem, outcomeProblem } from './job-problems';
import { BatchQuote, DryRunDto, JobQuote, JobQuotes } from './job-quotes';
import { fingerprintOf, jobFilterOf, jobRequestOf } from './job-requests';
import { AddOutputsDto, ChangeJobDto, CreateBatchDto, CreateJobDto, TransitionJobDto } from './jobs.dto';
import { ListJobsDto } from './list-jobs.dto';
import { LiveEvents } from './live-events';
import { PositionGate } from './min-position';

interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

const DEFAULT_LIMIT = 20;

@ApiTags('jobs')
@Controller('v1/jobs')
export class JobsController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(CursorCodec) private readonly cursors: CursorCodec,
    @Inject(JobPresenter) private readonly presenter: JobPresenter,
    @Inject(BatchQueuer) private readonly batches: BatchQueuer,
    @Inject(LiveEvents) private readonly live: LiveEvents,
    @Inject(JobQuotes) private readonly quotes: JobQuotes,
    @Inject(PositionGate) private readonly gate: PositionGate,
    @Inject(IMAGE_MODEL) private readonly imageModel: string,
  ) {}

  /**
   * Queues a job. 201 with the job; a repeated Idempotency-Key gets the same answer again. A client that prefers to wait
   * gets the job as it is after the wait.
   */
  @Post()
  @ApiCreateJob()
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: CreateJobDto,
    @Query() { dry_run }: DryRunDto,
    @IdempotencyKey() key: string | undefined,
    @CancelAfter() cancelAfter: number | undefined,
    @PreferWait() wait: PreferredWait | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobResource | JobQuote> {
    const request = jobRequestOf(body, this.imageModel, cancelAfter);
    if (dry_run) {
      void reply.status(200);
      return this.quotes.one(actor, request);
    }
    const sent = cancelAfter === undefined ? body : { ...body, 'cancel-after': cancelAfter };
    const keyed = this.presenter.key(actor, key, fingerprintOf('POST /v1/jobs', sent));
    const [queued] = await this.commands.execute(
      new QueueJobs(actor, [{ request, key: keyed }], currentRequestId()),
    );
    const job = await this.presenter.queued(actor, queued!);
    void reply.header('location', job.urls.self);
    // Deleted meanwhile: it was queued all the same.
    return (await this.awaited(actor, job, wait, reply)) ?? job;
  }

  /** Queues up to 10,000 jobs: an outcome an item, in order. */
  @Post('batch')
  @HttpCode(200)
  @ApiHeader({ name: 'Idempotency-Key', required: false })
  createBatch(
    @CurrentActor() actor: Actor,
    @Body() body: CreateBatchDto,
    @Query() { dry_run }: DryRunDto,
    @IdempotencyKey() key: string | undefined,
  ): Promise<BatchAnswer | BatchQuote> {
    return dry_run ? this.quotes.batch(actor, body.jobs) : this.batches.queue(actor, body.jobs, key);
  }

  @Get()
  async list(@CurrentActor() actor: Actor, @Query() query: ListJobsDto): Promise<Page<JobResource>> {
    await this.gate.passed(query);
    const { cursor, limit = DEFAULT_LIMIT, min_position: _, ...filter } = query;
    const binding = { userId: actor.userId, filter: { list: 'jobs', ...filter } };
    const before = cursor === undefined ? undefined : this.cursors.decode<{ id: string }>(cursor, binding).id;
    const { jobs, next } = await this.queries.execute(new ListJobs(actor, jobFilterOf(query), limit, before));
    const next_cursor = next === null ? null : this.cursors.encode({ id: next }, binding);
    return { data: jobs, has_more: next !== null, next_cursor };
  }

  /** The job, or the job as it was. A client that prefers to wait gets the job as it is after the wait. */
  @Get(':id')
  @ApiPreferWait()
  async get(
    @CurrentActor() actor: Actor,
    @IdParam() id: string,
    @Query() query: JobAsOfDto,
    @PreferWait() wait: PreferredWait | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobResource> {
    await this.gate.passed(query);
    if (query.as_of) {
      const past = await this.queries.execute(new GetJobAsOf(actor, id, query.as_of));
      if (past.status !== 'found') throw noPastProblem(past.status);
      return past.job;
    }
    const job = found(await this.queries.execute(new GetJob(actor, id)));
    return found(await this.awaited(actor, job, wait, reply));
  }

  /** The job's history, oldest first, or its events as they happen. A deleted job's are still here. */
  @Get(':id/events')
  @ApiHeader(LAST_EVENT_ID)
  @ApiHistoryOrStream()
  async events(
    @CurrentActor() actor: Actor,
    @TokenExpiresAt() expiresAt: number | undefined,
    @IdParam() id: string,
    @Headers('accept') accept: string | undefined,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ data: readonly HistoryEvent[] } | EventStream | undefined> {
    void reply.header('vary', 'Authorization, Accept');
    if (prefersEventStream(accept, 'application/json'))
      return this.live.ofJob({ actor, expiresAt, reply }, id, lastEventId);
    return { data: found(await this.queries.execute(new GetJobHistory(actor, id))).map(historyEvent) };
  }

  @Get(':id/outputs')
  async outputs(
    @CurrentActor() actor: Actor,
    @IdParam() id: string,
  ): Promise<{ data: JobResource['outputs'] }> {
    return { data: found(await this.queries.execute(new GetJob(actor, id))).outputs };
  }

  /** Adds files of the caller's to a succeeded job, after those it has. */
  @Post(':id/outputs')
  async addOutputs(
    @CurrentActor() actor: Actor,
    @IdParam() id: string,
    @Body() body: AddOutputsDto,
  ): Promise<{ data: JobResource['outputs'] }> {
    const outputs = await this.presenter.uploadedOutputs(actor, body.outputs);
    const job = await this.change(actor, new AddJobOutputs(actor, id, outputs, currentRequestId()));
    return { data: job.outputs };
  }

  /** Changes a queued job's project, mode, priority, metadata or tags. */
  @Patch(':id')
  async update(
    @CurrentActor() actor: Actor,
    @IdParam() id: string,
    @Body() body: ChangeJobDto,
  ): Promise<JobResource> {
    const details = await this.presenter.changedDetails(actor, id, body);
    return this.change(actor, new ChangeJobDetails(actor, [id], details, currentRequestId()));
  }

  /** Moves an external job along; `cost_cents` is what it has cost in all. */
  @Post(':id/transition')
  @HttpCode(200)
  transition(
    @CurrentActor() actor: Actor,
    @IdParam() id: string,
    @Body() body: TransitionJobDto,
  ): Promise<JobResource> {
    const error =
      body.error === undefined || body.error === null ? null : { code: null, message: body.error };
    const { status, cost_cents = null } = body;
    return this.change(actor, new TransitionJobs(actor, [id], status, error, cost_cents, currentRequestId()));
  }

  /** Asks a job to end early. Idempotent. */
  @Post(':id/cancel')
  @HttpCode(200)
  cancel(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<JobResource> {
    return this.change(actor, new CancelJobs(actor, [id], currentRequestId()));
  }

  /** Takes a job out of lists and statistics. Its history stays, and so does what it incurred. */
  @Delete(':id')
  @HttpCode(204)
  async remove(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<void> {
    const [outcome] = await this.commands.execute(new DeleteJobs(actor, [id], currentRequestId()));
    if (outcome!.status === 'unchanged') throw new Problem('not-found');
    refuse(outcome!);
  }

  private async awaited(
    actor: Actor,
    job: JobResource,
    wait: PreferredWait | undefined,
    reply: FastifyReply,
  ): Promise<JobResource | null> {
    if (!wait) return job;
    void reply.header('preference-applied', `wait=${wait.seconds}`);
    if (job.completed_at !== null) return job;
    return this.queries.execute(new AwaitJob(actor, job.id, wait.seconds * 1_000, wait.hungUp));
  }

  private async change(
    actor: Actor,
    command: CancelJobs | TransitionJobs | ChangeJobDetails | AddJobOutputs,
  ): Promise<JobResource> {
    const [outcome] = await this.commands.execute(command);
    refuse(outcome!);
    return found(await this.queries.execute(new GetJob(actor, outcome!.id)));
  }
}

function refuse(outcome: JobOutcome): void {
  const problem = outcomeProblem(outcome);
  if (problem) throw problem;
}

function found<T>(value: T | null): T {
  if (value === null) throw new Problem('not-found');
  return value;
}
