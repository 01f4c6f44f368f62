import type { TimedItem } from './job-life';

export interface TimeSlice {
  /** The last moment that belongs to it. */
  readonly end: number;
  /** In the order of time. */
  readonly items: readonly TimedItem[];
}

/**
 * Puts the commands of many jobs into one order, slice by slice of `sliceMs`. Jobs come in the order of their first
 * commands, and no more of them are held than have something to come.
 */
export function* timeSlices(jobs: Iterable<readonly TimedItem[]>, sliceMs: number): Generator<TimeSlice> {
  const waiting = new Map<number, TimedItem[]>();
  const sliceOf = (item: TimedItem): number => Math.floor(item.at / sliceMs);
  let next: number | undefined;
  for (const job of jobs) {
    const first = sliceOf(job[0]!);
    next ??= first;
    for (; next < first; next++) yield* slice(next);
    for (const item of job) {
      const at = sliceOf(item);
      const items = waiting.get(at);
      if (items) items.push(item);
      else waiting.set(at, [item]);
    }
  }
  for (next ??= 0; waiting.size > 0; next++) yield* slice(next);

  function* slice(number: number): Generator<TimeSlice> {
    const items = waiting.get(number);
    if (!items) return;
    waiting.delete(number);
    yield { end: (number + 1) * sliceMs - 1, items: items.sort((a, b) => a.at - b.at) };
  }
}

/** A job's first command in the first round, its second in the second: a batch cannot go on with a job that it made. */
export function rounds(items: readonly TimedItem[]): TimedItem[][] {
  const all: TimedItem[][] = [];
  const sent = new Map<string, number>();
  for (const item of items) {
    const round = sent.get(item.id) ?? 0;
    (all[round] ??= []).push(item);
    sent.set(item.id, round + 1);
  }
  return all;
}
