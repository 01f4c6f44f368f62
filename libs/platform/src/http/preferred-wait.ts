import { applyDecorators, createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Proxies give up on silent connections soon after: longer waits are cut to this. */
const MAX_SECONDS = 60;
/** Of the header: what is longer says nothing to us, and is not worth taking apart. */
const MAX_LENGTH = 1_024;
const PREFERENCES = /(?:[^,"]|"(?:[^"\\]|\\.)*")+/g;
const WAIT = /^\s*wait\s*(?:=([^;]*))?(?:;.*)?$/i;
const SECONDS = /^\s*(?:"(\d*)"|(\d*))\s*$/;

/** How long a client is ready to wait for its answer. */
export interface PreferredWait {
  readonly seconds: number;
  /** Aborts when the client is gone. */
  readonly hungUp: AbortSignal;
}

/**
 * Seconds of `Prefer: wait=n` (RFC 7240), 0 to 60; more is cut to 60, and a bare `wait` is 60. Undefined where there is
 * no such preference. One that cannot be understood is no error, as that RFC says: it is as if it had not been sent. Of
 * several, the first counts.
 */
export function parsePreferredWait(header: string | readonly string[] | undefined): number | undefined {
  const text = typeof header === 'string' ? header : header?.join(',');
  if (text === undefined || text.length > MAX_LENGTH) return undefined;
  for (const preference of text.match(PREFERENCES) ?? []) {
    const wait = WAIT.exec(preference);
    if (wait) return secondsOf(wait[1] ?? '');
  }
  return undefined;
}

function secondsOf(value: string): number | undefined {
  const [, quoted, bare] = SECONDS.exec(value) ?? [];
  const digits = quoted ?? bare;
  if (digits === undefined) return undefined;
  return digits === '' ? MAX_SECONDS : Math.min(MAX_SECONDS, Number(digits));
}

/** Parameter decorator: the wait that the client prefers, or undefined. */
export const PreferWait = createParamDecorator(
  (_: unknown, context: ExecutionContext): PreferredWait | undefined => {
    const http = context.switchToHttp();
    const seconds = parsePreferredWait(http.getRequest<FastifyRequest>().headers['prefer']);
    if (seconds === undefined) return undefined;
    const gone = new AbortController();
    // The request's own `close` comes when its body has been read.
    http.getResponse<FastifyReply>().raw.once('close', () => gone.abort());
    return { seconds, hungUp: gone.signal };
  },
);

/** Documents the header that {@link PreferWait} reads. */
export const ApiPreferWait = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({
      name: 'Prefer',
      required: false,
      description: `\`wait=n\`: answer when the job has ended, after n seconds at the latest, 0 to ${MAX_SECONDS}. Preference-Applied in the answer says how long was waited at most.`,
      schema: { type: 'string', examples: ['wait=30'] },
    }),
  );
