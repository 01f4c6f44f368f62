import { Inject } from '@nestjs/common';
import { IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { WatermarkWatch } from '@genledger/event-store';

/**
 * Whether reads include everything up to a position; false where that does not come to pass within `ms`. Rows are
 * written with their events, and readers of sums add the events that are not folded yet: so what is settled in the log
 * is in every answer, however far the folds are.
 */
export class AwaitPosition extends Query<boolean> {
  constructor(
    readonly position: number,
    readonly ms: number,
    readonly signal?: AbortSignal,
  ) {
    super();
  }
}

@QueryHandler(AwaitPosition)
export class AwaitPositionHandler implements IQueryHandler<AwaitPosition> {
  constructor(@Inject(WatermarkWatch) private readonly watch: WatermarkWatch) {}

  execute({ position, ms, signal }: AwaitPosition): Promise<boolean> {
    return this.watch.reached(position, ms, signal);
  }
}
