import type { Query } from '@genledger/platform';
import { IdRange, MAX_ID } from './invariants';

/** Streams in one snapshot: some thousand events, well under a second. */
export const STREAMS = 1_000;

export interface StreamRange {
  readonly range: IdRange;
  /** How many streams begin in it. */
  readonly streams: number;
}

/** The next streams of the log in the order of their ids, in a transaction that reads nothing but their range. */
export async function nextRange(query: Query, after: string, max = STREAMS): Promise<StreamRange> {
  // A range is a thousandth of its tables: reading them whole for each would take the square of the time.
  await query('set local enable_seqscan = off');
  const rows = await query<{ stream_id: string }>(
    `select stream_id from genledger.events where stream_id > $1 and version = 1 order by stream_id limit $2`,
    [after, max],
  );
  // The last range has no end: what belongs to no stream, or to one without a beginning, is in a range too.
  const upto = rows.length < max ? MAX_ID : rows.at(-1)!.stream_id;
  return { range: { after, upto }, streams: rows.length };
}

export async function countStreams(query: Query): Promise<number> {
  const [counted] = await query<{ streams: number }>(
    `select count(*) as streams from genledger.events where version = 1`,
  );
  return counted?.streams ?? 0;
}
