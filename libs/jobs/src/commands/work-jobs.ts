import { Inject } from '@nestjs/common';
import { Command, CommandHandler, ICommandHandler } from '@nestjs/cqrs';
import type { EventMeta } from '@genledger/event-store';
import type { WorkItem } from '../claim-batch';
import type { JobKind, JobOutputError, RecordedOutput } from '../job-events';
import type { JobItem, JobOutcome } from '../job-item';
import type { JobActor, JobCommand } from '../job-commands';
import { JobStore } from '../job-store';
import type { Success } from '../success-batch';

/** Leases are this long unless a worker asks for another length: a lost worker's job is due again within it. */
export const LEASE_MS = 30_000;

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

@CommandHandler(ClaimJobs)
export class ClaimJobsHandler implements ICommandHandler<ClaimJobs> {
  constructor(@Inject(JobStore) private readonly store: JobStore) {}

  async execute({ workerId, kinds, max, leaseMs }: ClaimJobs): Promise<WorkItem[]> {
    return [...(await this.store.claim({ workerId, kinds, max, leaseMs, meta: workerMeta(workerId) }))];
  }
}

/** What became of a lease. */
export type WorkResult =
  | {
      readonly type: 'succeeded';
      readonly outputs: readonly RecordedOutput[];
      readonly outputErrors?: readonly JobOutputError[];
      readonly costCents: number;
    }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly message: string | null;
      readonly retryable: boolean;
      readonly retryAfterMs?: number;
      readonly providerRequestId?: string;
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

  async execute({ workerId, results }: RecordResults): Promise<JobOutcome[]> {
    const meta = workerMeta(workerId);
    const outcomes: JobOutcome[] = [];
    const successes: { at: number; success: Success }[] = [];
    const others: { at: number; item: JobItem }[] = [];
    results.forEach(({ jobId: id, leaseToken, result }, at) => {
      if (result.type === 'succeeded') {
        const { outputs, outputErrors = [], costCents } = result;
        successes.push({ at, success: { id, leaseToken, outputs, outputErrors, costCents, meta } });
      } else {
        others.push({ at, item: { id, userId: '', meta, command: resultCommand(leaseToken, result) } });
      }
    });
    const [ended, decided] = await Promise.all([
      this.store.succeedMany(successes.map(({ success }) => success)),
      this.store.submitMany(others.map(({ item }) => item)),
    ]);
    successes.forEach(({ at }, n) => (outcomes[at] = ended[n]!));
    others.forEach(({ at }, n) => (outcomes[at] = decided[n]!));
    return outcomes;
  }
}

/** Attempts wait 2, 4, 8 … seconds, at most a minute. */
export function retryDelayMs(attempt: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.max(1, attempt));
}

export const WORKER: JobActor = { userId: null, role: 'worker' };

export function workerMeta(workerId: string): EventMeta {
  return { actor: `worker:${workerId}` };
}

function resultCommand(leaseToken: number, result: Exclude<WorkResult, { type: 'succeeded' }>): JobCommand {
  const actor = WORKER;
  switch (result.type) {
    case 'failed': {
      const { code, message, retryable, retryAfterMs = retryDelayMs(1), providerRequestId } = result;
      return {
        type: 'fail',
        actor,
        leaseToken,
        code,
        message,
        retryable,
        retryAfterMs,
        ...(providerRequestId === undefined ? undefined : { providerRequestId }),
      };
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
