import type { Pool } from 'pg';
import type { Doorbell } from './doorbell';
import type { Watermark } from './feed';

export type CheckpointOutcome = 'stored' | 'already_there' | 'mismatch' | 'someone_ahead';

/**
 * A read model that is folded in batches: one statement moves its checkpoint from `expected` and applies what lies
 * between, in the same transaction, so that an event counts exactly once whoever else is folding.
 */
export interface Fold {
  /** Name of its checkpoint. */
  readonly name: string;
  apply(
    pool: Pool,
    expected: number,
    watermark: number,
    max: number,
  ): Promise<{ outcome: CheckpointOutcome; reached: number; folded: number }>;
}

/** The more events at once, the fewer rows of the model are written: bounded by a transaction of about a tenth of a second. */
const BATCH = 20_000;
/**
 * Readers add the tail that is not folded yet, so nothing is gained by folding every commit by itself, and a fold of many
 * events writes each row of the model once. Long enough for that, short enough that a busy server's tail stays small.
 */
const PAUSE_MS = 500;
/** How long an unheard commit of another process can go unseen. */
const POLL_MS = 1_000;

/** Keeps one fold up with the log: woken by the doorbell, looking by itself once a second. */
export class Projector {
  private position: number | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private unhear: (() => void) | undefined;
  private hurry: () => void = () => undefined;
  private readonly waiting = new Set<{ position: number; resolve: () => void }>();

  constructor(
    private readonly pool: Pool,
    private readonly watermark: Watermark,
    private readonly doorbell: Doorbell,
    private readonly fold: Fold,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.stopped = false;
    this.unhear = this.doorbell.onRing(() => this.wake());
    this.timer = setInterval(() => this.wake(), POLL_MS);
    this.wake();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.hurry();
    this.unhear?.();
    clearInterval(this.timer);
    await this.running;
  }

  /** Folds until the watermark that it reads first is reached. */
  async drain(): Promise<void> {
    const watermark = await this.watermark.read();
    while ((await this.checkpoint()) < watermark) await this.step();
  }

  /** Resolves when the fold has passed `position`, whoever folds; rejects after `timeoutMs`. */
  async waitFor(position: number, timeoutMs = 30_000): Promise<void> {
    const until = Date.now() + timeoutMs;
    while ((await this.storedPosition()) < position) {
      if (Date.now() > until) throw new Error(`${this.fold.name} did not reach position ${position} in time`);
      await this.nextProgress(position, 50);
    }
  }

  /** Where the fold stands in the database. */
  async storedPosition(): Promise<number> {
    const { rows } = await this.pool.query<{ position: number }>(
      `select position from genledger.checkpoints where name = $1`,
      [this.fold.name],
    );
    return rows[0]?.position ?? 0;
  }

  private wake(): void {
    if (this.stopped) return;
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = this.catchUp()
      .catch((error: unknown) => {
        this.position = undefined;
        this.onError(error);
      })
      .finally(() => {
        this.running = undefined;
        if (this.again) {
          this.again = false;
          this.wake();
        }
      });
  }

  private async catchUp(): Promise<void> {
    while (!this.stopped && (await this.step())) {
      // Another full batch may be waiting.
    }
    await this.pause();
  }

  /** Ends early when somebody waits for the fold, or it is stopped. */
  private pause(): Promise<void> {
    if (this.stopped || this.waiting.size > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PAUSE_MS);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Folds one batch. True when there may be more. */
  private async step(): Promise<boolean> {
    const expected = await this.checkpoint();
    const watermark = await this.watermark.read();
    if (watermark <= expected) return false;
    const { outcome, reached, folded } = await this.fold.apply(this.pool, expected, watermark, BATCH);
    switch (outcome) {
      case 'stored':
      case 'already_there':
        this.position = reached;
        this.passed(reached);
        return folded === BATCH;
      case 'mismatch':
      case 'someone_ahead':
        this.position = undefined;
        return true;
    }
  }

  private async checkpoint(): Promise<number> {
    this.position ??= await this.storedPosition();
    return this.position;
  }

  private passed(position: number): void {
    for (const waiter of this.waiting) if (waiter.position <= position) waiter.resolve();
  }

  private nextProgress(position: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiter = { position, resolve: done };
      const timer = setTimeout(done, timeoutMs);
      const waiting = this.waiting;
      function done(): void {
        clearTimeout(timer);
        waiting.delete(waiter);
        resolve();
      }
      waiting.add(waiter);
      this.hurry();
      this.wake();
    });
  }
}
