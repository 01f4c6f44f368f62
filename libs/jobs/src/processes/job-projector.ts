import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Doorbell, EVENT_STORE, Projector, Watermark } from '@genledger/event-store';
import type { EventStoreConnection } from '@genledger/event-store';
import { GENLEDGER_CONFIG } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { JOB_FOLD } from './job-fold';

/** Folds job events where this process has the role `projector`; elsewhere it only waits for those who do. */
@Injectable()
export class JobProjector implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(JobProjector.name);
  private readonly projector: Projector;
  private readonly folds: boolean;

  constructor(
    @Inject(EVENT_STORE) store: EventStoreConnection,
    @Inject(Watermark) watermark: Watermark,
    @Inject(Doorbell) doorbell: Doorbell,
    @Inject(GENLEDGER_CONFIG) config: Pick<Config, 'roles'>,
  ) {
    this.folds = config.roles.has('projector');
    this.projector = new Projector(store.pool, watermark, doorbell, JOB_FOLD, (error) =>
      this.logger.error({ message: 'folding failed; it will be tried again', error }),
    );
  }

  onApplicationBootstrap(): void {
    if (this.folds) this.projector.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.projector.stop();
  }

  /** Resolves when the folded models have passed a position, whoever folds them. */
  waitFor(position: number, timeoutMs?: number): Promise<void> {
    return this.projector.waitFor(position, timeoutMs);
  }

  /** Folds everything that is committed now. */
  drain(): Promise<void> {
    return this.projector.drain();
  }
}
