import type { Pool } from 'pg';
import type { Watermark } from './feed';

export interface LogCondition {
  /** Up to here the log is settled. */
  readonly watermark: number;
  /** The last position that was given out. */
  readonly head: number;
  /** Sessions that hold an announcement, and with it every feed, oldest first; those that have just begun included. */
  readonly announcers: readonly { readonly pid: number; readonly seconds: number }[];
  readonly projections: readonly ProjectionCondition[];
  /** Of this month and the twelve after it: `2026-01`. */
  readonly missingPartitions: readonly string[];
  /** How many months, this one included, have their partition before the first that has not. */
  readonly monthsAhead: number;
}

export interface ProjectionCondition {
  readonly name: string;
  readonly position: number;
  /** Age of the oldest event that is settled and not folded; 0 where all are. */
  readonly behindSeconds: number;
}

const MONTHS = 13;

/** How the log is, for people: what holds it up, who lags behind it, and how far its partitions reach. Writes nothing. */
export async function readLogCondition(
  pool: Pool,
  watermark: Watermark,
  projections: readonly string[],
): Promise<LogCondition> {
  const announcers = await readAnnouncers(pool);
  const settled = await watermark.read();
  const { rows } = await pool.query<{ head: number }>(
    `select case when is_called then last_value else last_value - 1 end as head from genledger.event_position`,
  );
  const months = await readMonths(pool);
  const missing = months.filter(({ is_there }) => !is_there);
  const firstMissing = months.findIndex(({ is_there }) => !is_there);
  return {
    watermark: settled,
    head: rows[0]!.head,
    announcers,
    projections: await readProjections(pool, projections, settled),
    missingPartitions: missing.map(({ month }) => month),
    monthsAhead: firstMissing < 0 ? months.length : firstMissing,
  };
}

/** The same sessions that genledger.end_stuck_announcers looks at. */
async function readAnnouncers(pool: Pool): Promise<LogCondition['announcers']> {
  const { rows } = await pool.query<{ pid: number; seconds: number }>(
    `select a.pid, floor(extract(epoch from clock_timestamp() - a.xact_start))::int as seconds
       from (select distinct l.pid from pg_locks l
              where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint >> 16) = 42
                and l.database = (select oid from pg_database where datname = current_database())) h
       join pg_stat_activity a on a.pid = h.pid
      where a.xact_start is not null order by a.xact_start`,
  );
  return rows;
}

async function readProjections(
  pool: Pool,
  names: readonly string[],
  watermark: number,
): Promise<ProjectionCondition[]> {
  const { rows } = await pool.query<{ name: string; position: number; behind: number }>(
    `select n.name, coalesce(c.position, 0) as position,
            coalesce(greatest(0, floor(extract(epoch from clock_timestamp() - e.recorded_at))), 0)::int as behind
       from unnest($1::text[]) as n (name)
       left join genledger.checkpoints c on c.name = n.name
       left join lateral (select e.recorded_at from genledger.events e
                           where e.position > coalesce(c.position, 0) and e.position <= $2
                           order by e.position limit 1) e on true
      order by n.name`,
    [names, watermark],
  );
  return rows.map(({ name, position, behind }) => ({ name, position, behindSeconds: behind }));
}

/** Named as genledger.ensure_partitions names them. */
async function readMonths(pool: Pool): Promise<{ month: string; is_there: boolean }[]> {
  const { rows } = await pool.query<{ month: string; is_there: boolean }>(
    `select to_char(m, 'YYYY-MM') as month, to_regclass('genledger.events_' || to_char(m, 'YYYY_MM')) is not null as is_there
       from generate_series(0, $1::int - 1) as i,
            lateral (select date_trunc('month', now() at time zone 'UTC') + i * interval '1 month' as m) as month
      order by i`,
    [MONTHS],
  );
  return rows;
}
