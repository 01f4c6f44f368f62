/** Whose events a follower waits for. */
export type Interest =
  | { readonly streamId: string; readonly userId?: undefined }
  | { readonly userId: string; readonly streamId?: undefined };

/** Above `after` and up to `upTo`, all of it settled, there may be events of interest; up to `after` there are no new ones. */
export interface News {
  readonly after: number;
  readonly upTo: number;
}

/**
 * One reader's ear at the log's tail: it hears where to look, and looks itself, when it can take more. So however slow
 * a reader is, what it costs here is two numbers.
 */
export class Follower {
  private pending: News | undefined;
  private settled: number | undefined;
  private ended = false;
  private hear: ((news: News | null) => void) | undefined;

  constructor(
    readonly interest: Interest,
    private readonly onLeave: (follower: Follower) => void,
  ) {}

  /** Where to look next, once there is something to look for. null: it has left, or the log is another one now. */
  next(): Promise<News | null> {
    const news = this.pending;
    this.pending = undefined;
    if (this.ended) return Promise.resolve(null);
    if (news) return Promise.resolve(news);
    return new Promise((resolve) => (this.hear = resolve));
  }

  leave(): void {
    this.end();
    this.onLeave(this);
  }

  /** Whether it has been told where the log stands, and so counts on being told of what comes after. */
  get isFollowing(): boolean {
    return this.settled !== undefined;
  }

  /** No event of interest lies between what was looked at and here. 0 unless it waits with nothing heard: nobody knows then. */
  get clearUpTo(): number {
    return this.hear ? (this.settled ?? 0) : 0;
  }

  /** The tail has come to `upTo`; `touched`: with events of interest since the last time. */
  advance(upTo: number, touched: boolean): void {
    const after = this.settled ?? 0;
    const isNews = touched || this.settled === undefined;
    this.settled = upTo;
    if (!isNews) return;
    const news = { after: this.pending?.after ?? after, upTo };
    const hear = this.hear;
    this.hear = undefined;
    if (hear) hear(news);
    else this.pending = news;
  }

  end(): void {
    this.ended = true;
    this.hear?.(null);
    this.hear = undefined;
  }
}
