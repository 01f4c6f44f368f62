import type { Pool } from 'pg';
import { StoredEvent, STORED_EVENT_COLUMNS, WITH_CONTENT } from './streams';

/**
 * The log in order, without loss (docs/adr/0002-watermark-feed.md).
 *
 * Positions are taken before a transaction commits, so a reader that trusts `position > last` skips what commits late.
 * Writers announce a lower bound of their positions in an advisory lock before taking them; everything up to the
 * smallest announced bound is settled. A rolled-back append leaves a gap that closes with its lock, at once; a long
 * transaction that appends nothing holds nobody up.
 *
 * One reading of the watermark at a time serves every cursor of the process.
 */
export class Watermark {
  private reading: Promise<number> | undefined;
  private next: Promise<number> | undefined;

  constructor(private readonly pool: Pool) {}

  /** The highest position below which nothing can still appear. Started after the call, so it covers what is committed. */
  read(): Promise<number> {
    if (!this.reading) {
      this.reading = this.query().finally(() => (this.reading = undefined));
      return this.reading;
    }
    // The reading under way may have begun before the caller's own commit.
    this.next ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.read();
      });
    return this.next;
  }

  private async query(): Promise<number> {
    const { rows } = await this.pool.query<{ watermark: number }>(
      `select genledger.read_watermark() as watermark`,
    );
    return rows[0]!.watermark;
  }
}

export class Feed {
  constructor(
    private readonly pool: Pool,
    private readonly watermark: Watermark,
  ) {}

  /** Events above `after` in order, at most `limit`, with the position up to which the log was read. */
  async read(after: number, limit: number): Promise<{ events: StoredEvent[]; reached: number }> {
    const watermark = await this.watermark.read();
    if (watermark <= after) return { events: [], reached: after };
    const { rows } = await this.pool.query<StoredEvent>(
      `select ${STORED_EVENT_COLUMNS} from genledger.events e
         ${WITH_CONTENT}
        where e.position > $1 and e.position <= $2 order by e.position limit $3`,
      [after, watermark, limit],
    );
    const reached = rows.length < limit ? watermark : rows.at(-1)!.position;
    return { events: rows, reached };
  }
}
