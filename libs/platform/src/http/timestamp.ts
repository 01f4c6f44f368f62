import { registerDecorator } from 'class-validator';

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.\d{1,6})?(?:Z|[+-]([01]\d|2[0-3]):([0-5]\d))$/;
const YEAR_1970 = Date.UTC(1970, 0, 1);
const YEAR_10000 = Date.UTC(10_000, 0, 1);

/**
 * Whether the text is an RFC 3339 timestamp of a day that exists, from 1970 to 9999 in UTC, to the microsecond
 * (as PostgreSQL keeps it). No leap seconds, no `now`, no `infinity`.
 */
export function isTimestamp(text: unknown): text is string {
  const match = typeof text === 'string' ? RFC3339.exec(text) : null;
  if (match === null) return false;
  const [, year, month, day] = match.map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(year, month - 1, day));
  if (year < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return false;
  const instant = Date.parse(match[0]);
  return instant >= YEAR_1970 && instant < YEAR_10000;
}

/** Property must be a timestamp as {@link isTimestamp} says; it stays the string that was sent. */
export function IsTimestamp(): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'isTimestamp',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: isTimestamp,
        defaultMessage: () => '$property must be an RFC 3339 timestamp like 2026-01-31T12:00:00Z',
      },
    });
  };
}
