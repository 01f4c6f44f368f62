import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { GENLEDGER_CONFIG } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { actorMeta, SYSTEM } from '../commands/actor-meta';
import { JobStore } from '../job-store';

/** A queued job fails within this and a moment after its deadline. */
const TICK_MS = 1_000;
const BATCH = 500;

/**
 * Fails queued jobs whose deadline has passed. It does not end running ones: a deadline is the time by which a job has
 * to be started. Any number of processes may do it at once; the decider lets one of them win.
 */
@Injectable()
export class DeadlineEnforcer implements OnApplicationShutdown {
  private readonly logger = new Logger(DeadlineEnforcer.name);
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    @Inject(JobStore) private readonly store: JobStore,
    @Inject(GENLEDGER_CONFIG) private readonly config: Pick<Config, 'roles'>,
  ) {}

  @Interval(TICK_MS)
  tick(): void {
    if (this.running || this.stopped || !this.config.roles.has('scheduler')) return;
    this.running = this.enforce()
      .then(() => undefined)
      .catch((error: unknown) =>
        this.logger.error({ message: 'enforcing deadlines failed; it will be tried again', error }),
      )
      .finally(() => (this.running = undefined));
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** Returns how many jobs were failed. */
  async enforce(): Promise<number> {
    let failed = 0;
    // A batch that failed no job found only what others hold or have failed meanwhile: that is for the next tick.
    for (let more = true; more && !this.stopped;) {
      const overdue = await this.store.overdueJobs(BATCH);
      const failedNow = await this.fail(overdue);
      failed += failedNow;
      more = overdue.length === BATCH && failedNow > 0;
    }
    if (failed > 0)
      this.logger.log({ message: 'failed jobs that were not started by their deadline', failed });
    return failed;
  }

  private async fail(ids: readonly string[]): Promise<number> {
    const meta = actorMeta(SYSTEM);
    const command = { type: 'miss_deadline', actor: SYSTEM } as const;
    const outcomes = await this.store.submitMany(ids.map((id) => ({ id, userId: '', meta, command })));
    return outcomes.filter((outcome) => outcome.status === 'accepted').length;
  }
}
