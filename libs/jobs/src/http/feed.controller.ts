import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { acceptsEventStream, CurrentActor, Problem, TokenExpiresAt } from '@genledger/platform';
import type { Actor, EventStream } from '@genledger/platform';
import { ApiEventStream, LAST_EVENT_ID } from './event-stream-docs';
import { Optional } from './job-validators';
import { LiveEvents } from './live-events';

export class FeedDto {
  @ApiPropertyOptional({
    description:
      'The id to begin after, or 0 for the first event there is. Left out: now. Last-Event-ID goes before it.',
    example: '1:500',
  })
  @Optional()
  @IsString()
  @MaxLength(32)
  after?: string;
}

@ApiTags('jobs')
@Controller('v1/feed')
export class FeedController {
  constructor(@Inject(LiveEvents) private readonly live: LiveEvents) {}

  @Get()
  @ApiOperation({ summary: 'The caller’s own events of all jobs, as they happen' })
  @ApiHeader(LAST_EVENT_ID)
  @ApiEventStream()
  async follow(
    @CurrentActor() actor: Actor,
    @TokenExpiresAt() expiresAt: number | undefined,
    @Query() { after }: FeedDto,
    @Headers('accept') accept: string | undefined,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EventStream | undefined> {
    if (!acceptsEventStream(accept))
      throw new Problem('not-acceptable', 'The feed is a stream of events: Accept: text/event-stream');
    return this.live.ofUser({ actor, expiresAt, reply }, lastEventId, after);
  }
}
