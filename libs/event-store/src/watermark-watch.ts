import type { Doorbell } from './doorbell';
import type { Watermark } from './feed';
import { Wait } from './wait';

type Follower = (watermark: number) => Promise<void> | void;

/** Rings of a busy server are gathered for this long: so many looks a second at most, however many commits there are. */
const GATHER_MS = 20;
/** How long an unheard commit of another process can go unseen. */
const POLL_MS = 1_000;

/**
 * Watches the log for everyone in the process who waits for it: one reading of the watermark at a time, after a ring of
 * the doorbell and once a second, whether one follower waits or thousands do. Nobody waits: nothing is read.
 */
export class WatermarkWatch {
  private readonly followers = new Set<Follower>();
  private readonly waits = new Set<Wait>();
  private isLooking = false;
  private isWoken = false;
  private isClosed = false;
  private endRest: () => void = () => undefined;

  constructor(
    private readonly watermark: Watermark,
    private readonly doorbell: Doorbell,
  ) {}

  /**
   * Calls `follower` with the watermark, at once and whenever the log may have moved, until the returned function is
   * called. The next look waits for what `follower` returns; if that rejects, the follower is called again all the same.
   */
  follow(follower: Follower): () => void {
    if (this.isClosed) return () => undefined;
    this.followers.add(follower);
    this.wake();
    if (!this.isLooking) void this.look();
    return () => {
      this.followers.delete(follower);
      if (this.followers.size === 0) this.endRest();
    };
  }

  /** True once everything up to `position` is settled; false after `timeoutMs`, and when the watch is closed. */
  async reached(position: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if ((await this.watermark.read()) >= position) return true;
    if (this.isClosed) return false;
    let isReached = false;
    const wait = new Wait(timeoutMs, signal);
    this.waits.add(wait);
    const unfollow = this.follow((watermark) => {
      if (watermark < position) return;
      isReached = true;
      wait.end();
    });
    await wait.ended;
    unfollow();
    this.waits.delete(wait);
    return isReached;
  }

  close(): void {
    this.isClosed = true;
    this.followers.clear();
    for (const wait of this.waits) wait.end();
    this.endRest();
  }

  private wake(): void {
    this.isWoken = true;
    this.endRest();
  }

  private async look(): Promise<void> {
    this.isLooking = true;
    const unhear = this.doorbell.onRing(() => this.wake());
    while (this.followers.size > 0) {
      this.isWoken = false;
      await this.lookOnce();
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      if (!this.isWoken && this.followers.size > 0) await this.rest();
    }
    unhear();
    this.isLooking = false;
  }

  private async lookOnce(): Promise<void> {
    try {
      const watermark = await this.watermark.read();
      await Promise.allSettled([...this.followers].map(async (follower) => follower(watermark)));
    } catch {
      // The database is away. Whoever waits goes on to read from it afterwards, and hears of it there.
    }
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
