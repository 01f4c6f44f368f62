import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { GENLEDGER_CONFIG } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { actorMeta, SYSTEM } from '../commands/actor-meta';
import { JobStore } from '../job-store';

/** A lost worker's job is due again within its lease and this. */
const RESCUE_MS = 1_000;
const BATCH = 500;

/**
 * Takes jobs back whose workers have not renewed their lease: back to the queue, or failed after the last attempt.
 * Any number of processes may do it at once; the decider lets one of them win.
 */
@Injectable()
export class JobRescuer implements OnApplicationShutdown {
  private readonly logger = new Logger(JobRescuer.name);
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    @Inject(JobStore) private readonly store: JobStore,
    @Inject(GENLEDGER_CONFIG) private readonly config: Pick<Config, 'roles'>,
  ) {}

  @Interval(RESCUE_MS)
  tick(): void {
    if (this.running || this.stopped || !this.config.roles.has('scheduler')) return;
    this.running = this.rescue()
      .then(() => undefined)
      .catch((error: unknown) =>
        this.logger.error({ message: 'rescuing failed; it will be tried again', error }),
      )
      .finally(() => (this.running = undefined));
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** Returns how many jobs were taken back. */
  async rescue(): Promise<number> {
    const expired = await this.store.expiredLeases(BATCH);
    if (expired.length === 0) return 0;
    const meta = actorMeta(SYSTEM);
    const outcomes = await this.store.submitMany(
      expired.map(({ id, lease_token }) => ({
        id,
        userId: '',
        meta,
        command: { type: 'expire_lease', leaseToken: lease_token, retryAfterMs: 0, actor: SYSTEM } as const,
      })),
    );
    const rescued = outcomes.filter((outcome) => outcome.status === 'accepted').length;
    if (rescued > 0) this.logger.warn({ message: 'took jobs back from lost workers', rescued });
    return rescued;
  }
}
