import { applyDecorators, createParamDecorator, SetMetadata } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Actor, Role } from './actor';

export const PUBLIC_ROUTE = 'genledger:public';
export const ROUTE_ROLES = 'genledger:roles';
/** Marks public operations in the OpenAPI document until its security is written. */
export const PUBLIC_EXTENSION = 'x-genledger-public';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard; absent on public routes. */
    actor?: Actor;
  }
}

/** Opens a route (or a controller's routes) to everyone, credentials or not. */
export const Public = (): ClassDecorator & MethodDecorator =>
  applyDecorators(SetMetadata(PUBLIC_ROUTE, true), ApiExtension(PUBLIC_EXTENSION, true));

/** Restricts a route to exactly these roles. Without it: user, service and admin, and auditors where it reads. */
export const Roles = (...roles: readonly [Role, ...Role[]]): ClassDecorator & MethodDecorator =>
  SetMetadata(ROUTE_ROLES, roles);

/** Parameter decorator: who acts. Only for routes that are not public. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const { actor } = context.switchToHttp().getRequest<FastifyRequest>();
  if (actor === undefined) throw new Error('A public route has no actor');
  return actor;
});
