import { Global, Module } from '@nestjs/common';
import type { DynamicModule, FactoryProvider, ModuleMetadata } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { Config } from './config';
import { CursorCodec } from './http/cursor';
import { EventStreams, STREAM_CLOCK, systemStreamClock } from './http/event-streams';
import { HEALTH_PROBES, HealthController } from './http/health.controller';
import type { HealthProbe } from './http/health.controller';
import { ProcessRoleGuard } from './http/process-role.guard';
import { UnknownQueryGuard } from './http/unknown-query.guard';
import { AuthGuard } from './identity/auth.guard';
import { TokenVerifier } from './identity/token-verifier';
import type { TokenTrust } from './identity/token-verifier';
import { deriveKey, loadServerSecret } from './secrets';

export interface PlatformHttpOptions {
  readonly config: Config;
  /** Where the probes' dependencies come from. */
  readonly imports?: ModuleMetadata['imports'];
  /** What readiness depends on. */
  readonly probes?: Pick<FactoryProvider<readonly HealthProbe[]>, 'inject' | 'useFactory'>;
}

/** Identity, guards, cursors and health for every module of the process. */
@Global()
@Module({})
export class PlatformHttpModule {
  static forRoot({ config, imports = [], probes }: PlatformHttpOptions): DynamicModule {
    return {
      module: PlatformHttpModule,
      imports,
      controllers: [HealthController],
      providers: [
        { provide: TokenVerifier, useFactory: () => new TokenVerifier(tokenTrust(config)) },
        { provide: CursorCodec, useFactory: () => new CursorCodec(cursorKey(config)) },
        { provide: STREAM_CLOCK, useValue: systemStreamClock },
        EventStreams,
        { provide: HEALTH_PROBES, ...(probes ?? { useFactory: () => [] }) },
        { provide: APP_GUARD, useFactory: () => new ProcessRoleGuard(config.roles.has('api')) },
        { provide: APP_GUARD, useClass: AuthGuard },
        // After the guard above: who may not enter learns nothing of a route's parameters.
        { provide: APP_GUARD, useClass: UnknownQueryGuard },
      ],
      exports: [TokenVerifier, CursorCodec, EventStreams],
    };
  }
}

/** Whose tokens count: those of JWKS_URL, or signed with JWT_SECRET, or with the secret kept in the home. */
export function tokenTrust(config: Config): TokenTrust {
  const { secret, jwksUrl, issuer, audience } = config.jwt;
  if (jwksUrl !== undefined) return { issuer, audience, jwksUrl };
  return { issuer, audience, secret: secret ?? loadServerSecret(config.home) };
}

/**
 * Several processes serve one list, so they must sign alike: from the shared JWT_SECRET where there is one, else
 * from the home's secret.
 */
function cursorKey(config: Config): Buffer {
  const { secret } = config.jwt;
  return deriveKey(secret === undefined ? loadServerSecret(config.home) : Buffer.from(secret), 'cursor');
}
