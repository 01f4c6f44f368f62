import { Controller, Get, Header, Inject, Logger, Optional } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../identity/access';
import { Problem } from './problems';

/** Something that must work for the server to be of use. */
export interface HealthProbe {
  readonly name: string;
  /** Why not, in words that anybody may read; undefined when all is well. May reject. */
  check(): Promise<string | undefined>;
}

/** Injection token of the list of {@link HealthProbe}s; none where it is not provided. */
export const HEALTH_PROBES = Symbol('HEALTH_PROBES');

@ApiExcludeController()
@Public()
@Controller('health')
export class HealthController {
  private readonly logger = new Logger('Health');

  constructor(@Optional() @Inject(HEALTH_PROBES) private readonly probes: readonly HealthProbe[] = []) {}

  @Get('live')
  @Header('Cache-Control', 'no-store')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  async ready(): Promise<{ status: 'ok'; checks: string[] }> {
    const reasons = await Promise.all(this.probes.map((probe) => this.reasonOf(probe)));
    const failed = reasons.filter((reason) => reason !== undefined);
    if (failed.length > 0) throw new Problem('service-unavailable', failed.join('; '));
    return { status: 'ok', checks: this.probes.map((probe) => probe.name) };
  }

  /** What a probe rejects with may name hosts and logins: it goes to the log, not to the answer. */
  private async reasonOf(probe: HealthProbe): Promise<string | undefined> {
    try {
      const reason = await probe.check();
      return reason === undefined ? undefined : `${probe.name}: ${reason}`;
    } catch (error) {
      this.logger.warn({ message: `The probe ${probe.name} failed`, err: error });
      return `${probe.name}: the check failed`;
    }
  }
}
