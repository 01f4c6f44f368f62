import { hostname } from 'node:os';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Doorbell } from '@genledger/event-store';
import { ClaimJobs, RecordResults, RenewLeases, retryDelayMs } from '@genledger/jobs';
import type { WorkItem, WorkResult } from '@genledger/jobs';
import { GENLEDGER_CONFIG, newId } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { Uploads } from '@genledger/uploads';
import { GenerationFailed, IMAGE_GENERATOR } from './image-generator';
import type { ImageGenerator } from './image-generator';
import { runTextToImage } from './text-to-image-run';

/** One a core would do for painting; providers mostly wait, and two keep a small machine's cores busy. */
const SLOTS = 2;
/** How long a job that another process queued can lie unseen. */
const POLL_MS = 1_000;
/** Two renewals may fail before a lease ends. */
const RENEWALS = 3;
/** What is running at a shutdown may finish within this; the rest is handed back. */
const DRAIN_MS = 10_000;

/** Length of the leases that the worker takes, in ms: how long a lost worker's jobs lie. */
export const JOB_LEASE_MS = Symbol('JOB_LEASE_MS');

interface Run {
  readonly item: WorkItem;
  readonly abort: AbortController;
  done: Promise<void>;
  /** The lease was handed back or lost: whatever comes of the run is not reported. */
  silent: boolean;
}

/**
 * Runs text-to-image jobs where this process has the role `worker`: claims with a lease, renews it while it works,
 * records the result under the lease's token. At most once is not promised: after a crash another worker starts over.
 */
@Injectable()
export class JobWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(JobWorker.name);
  /** Owners read it in their jobs' histories, so it names no machine; the log does. */
  readonly workerId = newId();
  /** A job may run here twice at once: its lease was lost, and the next one came to the same worker. */
  private readonly runs = new Set<Run>();
  private claiming: Promise<void> | undefined;
  private again = false;
  private stopped = false;
  private readonly timers: NodeJS.Timeout[] = [];
  private unhear: (() => void) | undefined;

  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(Doorbell) private readonly doorbell: Doorbell,
    @Inject(Uploads) private readonly uploads: Uploads,
    @Inject(IMAGE_GENERATOR) private readonly generator: ImageGenerator,
    @Inject(GENLEDGER_CONFIG) private readonly config: Pick<Config, 'roles'>,
    @Inject(JOB_LEASE_MS) private readonly leaseMs: number,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.has('worker')) return;
    this.logger.log({ message: 'working', worker_id: this.workerId, host: hostname(), pid: process.pid });
    this.unhear = this.doorbell.onRing(() => this.wake());
    this.timers.push(
      setInterval(() => this.wake(), POLL_MS),
      setInterval(() => void this.renew(), this.leaseMs / RENEWALS),
    );
    this.wake();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    this.unhear?.();
    this.timers.forEach(clearInterval);
    await this.claiming;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, DRAIN_MS)));
    await Promise.race([late, Promise.all([...this.runs].map((run) => run.done))]);
    clearTimeout(timer);
    await this.handBack([...this.runs]);
  }

  private wake(): void {
    if (this.stopped || this.runs.size >= SLOTS) return;
    if (this.claiming) {
      this.again = true;
      return;
    }
    this.claiming = this.claim()
      .catch((error: unknown) =>
        this.logger.error({ message: 'claiming failed; it will be tried again', error }),
      )
      .finally(() => {
        this.claiming = undefined;
        if (this.again) {
          this.again = false;
          this.wake();
        }
      });
  }

  private async claim(): Promise<void> {
    const free = SLOTS - this.runs.size;
    if (free <= 0) return;
    const items = await this.commands.execute(
      new ClaimJobs(this.workerId, ['text_to_image'], free, this.leaseMs),
    );
    for (const item of items) {
      const run: Run = { item, abort: new AbortController(), done: Promise.resolve(), silent: false };
      this.runs.add(run);
      run.done = this.run(run).finally(() => {
        this.runs.delete(run);
        this.wake();
      });
    }
  }

  private async run(run: Run): Promise<void> {
    const { item, abort } = run;
    let result: WorkResult;
    try {
      result = await runTextToImage(item, this.generator, this.uploads, abort.signal, {
        progressed: (fraction, stage) => this.report(run, { type: 'progressed', fraction, stage }),
      });
    } catch (error) {
      result = abort.signal.aborted ? { type: 'canceled' } : this.failureOf(item, error);
    }
    try {
      await this.report(run, result);
    } catch (error) {
      // The lease ends by itself, and the job is taken up again.
      this.logger.error({ message: 'a result could not be recorded', job_id: item.jobId, error });
    }
  }

  private failureOf(item: WorkItem, error: unknown): WorkResult {
    if (error instanceof GenerationFailed) {
      const { code, message, retryable, providerRequestId } = error;
      const retryAfterMs = error.retryAfterMs ?? retryDelayMs(item.attempt);
      return { type: 'failed', code, message, retryable, retryAfterMs, providerRequestId };
    }
    this.logger.error({ message: 'an attempt failed', job_id: item.jobId, error });
    const retryAfterMs = retryDelayMs(item.attempt);
    return { type: 'failed', code: 'internal_error', message: null, retryable: true, retryAfterMs };
  }

  private async report(run: Run, result: WorkResult): Promise<void> {
    if (run.silent) return;
    const { jobId, leaseToken } = run.item;
    const [outcome] = await this.commands.execute(
      new RecordResults(this.workerId, [{ jobId, leaseToken, result }]),
    );
    if (outcome?.status === 'refused') this.lose(run, `the result was refused: ${outcome.code}`);
  }

  private async renew(): Promise<void> {
    const runs = [...this.runs].filter((run) => !run.silent);
    if (runs.length === 0) return;
    try {
      const renewals = await this.commands.execute(
        new RenewLeases(
          runs.map((run) => run.item),
          this.leaseMs,
        ),
      );
      renewals.forEach(({ held, cancelRequested }, at) => {
        const run = runs[at]!;
        if (!this.runs.has(run)) return;
        if (!held) this.lose(run, 'the lease was lost');
        else if (cancelRequested) run.abort.abort();
      });
    } catch (error) {
      this.logger.error({ message: 'leases could not be renewed', error });
    }
  }

  private lose(run: Run, why: string): void {
    run.silent = true;
    run.abort.abort();
    this.logger.warn({ message: why, job_id: run.item.jobId });
  }

  private async handBack(runs: readonly Run[]): Promise<void> {
    if (runs.length === 0) return;
    for (const run of runs) {
      run.silent = true;
      run.abort.abort();
    }
    const results = runs.map(({ item: { jobId, leaseToken } }) => ({
      jobId,
      leaseToken,
      result: { type: 'released' } as const,
    }));
    await this.commands
      .execute(new RecordResults(this.workerId, results))
      .catch((error: unknown) => this.logger.error({ message: 'jobs could not be handed back', error }));
  }
}
