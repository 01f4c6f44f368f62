import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/internal';
import type { FastifyRequest } from 'fastify';
import { refusedParameter } from './query-parameters';

type RouteArguments = Readonly<Record<string, { readonly data?: unknown }>>;

/**
 * Refuses query parameters on routes that read none, or that name the ones they read. A route with a query DTO is
 * left to its validation.
 */
@Injectable()
export class UnknownQueryGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const query = context.switchToHttp().getRequest<FastifyRequest>().query as Readonly<
      Record<string, unknown>
    >;
    const names = Object.keys(query);
    if (names.length === 0) return true;
    const known = readParameters(context);
    if (known === 'any') return true;
    for (const name of names) {
      if (!known.has(name)) throw refusedParameter('unknown-parameter', name);
      if (Array.isArray(query[name])) throw refusedParameter('duplicate-parameter', name);
    }
    return true;
  }
}

/** The parameters that the handler reads by name; `any` where it takes the whole query. */
function readParameters(context: ExecutionContext): ReadonlySet<unknown> | 'any' {
  const handler = context.getHandler().name;
  const stored = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), handler) as
    RouteArguments | undefined;
  const known = new Set<unknown>();
  for (const [key, { data }] of Object.entries(stored ?? {})) {
    // Decorators of one's own are stored under random names, some of which begin with a digit.
    if (!/^\d+:\d+$/.test(key)) continue;
    const type = Number.parseInt(key, 10);
    if (type !== RouteParamtypes.QUERY) continue;
    if (data === undefined) return 'any';
    known.add(data);
  }
  return known;
}
