import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { HealthController } from './health.controller';
import { Problem } from './problems';

/** A process without the role `api` answers for its health, and for nothing else. */
export class ProcessRoleGuard implements CanActivate {
  constructor(private readonly servesApi: boolean) {}

  canActivate(context: ExecutionContext): boolean {
    if (!this.servesApi && context.getClass() !== HealthController) throw new Problem('not-found');
    return true;
  }
}
