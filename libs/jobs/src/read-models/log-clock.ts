import { Inject, Injectable } from '@nestjs/common';
import { Watermark } from '@genledger/event-store';
import { Database } from '@genledger/platform';
import type { AsOf } from './as-of';

/** Why a moment cannot be looked back at: it is still to come, or the log may still gain events below it. */
export type NotPast = 'in_the_future' | 'beyond_the_log';

/** Up to where the log is read; nothing can still appear below it. */
export interface LogPoint {
  readonly position: number;
  /**
   * Of the tick that stands for the time that was asked for, in UTC to the microsecond, so that asking for it leads to the
   * same tick; null: a position was asked for, or no tick is that old.
   */
  readonly tickAt: string | null;
}

interface TickRow {
  readonly in_future: boolean;
  readonly position: number | null;
  readonly at: string | null;
}

/**
 * Tells which position a moment stands for. Positions are taken before their transactions commit, so a time says nothing
 * about the whole log but at its ticks: watermarks, written with the time at which they were known. A time stands for
 * the last tick at or before it, and before the first tick for nothing at all.
 *
 * Read events in a LATER statement than this one.
 */
@Injectable()
export class LogClock {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Watermark) private readonly watermark: Watermark,
  ) {}

  async pointAt(asOf: AsOf): Promise<LogPoint | NotPast> {
    if ('position' in asOf) {
      const { position } = asOf;
      return position > (await this.watermark.read()) ? 'beyond_the_log' : { position, tickAt: null };
    }
    const [row] = await this.database.write<TickRow>(
      `select $1::timestamptz > clock_timestamp() as in_future, t.position,
              to_char(t.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
         from (values (true)) as one
         left join lateral (select position, at from genledger.ticks where at <= $1::timestamptz
                             order by at desc, position desc limit 1) t on true`,
      [asOf.time],
    );
    const { in_future, position, at } = row!;
    return in_future ? 'in_the_future' : { position: position ?? 0, tickAt: at };
  }
}
