import { Inject, Injectable } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Problem, QueryInt } from '@genledger/platform';
import { AwaitPosition } from '../read-models/await-position';
import { Optional } from './job-validators';

/** A client that read a position elsewhere is seldom ahead by more than a commit; longer than this, something is down. */
const PATIENCE_MS = 5_000;

export class MinPositionDto {
  @ApiPropertyOptional({
    type: 'integer',
    format: 'int64',
    minimum: 0,
    description: `The answer includes every event up to this position. Where the log has not got there within ${PATIENCE_MS / 1_000} s: 503`,
  })
  @Optional()
  @QueryInt({ min: 0, max: Number.MAX_SAFE_INTEGER })
  min_position?: number;
}

/** Holds a read back until its answer includes a position. */
@Injectable()
export class PositionGate {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  /** @throws Problem `service-unavailable` where the position is not reached in time. */
  async passed({ min_position: position }: MinPositionDto): Promise<void> {
    if (position === undefined) return;
    if (await this.queries.execute(new AwaitPosition(position, PATIENCE_MS))) return;
    throw new Problem('service-unavailable', `The log has not reached position ${position}`);
  }
}
