import { Inject } from '@nestjs/common';
import { IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { Database, newId } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { admit, JobRequest } from '../admission';
import { ABSENT, evolve, isLive } from '../job';
import type { NewJob } from '../job-commands';
import type { RecordedJobEvent } from '../job-events';
import { eachTarget, JobItemRefusal } from '../job-item';
import { decide } from '../job.decider';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import { queuedJobRow } from '../read-models/replay';
import { IMAGE_MODEL } from '../text-to-image';

/** The row that the job would get, or why it would be refused. */
export type PricedJob =
  | { readonly status: 'accepted'; readonly row: GenerationJobRow }
  | { readonly status: 'refused'; readonly code: JobItemRefusal; readonly pointer?: string };

/**
 * What QueueJobs would answer: the same admission, references and decision. Nothing is written, nothing is locked, and no
 * idempotency key is looked at. An answer an item, in order.
 */
export class PriceJobs extends Query<PricedJob[]> {
  constructor(
    readonly actor: Actor,
    readonly requests: readonly JobRequest[],
  ) {
    super();
  }
}

interface Surroundings {
  /** Ids of what the jobs refer to and the actor owns. */
  readonly own: ReadonlySet<string>;
  /** The database's clock, as for every decision. ms since 1970. */
  readonly now: number;
}

@QueryHandler(PriceJobs)
export class PriceJobsHandler implements IQueryHandler<PriceJobs> {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(IMAGE_MODEL) private readonly imageModel: string,
  ) {}

  async execute({ actor, requests }: PriceJobs): Promise<PricedJob[]> {
    const jobs = requests.map((request) => admit(request, this.imageModel));
    const surroundings = await this.look(actor, jobs);
    return jobs.map((job) => price(actor, job, surroundings));
  }

  private async look(actor: Actor, jobs: readonly NewJob[]): Promise<Surroundings> {
    const targets = { projects: new Set<string>(), assets: new Set<string>(), uploads: new Set<string>() };
    for (const job of jobs) {
      eachTarget({ command: { type: 'queue', job, actor } }, (target, id) => targets[target].add(id));
    }
    // One's own, also for those who see everyone's.
    return this.database.read({ ...actor, role: 'user' }, async (query) => {
      const [owned, clock] = await Promise.all([
        query<{ id: string }>(
          `select id from genledger.projects where id = any($1::uuid[]) and user_id = $3
           union all
           select id from genledger.assets where id = any($2::uuid[]) and user_id = $3`,
          [[...targets.projects], [...targets.assets], actor.userId],
        ),
        query<{ now: number }>(`select date_part('epoch', clock_timestamp()) * 1000 as now`),
      ]);
      return { own: new Set(owned.map(({ id }) => id)), now: Math.floor(clock[0]!.now) };
    });
  }
}

function price(actor: Actor, job: NewJob, { own, now }: Surroundings): PricedJob {
  const command = { type: 'queue', job, actor } as const;
  let unknown: string | undefined;
  eachTarget({ command }, (_target, id, pointer) => {
    if (!own.has(id)) unknown ??= pointer;
  });
  if (unknown !== undefined) return { status: 'refused', code: 'unknown_reference', pointer: unknown };
  const { events, refusal } = decide(ABSENT, command, now);
  if (refusal !== undefined) return { status: 'refused', code: refusal };
  const recorded = { ...events[0], version: 1, recordedAt: now, userId: actor.userId };
  const state = evolve(ABSENT, recorded as RecordedJobEvent);
  if (!isLive(state)) throw new Error('a new job was not queued');
  return { status: 'accepted', row: queuedJobRow(newId(), state, job) };
}
