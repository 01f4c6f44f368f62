import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { countHeader } from '../http/json-body';
import { Problem } from '../http/problems';
import { PUBLIC_ROUTE, ROUTE_ROLES } from './access';
import type { Role } from './actor';
import { TokenVerifier } from './token-verifier';
import { unauthorized } from './unauthorized';

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

/** Lets nobody in whom the route does not name: every route that is not `@Public()` needs a bearer token. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: TokenVerifier,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, targets)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const actor = await this.tokens.verify(bearerToken(request));
    const named = this.reflector.getAllAndOverride<readonly Role[] | undefined>(ROUTE_ROLES, targets);
    const isAllowed =
      named === undefined ? isAllowedByDefault(actor.role, request.method) : named.includes(actor.role);
    if (!isAllowed) throw new Problem('forbidden');
    request.actor = actor;
    return true;
  }
}

/** The one token of the request, from the one place where it belongs: a query ends up in logs and histories. */
function bearerToken(request: FastifyRequest): string {
  const { authorization } = request.headers;
  const query = request.query as Readonly<Record<string, unknown>>;
  const inQuery = () => unauthorized('invalid-token', 'A token in the query is not taken');
  if (query['access_token'] !== undefined) throw inQuery();
  if (authorization === undefined) {
    if (query['token'] !== undefined) throw inQuery();
    throw unauthorized('authentication-required', 'The request has no token');
  }
  if (countHeader(request, 'authorization') !== 1)
    throw unauthorized('invalid-token', 'The request has several Authorization headers');
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw unauthorized('invalid-token', 'The Authorization header is no bearer token');
  return token;
}

function isAllowedByDefault(role: Role, method: string): boolean {
  switch (role) {
    case 'user':
    case 'service':
    case 'admin':
      return true;
    case 'auditor':
      return method === 'GET' || method === 'HEAD';
    case 'worker':
      return false;
  }
}
