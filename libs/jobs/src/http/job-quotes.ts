import { Inject, Injectable } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { QueryBoolean } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import type { JobRequest } from '../admission';
import { PricedJob, PriceJobs } from '../commands/price-jobs';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import { JobResource, jobResource, OUTPUT_LINKS } from '../read-models/job-resource';
import type { OutputLinks } from '../read-models/job-resource';
import { IMAGE_MODEL } from '../text-to-image';
import { readBatch, RefusedItem, refusedItem } from './batch-items';
import { refusalProblem } from './job-problems';
import { jobRequestOf } from './job-requests';
import { Optional } from './job-validators';

export class DryRunDto {
  @ApiPropertyOptional({
    type: Boolean,
    description: 'Validates and prices, and writes nothing: 200 with what would be queued',
  })
  @Optional()
  @QueryBoolean()
  dry_run?: boolean;
}

const QUOTED = [
  'kind',
  'mode',
  'project_id',
  'input_asset_id',
  'parameters',
  'metadata',
  'tags',
  'priority',
  'run_at',
  'deadline',
  'max_attempts',
  'cost',
] as const;

/** What would be queued, as a job shows it. `parameters.effective.seed` is null where the server would choose one. */
export type JobQuote = Pick<JobResource, (typeof QUOTED)[number]>;

export interface BatchQuote {
  readonly data: readonly (
    { readonly index: number; readonly status: 200; readonly job: JobQuote } | RefusedItem
  )[];
  readonly accepted: number;
  readonly refused: number;
  /** Of those that would be accepted, together. */
  readonly cost: { readonly estimated_cents: number; readonly currency: 'USD' };
}

/** Answers of dry runs. */
@Injectable()
export class JobQuotes {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(OUTPUT_LINKS) private readonly links: OutputLinks,
    @Inject(IMAGE_MODEL) private readonly imageModel: string,
  ) {}

  async one(actor: Actor, request: JobRequest): Promise<JobQuote> {
    const [priced] = await this.queries.execute(new PriceJobs(actor, [request]));
    return this.quote(priced!);
  }

  async batch(actor: Actor, bodies: readonly object[]): Promise<BatchQuote> {
    const { items, refused } = readBatch(bodies, ({ idempotency_key: _, ...job }) =>
      jobRequestOf(job, this.imageModel),
    );
    const priced = await this.queries.execute(
      new PriceJobs(
        actor,
        items.map(({ item }) => item),
      ),
    );
    const data: BatchQuote['data'][number][] = [];
    for (const item of refused) data[item.index] = item;
    let estimated_cents = 0;
    priced.forEach((each, at) => {
      const { index } = items[at]!;
      if (each.status === 'refused') {
        data[index] = refusedItem(index, refusalProblem(each.code, each.pointer));
        return;
      }
      data[index] = { index, status: 200, job: this.quote(each) };
      estimated_cents += each.row.estimated_cents;
    });
    const accepted = data.filter(({ status }) => status === 200).length;
    return {
      data,
      accepted,
      refused: data.length - accepted,
      cost: { estimated_cents, currency: 'USD' },
    };
  }

  private quote(priced: PricedJob): JobQuote {
    if (priced.status === 'refused') throw refusalProblem(priced.code, priced.pointer);
    const job = jobResource(withoutChance(priced.row), { outputs: [] }, this.links);
    return Object.fromEntries(QUOTED.map((field) => [field, job[field]])) as unknown as JobQuote;
  }
}

/** The seed that this run has drawn is not the one that the job would get. */
function withoutChance(row: GenerationJobRow): GenerationJobRow {
  const { requested_parameters: requested, effective_parameters: effective } = row;
  if (!('seed' in effective) || 'seed' in requested) return row;
  return { ...row, effective_parameters: { ...effective, seed: null } };
}
