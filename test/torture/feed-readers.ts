import type { Client, Pool } from 'pg';
import { Feed, Watermark } from '@genledger/event-store';

/** What a reader made of an event: enough to see what it lost and what it turned round. */
export interface Seen {
  readonly position: number;
  readonly stream_id: string;
  readonly version: number;
}

export interface FeedReader {
  readonly name: string;
  readonly seen: readonly Seen[];
  /** Reads what it takes to be all that is new. */
  read(): Promise<void>;
}

export const seenInOrder = (seen: readonly Seen[]): string[] =>
  seen.map(({ position, stream_id, version }) => `${position} ${stream_id} ${version}`);

/** Follows the watermark. */
export class WatermarkReader implements FeedReader {
  readonly name = 'ours';
  readonly seen: Seen[] = [];
  /** How often it found something new. */
  advances = 0;
  /** The longest it stood still, in ms. */
  longestPause = 0;
  reached = 0;
  private readonly feed: Feed;
  private advancedAt = performance.now();

  constructor(pool: Pool) {
    this.feed = new Feed(pool, new Watermark(pool));
  }

  async read(): Promise<void> {
    for (;;) {
      const { events, reached } = await this.feed.read(this.reached, 500);
      this.seen.push(...events.map(({ position, stream_id, version }) => ({ position, stream_id, version })));
      if (reached === this.reached) return;
      this.reached = reached;
      this.advances++;
      this.longestPause = Math.max(this.longestPause, performance.now() - this.advancedAt);
      this.advancedAt = performance.now();
    }
  }
}

/** `position > last`, as everyone writes it first. */
export class NaiveReader implements FeedReader {
  readonly name = 'naive';
  readonly seen: Seen[] = [];

  constructor(private readonly session: Client) {}

  async read(): Promise<void> {
    const { rows } = await this.session.query<Seen>(
      `select position, stream_id, version from genledger.events where position > $1 order by position`,
      [this.seen.at(-1)?.position ?? 0],
    );
    this.seen.push(...rows);
  }
}

/** Ordered by transaction id, up to the oldest transaction that is still open anywhere in the cluster. */
export class TransactionReader implements FeedReader {
  readonly name = 'by transaction id';
  readonly seen: Seen[] = [];
  private last = { xid: 0, position: 0 };

  constructor(private readonly session: Client) {}

  async read(): Promise<void> {
    const { rows } = await this.session.query<Seen & { xid: number }>(
      `select position, stream_id, version, xmin::text::bigint as xid from genledger.events
        where (xmin::text::bigint, position) > ($1, $2)
          and xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        order by xmin::text::bigint, position`,
      [this.last.xid, this.last.position],
    );
    this.seen.push(...rows.map(({ position, stream_id, version }) => ({ position, stream_id, version })));
    this.last = rows.at(-1) ?? this.last;
  }
}

export interface Verdict {
  readonly lost: number;
  readonly twice: number;
  /** Events that came before an earlier one of their stream. */
  readonly inverted: number;
}

/** Compares what a reader saw with what the log holds. */
export function judge(reader: FeedReader, log: readonly Seen[]): Verdict {
  const seen = new Set(reader.seen.map(({ position }) => position));
  const newest = new Map<string, number>();
  let inverted = 0;
  for (const { stream_id, version } of reader.seen) {
    if (version < (newest.get(stream_id) ?? 0)) inverted++;
    newest.set(stream_id, Math.max(version, newest.get(stream_id) ?? 0));
  }
  return {
    lost: log.filter(({ position }) => !seen.has(position)).length,
    twice: reader.seen.length - seen.size,
    inverted,
  };
}
