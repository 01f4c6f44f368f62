import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Watermark } from '@genledger/event-store';
import { Database, GENLEDGER_CONFIG } from '@genledger/platform';
import type { Config } from '@genledger/platform';

const TICK_MS = 1_000;
const CHORES_MS = 10_000;

/**
 * Keeps the log in order: partitions a year ahead, a tick (position, time) while events arrive, idempotency keys swept
 * after a day, sessions ended that hold an announcement for longer than ten seconds (they hold every feed back).
 */
@Injectable()
export class LogKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(LogKeeper.name);
  private readonly busy = new Set<string>();
  private lastTick = 0;
  private stopped = false;

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Watermark) private readonly watermark: Watermark,
    @Inject(GENLEDGER_CONFIG) private readonly config: Pick<Config, 'roles'>,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.database.write(`select genledger.ensure_partitions(now(), now() + interval '12 months')`);
  }

  onApplicationShutdown(): void {
    this.stopped = true;
  }

  @Interval(TICK_MS)
  tick(): void {
    void this.exclusively('tick', () => this.recordTick());
  }

  @Interval(CHORES_MS)
  chores(): void {
    void this.exclusively('chores', async () => {
      await this.database.write(`select genledger.end_stuck_announcers('10 seconds')`);
      await this.sweepKeys();
      await this.database.write(`select genledger.ensure_partitions(now(), now() + interval '12 months')`);
    });
  }

  /** Writes the watermark with the time at which nothing below it could still appear. */
  async recordTick(): Promise<void> {
    const position = await this.watermark.read();
    if (position <= this.lastTick) return;
    await this.database.write(`select genledger.record_tick($1)`, [position]);
    this.lastTick = position;
  }

  /** Returns how many keys older than a day were dropped. */
  async sweepKeys(): Promise<number> {
    const rows = await this.database.write<{ key_hash: string }>(
      `delete from genledger.idempotency_keys where key_hash = any (array(
         select key_hash from genledger.idempotency_keys where created_at < clock_timestamp() - interval '24 hours' limit 5000))
       returning key_hash`,
    );
    return rows.length;
  }

  private async exclusively(name: string, work: () => Promise<unknown>): Promise<void> {
    if (this.stopped || this.busy.has(name) || !this.config.roles.has('scheduler')) return;
    this.busy.add(name);
    try {
      await work();
    } catch (error) {
      if (!this.stopped) this.logger.error({ message: `${name} failed; it will be tried again`, error });
    } finally {
      this.busy.delete(name);
    }
  }
}
