import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';
import { CLOCK_TOLERANCE_SECONDS } from './token-verifier';

/**
 * Parameter decorator: when the caller's access ends, in ms since 1970, for answers that outlast it. The guard has
 * verified the token: here it is only read. Undefined for credentials that do not end by themselves.
 */
export const TokenExpiresAt = createParamDecorator((_: unknown, context: ExecutionContext) =>
  expiryOf(context.switchToHttp().getRequest<FastifyRequest>().headers.authorization ?? '', Date.now()),
);

/** A token that the issuer's clock has ended and ours still lets in may stay for as long as it would be let in. */
export function expiryOf(authorization: string, now: number): number | undefined {
  const token = authorization.slice(authorization.lastIndexOf(' ') + 1);
  if (token.split('.').length !== 3) return undefined;
  const { exp } = decodeJwt(token);
  if (exp === undefined) return undefined;
  return exp * 1000 > now ? exp * 1000 : (exp + CLOCK_TOLERANCE_SECONDS) * 1000;
}
