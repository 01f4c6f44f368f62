import { Inject } from '@nestjs/common';
import { Command, CommandHandler, ICommandHandler } from '@nestjs/cqrs';
import { Database } from '@genledger/platform';
import type { JobKind, JobOutput, JobOutputError, RequestContent } from '../job';
import type { JobOutcome } from '../job-batch';
import type { JobActor, JobCommand } from '../job-commands';
import { JobStore } from '../job-store';
import { actorMeta } from './actor-meta';

/** Leases are this long unless a worker asks for another length: a lost worker's job is due again within it. */
export const LEASE_MS = 30_000;

/** A job in a worker's hands. Whatever it reports names the token; after another start the token is stale. */
export interface WorkItem {
  readonly jobId: string;
  readonly userId: string;
  readonly kind: JobKind;
  readonly attempt: number;
  readonly leaseToken: number;
  /** ms since 1970, the database's clock. */
  readonly leaseExpiresAt: number;
  readonly effective: Record<string, unknown>;
  readonly content: RequestContent | null;
}

/** Claims due jobs of the given kinds, best rank first, each with a lease of its own. */
export class ClaimJobs extends Command<WorkItem[]> {
  constructor(
    readonly workerId: string,
    readonly kinds: readonly JobKind[],
    readonly max: number,
    readonly leaseMs = LEASE_MS,
  ) {
    super();
  }
}

interface WorkRow {
  readonly id: string;
  readonly effective: Record<string, unknown>;
  readonly content: RequestContent | null;
}

@CommandHandler(ClaimJobs)
export class ClaimJobsHandler implements ICommandHandler<ClaimJobs> {
  constructor(
    @Inject(JobStore) private readonly store: JobStore,
    @Inject(Database) private readonly database: Database,
  ) {}

  async execute({ workerId, kinds, max, leaseMs }: ClaimJobs): Promise<WorkItem[]> {
    const meta = actorMeta(workerActor(), workerId);
    const leases = await this.store.claim({ workerId, kinds, max, leaseMs, meta });
    if (leases.length === 0) return [];
    const rows = await this.database.write<WorkRow>(
      `select r.id, r.effective, c.body as content from genledger.job_requests r
         left join genledger.contents c on c.stream_id = r.id and c.version = r.content_version
        where r.id = any($1::uuid[])`,
      [leases.map((lease) => lease.jobId)],
    );
    const requests = new Map(rows.map((row) => [row.id, row]));
    return leases.flatMap(({ jobId, leaseToken, leaseExpiresAt, job }) => {
      const request = requests.get(jobId);
      // Deleted between claim and now: its lease is void.
      if (!request) return [];
      const { effective, content } = request;
      return [
        {
          jobId,
          userId: job.userId,
          kind: job.kind,
          attempt: job.attempt,
          leaseToken,
          leaseExpiresAt,
          effective,
          content,
        },
      ];
    });
  }
}

/** What became of a lease. */
export type WorkResult =
  | {
      readonly type: 'succeeded';
      readonly outputs: readonly JobOutput[];
      readonly outputErrors?: readonly JobOutputError[];
      readonly costCents: number;
    }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly message: string | null;
      readonly retryable: boolean;
      readonly retryAfterMs?: number;
    }
  | { readonly type: 'released' }
  | { readonly type: 'canceled' }
  | { readonly type: 'progressed'; readonly fraction: number; readonly stage: string };

/** Records what workers report, each under its lease's token. A stale token is refused, and the refusal recorded. */
export class RecordResults extends Command<JobOutcome[]> {
  constructor(
    readonly workerId: string,
    readonly results: readonly {
      readonly jobId: string;
      readonly leaseToken: number;
      readonly result: WorkResult;
    }[],
  ) {
    super();
  }
}

@CommandHandler(RecordResults)
export class RecordResultsHandler implements ICommandHandler<RecordResults> {
  constructor(@Inject(JobStore) private readonly store: JobStore) {}

  execute({ workerId, results }: RecordResults): Promise<JobOutcome[]> {
    const meta = actorMeta(workerActor(), workerId);
    return this.store.submitMany(
      results.map(({ jobId, leaseToken, result }) => ({
        id: jobId,
        userId: '',
        command: resultCommand(leaseToken, result),
        meta,
      })),
    );
  }
}

/** Attempts wait 2, 4, 8 … seconds, at most a minute. */
export function retryDelayMs(attempt: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.max(1, attempt));
}

function workerActor(): JobActor {
  return { userId: null, role: 'worker' };
}

function resultCommand(leaseToken: number, result: WorkResult): JobCommand {
  const actor = workerActor();
  switch (result.type) {
    case 'succeeded': {
      const { outputs, outputErrors = [], costCents } = result;
      return { type: 'succeed', actor, leaseToken, outputs, outputErrors, costCents };
    }
    case 'failed': {
      const { code, message, retryable, retryAfterMs = retryDelayMs(1) } = result;
      return { type: 'fail', actor, leaseToken, code, message, retryable, retryAfterMs };
    }
    case 'released':
      return { type: 'release', actor, leaseToken };
    case 'canceled':
      return { type: 'confirm_cancel', actor, leaseToken };
    case 'progressed':
      return { type: 'progress', actor, leaseToken, fraction: result.fraction, stage: result.stage };
  }
}

/** Prolongs leases. A heartbeat is no event. */
export class RenewLeases extends Command<LeaseRenewal[]> {
  constructor(
    readonly leases: readonly { readonly jobId: string; readonly leaseToken: number }[],
    readonly leaseMs = LEASE_MS,
  ) {
    super();
  }
}

export interface LeaseRenewal {
  readonly jobId: string;
  /** False: the token is stale, whatever is made under it will be refused. */
  readonly held: boolean;
  readonly cancelRequested: boolean;
}

@CommandHandler(RenewLeases)
export class RenewLeasesHandler implements ICommandHandler<RenewLeases> {
  constructor(@Inject(JobStore) private readonly store: JobStore) {}

  async execute({ leases, leaseMs }: RenewLeases): Promise<LeaseRenewal[]> {
    const renewed = await this.store.renewLeases(leases, leaseMs);
    const byId = new Map(renewed.map((row) => [row.id, row]));
    return leases.map(({ jobId }) => {
      const row = byId.get(jobId);
      return { jobId, held: row !== undefined, cancelRequested: row?.cancel_requested ?? false };
    });
  }
}

export const WORK_JOBS_HANDLERS = [ClaimJobsHandler, RecordResultsHandler, RenewLeasesHandler];
