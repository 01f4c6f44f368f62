import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { Database, Problem } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { contentOf, idempotencyKey } from '../admission';
import type { JobDetails } from '../commands/change-jobs';
import type { QueuedJob } from '../commands/queue-jobs';
import type { JobOutput } from '../job-events';
import type { IdempotencyKey } from '../job-item';
import { JobResource, jobResource, OUTPUT_LINKS } from '../read-models/job-resource';
import type { OutputLinks } from '../read-models/job-resource';
import { GetJob } from '../read-models/queries';
import { outcomeProblem } from './job-problems';
import type { ChangeJobDto } from './jobs.dto';

/** Turns what commands answer into what clients read, and bodies into what commands need. */
@Injectable()
export class JobPresenter {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(Database) private readonly database: Database,
    @Inject(OUTPUT_LINKS) private readonly links: OutputLinks,
  ) {}

  key(actor: Actor, key: string | undefined, fingerprint: string): IdempotencyKey | undefined {
    return key === undefined ? undefined : idempotencyKey(actor.userId, key, fingerprint);
  }

  /** The queued job; for a repeated key the job as it was answered then. */
  async queued(actor: Actor, queued: QueuedJob): Promise<JobResource> {
    const { outcome } = queued;
    const problem = outcomeProblem(outcome);
    if (problem) throw problem;
    const row = queued.row();
    if (row) return jobResource(row, { outputs: [] }, this.links);
    const version = outcome.status === 'replayed' ? outcome.version : undefined;
    const job = await this.queries.execute(new GetJob(actor, outcome.id, version));
    if (!job) throw new Problem('not-found');
    return job;
  }

  /** Content is stored whole, so what the body leaves out is carried over. */
  async changedDetails(actor: Actor, id: string, body: ChangeJobDto): Promise<JobDetails> {
    const { project_id, mode, priority, metadata, tags } = body;
    const details: JobDetails = { projectId: project_id, mode, priority };
    if (metadata === undefined && tags === undefined) return details;
    const job = await this.queries.execute(new GetJob(actor, id));
    if (!job) throw new Problem('not-found');
    const { prompt, negative_prompt } = job.parameters.requested as {
      prompt?: string;
      negative_prompt?: string;
    };
    const kept = { metadata: job.metadata ?? undefined, tags: job.tags.length > 0 ? job.tags : undefined };
    const changed = { metadata: metadata ?? job.metadata, tags: tags ?? job.tags };
    if (isDeepStrictEqual(changed, { metadata: job.metadata, tags: job.tags })) return details;
    const content = contentOf({
      prompt,
      negative_prompt,
      metadata: metadata ?? kept.metadata,
      tags: tags ?? kept.tags,
    });
    return { ...details, content: content ?? {} };
  }

  /** Facts of the caller's own uploads, to be linked as outputs. */
  async uploadedOutputs(
    actor: Actor,
    outputs: readonly { upload_id: string }[],
  ): Promise<Omit<JobOutput, 'position'>[]> {
    const rows = await this.database.read(actor, (query) =>
      query<Omit<JobOutput, 'position'>>(
        `select id as upload_id, mime_type, size, sha256, width, height from genledger.uploads where id = any($1::uuid[])`,
        [outputs.map((output) => output.upload_id)],
      ),
    );
    const byId = new Map(rows.map((row) => [row.upload_id, row]));
    return outputs.map(({ upload_id }, at) => {
      const upload = byId.get(upload_id);
      if (upload) return upload;
      const detail = 'It does not exist, or is not yours';
      throw new Problem('unknown-reference', detail, {
        errors: [{ pointer: `#/outputs/${at}/upload_id`, code: 'unknown-reference', detail }],
      });
    });
  }
}
