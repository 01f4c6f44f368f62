import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { EVENT_STORE, Wait, WatermarkWatch } from '@genledger/event-store';
import type { EventStoreConnection } from '@genledger/event-store';

/** How much of the log one statement looks through: bounds what a look after a pause costs. */
const SPAN = 20_000;

/** Where the log is read on from, while anyone waits. */
interface Tail {
  position: number | undefined;
  readonly begun: Promise<void>;
  readonly unfollow: () => void;
}

/**
 * Waits for jobs to end. Nothing is asked for a single wait: where there are any, one statement a look reads which jobs
 * have ended since the look before, from the tail of the log, and the waits that it concerns are found in memory.
 */
@Injectable()
export class JobAwaiter implements OnModuleDestroy {
  private readonly logger = new Logger(JobAwaiter.name);
  private readonly pool: EventStoreConnection['pool'];
  private readonly waits = new Map<string, Set<Wait>>();
  private tail: Tail | undefined;
  private stopped = false;

  constructor(
    @Inject(EVENT_STORE) store: EventStoreConnection,
    @Inject(WatermarkWatch) private readonly watch: WatermarkWatch,
  ) {
    this.pool = store.pool;
  }

  /** Jobs that somebody waits for. */
  get awaited(): number {
    return this.waits.size;
  }

  /**
   * Resolves when the job has ended, after `ms`, when `signal` aborts, or when the server stops. `hasEnded` is asked
   * once, when no later end can be missed any more.
   */
  async untilEnded(
    id: string,
    hasEnded: () => Promise<boolean>,
    ms: number,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.stopped) return;
    const wait = new Wait(ms, signal);
    const { begun } = this.enter(id, wait);
    try {
      await Promise.race([begun, wait.ended]);
      if (!wait.isOver && !(await hasEnded())) await wait.ended;
    } finally {
      wait.end();
      this.leave(id, wait);
    }
  }

  /** Before the HTTP server closes, which waits for the requests that wait. */
  onModuleDestroy(): void {
    this.stopped = true;
    for (const id of [...this.waits.keys()]) this.end(id);
  }

  private enter(id: string, wait: Wait): Tail {
    const waits = this.waits.get(id);
    if (waits) waits.add(wait);
    else this.waits.set(id, new Set([wait]));
    return (this.tail ??= this.begin());
  }

  private leave(id: string, wait: Wait): void {
    const waits = this.waits.get(id);
    waits?.delete(wait);
    if (waits?.size === 0) this.waits.delete(id);
    if (this.waits.size > 0) return;
    this.tail?.unfollow();
    this.tail = undefined;
  }

  private end(id: string): void {
    for (const wait of this.waits.get(id) ?? []) wait.end();
  }

  private begin(): Tail {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const unfollow = this.watch.follow(async (watermark) => {
      if (tail.position !== undefined) return this.look(tail, tail.position, watermark);
      tail.position = watermark;
      begin();
    });
    const tail: Tail = { position: undefined, begun, unfollow };
    return tail;
  }

  private async look(tail: Tail, after: number, watermark: number): Promise<void> {
    try {
      for (let from = after; from < watermark; from += SPAN) {
        const upto = Math.min(from + SPAN, watermark);
        const { rows } = await this.pool.query<{ id: string }>(
          `select id from genledger.ended_jobs($1, $2)`,
          [from, upto],
        );
        tail.position = upto;
        for (const { id } of rows) this.end(id);
      }
    } catch (error) {
      this.logger.warn({ message: 'looking for ended jobs failed; it will be tried again', error });
    }
  }
}
