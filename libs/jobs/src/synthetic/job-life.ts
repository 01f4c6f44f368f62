import { newIdAt } from '@genledger/platform';
import type { EventMeta } from '@genledger/event-store';
import { actorMeta, SYSTEM } from '../commands/actor-meta';
import { LEASE_MS, retryDelayMs, WORKER, workerMeta } from '../commands/work-jobs';
import type { JobActor, JobCommand, NewJob } from '../job-commands';
import type { JobStatus } from '../job-events';
import type { JobItem } from '../job-item';

export type TimedItem = JobItem & { readonly at: number };

/**
 * One job's commands, each at a time of its own. Every one of them leads to exactly one event, so that the version of a
 * start, which is its lease's token, is known beforehand.
 */
export class JobLife {
  readonly items: TimedItem[] = [];
  private readonly id: string;
  private readonly owner: JobActor;
  private readonly ownerMeta: EventMeta;
  private workerId = '';
  private leaseToken = 0;
  private attempt = 0;

  constructor(
    private readonly userId: string,
    /** When the job is queued: its id says so. */
    private moment: number,
    private readonly until: number,
  ) {
    this.id = newIdAt(moment);
    this.owner = { userId, role: 'user' };
    this.ownerMeta = actorMeta(this.owner);
  }

  /** Time passes, but never beyond the end of the history. */
  after(ms: number): this {
    this.moment = Math.min(this.moment + ms, this.until);
    return this;
  }

  /** When the next command comes. */
  get now(): number {
    return this.moment;
  }

  get timeLeft(): number {
    return this.until - this.moment;
  }

  queue(job: NewJob): this {
    return this.byOwner({ type: 'queue', job, actor: this.owner });
  }

  cancel(): this {
    return this.byOwner({ type: 'cancel', actor: this.owner });
  }

  delete(): this {
    return this.byOwner({ type: 'delete', actor: this.owner });
  }

  raisePriority(): this {
    return this.byOwner({ type: 'change_details', actor: this.owner, priority: 20 });
  }

  transition(to: JobStatus, costCents: number | null = null, code: string | null = null): this {
    return this.byOwner({ type: 'transition', actor: this.owner, to, code, message: null, costCents });
  }

  missDeadline(): this {
    return this.add({ type: 'miss_deadline', actor: SYSTEM }, actorMeta(SYSTEM));
  }

  start(workerId: string): this {
    this.workerId = workerId;
    this.leaseToken = this.items.length + 1;
    this.attempt++;
    return this.byWorker({ type: 'start', actor: WORKER, workerId, leaseMs: LEASE_MS });
  }

  succeed(costCents: number): this {
    const { leaseToken } = this;
    return this.byWorker({
      type: 'succeed',
      actor: WORKER,
      leaseToken,
      outputs: [],
      outputErrors: [],
      costCents,
    });
  }

  fail(code: string, message: string, retryable: boolean): this {
    const { leaseToken, retryAfterMs } = this;
    return this.byWorker({ type: 'fail', actor: WORKER, leaseToken, code, message, retryable, retryAfterMs });
  }

  release(): this {
    this.attempt--;
    return this.byWorker({ type: 'release', actor: WORKER, leaseToken: this.leaseToken });
  }

  confirmCancel(): this {
    return this.byWorker({ type: 'confirm_cancel', actor: WORKER, leaseToken: this.leaseToken });
  }

  /** What the rescuer does for a worker that is not heard of any more. */
  expireLease(): this {
    const { leaseToken, retryAfterMs } = this;
    return this.add({ type: 'expire_lease', actor: SYSTEM, leaseToken, retryAfterMs }, actorMeta(SYSTEM));
  }

  /** How long the next attempt waits for its turn. */
  get retryAfterMs(): number {
    return retryDelayMs(this.attempt);
  }

  private byOwner(command: JobCommand): this {
    return this.add(command, this.ownerMeta);
  }

  private byWorker(command: JobCommand): this {
    return this.add(command, workerMeta(this.workerId));
  }

  private add(command: JobCommand, meta: EventMeta): this {
    this.items.push({ id: this.id, userId: this.userId, command, meta, at: this.moment });
    return this;
  }
}
