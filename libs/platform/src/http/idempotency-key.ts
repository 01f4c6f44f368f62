import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problems';

const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE = /^[\x21\x23-\x7e]+$/;
const MAX_LENGTH = 255;

/**
 * The value of an Idempotency-Key header: a quoted string (RFC 8941) or, as most clients send it, the bare text;
 * 1 to 255 printable ASCII characters, bare ones without spaces. Undefined where there is no such header.
 *
 * @throws Problem `idempotency-key-invalid`, also for a header that is sent twice (Node joins them by a comma).
 */
export function parseIdempotencyKey(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = typeof header === 'string' ? read(header.trim()) : undefined;
  if (key === undefined || key.length === 0 || key.length > MAX_LENGTH) {
    throw new Problem('idempotency-key-invalid', `1 to ${MAX_LENGTH} printable ASCII characters, sent once`);
  }
  return key;
}

function read(text: string): string | undefined {
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1');
  return BARE.test(text) ? text : undefined;
}

/** Parameter decorator: the request's idempotency key, or undefined. */
export const IdempotencyKey = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined =>
    parseIdempotencyKey(context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key']),
);
