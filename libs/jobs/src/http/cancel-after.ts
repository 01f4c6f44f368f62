import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '@genledger/platform';

const DURATION = /^(?:(\d{1,9})|(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?)$/;
const MAX_DAYS = 366;
const MAX_SECONDS = MAX_DAYS * 86_400;

/**
 * Seconds of a Cancel-After header: a number of seconds, or hours, minutes and seconds with their units (`90`, `90s`,
 * `1m30s`, `1h`), from a second to a year. Undefined where there is no such header.
 *
 * @throws Problem `invalid-value`, also for a header that is sent twice (Node joins them by a comma).
 */
export function parseCancelAfter(header: string | readonly string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = typeof header === 'string' ? DURATION.exec(header.trim()) : null;
  const [, bare = 0, hours = 0, minutes = 0, seconds = 0] = match?.map((part) => Number(part ?? 0)) ?? [];
  const duration = bare + hours * 3_600 + minutes * 60 + seconds;
  if (duration < 1 || duration > MAX_SECONDS) {
    throw new Problem(
      'invalid-value',
      `Cancel-After must be a duration like 90, 90s, 1m30s or 1h, from 1 second to ${MAX_DAYS} days`,
    );
  }
  return duration;
}

/** Parameter decorator: the request's Cancel-After in seconds, or undefined. */
export const CancelAfter = createParamDecorator((_: unknown, context: ExecutionContext): number | undefined =>
  parseCancelAfter(context.switchToHttp().getRequest<FastifyRequest>().headers['cancel-after']),
);
