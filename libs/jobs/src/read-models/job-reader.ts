import { Inject, Injectable } from '@nestjs/common';
import type { StoredEvent } from '@genledger/event-store';
import { Database, idFloor } from '@genledger/platform';
import type { Actor, Query } from '@genledger/platform';
import type { JobKind, JobOutput, JobOutputError, JobStatus } from '../job-events';
import { GENERATION_JOB_COLUMNS, GenerationJobRow } from './generation-job.entity';
import { readJobHistory } from './job-history';
import { JobResource, jobResource, OUTPUT_LINKS } from './job-resource';
import type { OutputLinks } from './job-resource';
import { replayJob } from './replay';

/** Filters of a list; all that are given must hold. Times are ms since 1970. */
export interface JobFilter {
  readonly status?: JobStatus;
  readonly projectId?: string;
  readonly mode?: string;
  readonly kind?: JobKind;
  readonly inputAssetId?: string;
  readonly tag?: string;
  readonly createdAfter?: number;
  readonly createdBefore?: number;
}

export interface JobPage {
  readonly jobs: readonly JobResource[];
  /** Id to go on below, or null at the end. */
  readonly next: string | null;
}

type OutputRow = JobOutput & { readonly job_id: string };

/** How far a queue position is counted: beyond it the number says nothing to a person. */
const COUNTED_QUEUE = 1_000;

/** Reads jobs as an actor, under row-level security. */
@Injectable()
export class JobReader {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(OUTPUT_LINKS) private readonly links: OutputLinks,
  ) {}

  async get(actor: Actor, id: string): Promise<JobResource | null> {
    const read = await this.database.read(actor, async (query) => {
      const [rows, outputs] = await Promise.all([
        query<GenerationJobRow>(
          `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where id = $1`,
          [id],
        ),
        query<OutputRow>(OUTPUTS_OF, [[id]]),
      ]);
      const row = rows[0];
      if (!row) return null;
      // An image that failed leaves a gap: at the end, or below files that were added later.
      const places = Math.max(
        Number(row.effective_parameters['number_of_images'] ?? 0),
        outputs.at(-1)?.position ?? 0,
      );
      const incomplete = row.status === 'succeeded' && outputs.length < places;
      return {
        row,
        // The second statement may see a result that the first one did not.
        outputs: row.status === 'succeeded' ? outputs.map(outputOf) : [],
        outputErrors: incomplete ? await readOutputErrors(query, id) : [],
      };
    });
    if (!read) return null;
    const queuePosition = read.row.status === 'queued' ? await this.queuePosition(read.row) : null;
    return jobResource(read.row, { ...read, queuePosition }, this.links);
  }

  /** The job as it was at a version: the answer that a repeated idempotency key gets. */
  async getAsOfVersion(actor: Actor, id: string, version: number): Promise<JobResource | null> {
    const events = (await this.history(actor, id)) ?? [];
    const { row, outputs, outputErrors } = replayJob(events.filter((event) => event.version <= version));
    return row && jobResource(row, { outputs, outputErrors }, this.links);
  }

  async getMany(actor: Actor, ids: readonly string[]): Promise<Map<string, JobResource>> {
    return this.database.read(actor, async (query) => {
      const rows = await query<GenerationJobRow>(
        `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where id = any($1::uuid[])`,
        [ids],
      );
      return new Map((await this.withOutputs(query, rows)).map((job) => [job.id, job]));
    });
  }

  /** Newest first, below `before`. Everyone but auditors and admins sees their own. */
  async list(actor: Actor, filter: JobFilter, limit: number, before?: string): Promise<JobPage> {
    const rows = await this.database.readEntities(actor, async (manager) => {
      const list = manager
        .createQueryBuilder(GenerationJobRow, 'job')
        .orderBy('job.id', 'DESC')
        .limit(limit + 1);
      if (actor.role !== 'auditor' && actor.role !== 'admin')
        list.andWhere('job.user_id = :user', { user: actor.userId });
      if (before !== undefined) list.andWhere('job.id < :before', { before });
      if (filter.status) list.andWhere('job.status = :status', { status: filter.status });
      if (filter.projectId) list.andWhere('job.project_id = :project', { project: filter.projectId });
      if (filter.mode) list.andWhere('job.mode = :mode', { mode: filter.mode });
      if (filter.kind) list.andWhere('job.kind = :kind', { kind: filter.kind });
      if (filter.inputAssetId) list.andWhere('job.input_asset_id = :asset', { asset: filter.inputAssetId });
      if (filter.tag) list.andWhere(':tag = any(job.tags)', { tag: filter.tag });
      // Ids are made by time, so a time is an id.
      if (filter.createdAfter !== undefined) {
        list.andWhere('job.id >= :after', { after: idFloor(filter.createdAfter + 1) });
      }
      if (filter.createdBefore !== undefined) {
        list.andWhere('job.id < :until', { until: idFloor(filter.createdBefore) });
      }
      return list.getMany();
    });
    const page = rows.slice(0, limit);
    const jobs = await this.database.read(actor, (query) => this.withOutputs(query, page));
    return { jobs, next: rows.length > limit ? page.at(-1)!.id : null };
  }

  async outputs(actor: Actor, id: string): Promise<JobResource['outputs'] | null> {
    return (await this.get(actor, id))?.outputs ?? null;
  }

  history(actor: Actor, id: string): Promise<StoredEvent[] | null> {
    return readJobHistory(this.database, actor, id);
  }

  /** 1: next. Counted over everyone's jobs, which the actor may not see: a number, no rows. */
  private async queuePosition(row: GenerationJobRow): Promise<number> {
    const [counted] = await this.database.write<{ ahead: number }>(
      `select count(*) as ahead from (
         select 1 from genledger.job_states s where s.status = 'queued' and (s.kind = 'external') = $5
            and (s.rank, s.run_at, s.id) < ($1::int, $2::timestamptz, $3::uuid) limit $4) ahead`,
      [-row.priority, row.run_at, row.id, COUNTED_QUEUE, row.kind === 'external'],
    );
    return (counted?.ahead ?? 0) + 1;
  }

  private async withOutputs(query: Query, rows: readonly GenerationJobRow[]): Promise<JobResource[]> {
    const withFiles = rows.filter((row) => row.status === 'succeeded').map((row) => row.id);
    const outputs = withFiles.length === 0 ? [] : await query<OutputRow>(OUTPUTS_OF, [withFiles]);
    const byJob = new Map<string, OutputRow[]>();
    for (const output of outputs) byJob.set(output.job_id, [...(byJob.get(output.job_id) ?? []), output]);
    return rows.map((row) =>
      jobResource(row, { outputs: (byJob.get(row.id) ?? []).map(outputOf) }, this.links),
    );
  }
}

const OUTPUTS_OF = `select job_id, position, upload_id, mime_type, size, sha256, width, height
  from genledger.job_outputs where job_id = any($1::uuid[]) order by job_id, position`;

function outputOf({ job_id: _, ...output }: OutputRow): JobOutput {
  return output;
}

async function readOutputErrors(query: Query, id: string): Promise<readonly JobOutputError[]> {
  const rows = await query<{ output_errors: JobOutputError[] | null }>(
    `select data -> 'output_errors' as output_errors from genledger.events where stream_id = $1 and type = 'JobSucceeded'`,
    [id],
  );
  return rows[0]?.output_errors ?? [];
}
