import { isTimestamp } from '@genledger/platform';
import type { StoredEvent } from '@genledger/event-store';

/** A moment to look back at: a position of the log, or a time in UTC, to the microsecond as PostgreSQL keeps it. */
export type AsOf = { readonly position: number } | { readonly time: string };

/** `17` is a position, `2026-01-31T12:00:00Z` a time; undefined: neither. */
export function parseAsOf(text: unknown): AsOf | undefined {
  // Fifteen digits are exact as a number, and far beyond any log.
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return { position: Number(text) };
  return isTimestamp(text) ? { time: inUtc(text) } : undefined;
}

/**
 * A stream as it was: its longest beginning of which every event had been recorded by then. Times never fall within a
 * stream and positions rise, so nothing behind the first event that is too late is looked at.
 */
export function eventsAsOf<E extends Pick<StoredEvent, 'position' | 'recorded_at'>>(
  events: readonly E[],
  asOf: AsOf,
): readonly E[] {
  // Events are recorded in whole milliseconds, and Date.parse cuts what is below them off.
  const isLater =
    'position' in asOf
      ? ({ position }: E) => position > asOf.position
      : ({ recorded_at }: E) => recorded_at.getTime() > Date.parse(asOf.time);
  const end = events.findIndex(isLater);
  return end === -1 ? events : events.slice(0, end);
}

/** PostgreSQL reads offsets up to 15:59 only; RFC 3339 has them up to 23:59, in whole minutes. */
function inUtc(timestamp: string): string {
  const [, fraction = ''] = /\.(\d+)/.exec(timestamp) ?? [];
  return `${new Date(timestamp).toISOString().slice(0, -4)}${fraction.padEnd(6, '0')}Z`;
}
