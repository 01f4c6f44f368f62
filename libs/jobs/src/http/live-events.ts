import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { EventStreams, Problem } from '@genledger/platform';
import type { Actor, EventStream } from '@genledger/platform';
import { EventFeed } from '../read-models/event-feed';
import type { JobFollowing } from '../read-models/event-feed';

/** Who listens, and until when: ms since 1970. */
export interface Listener {
  readonly actor: Actor;
  readonly expiresAt: number | undefined;
  readonly reply: FastifyReply;
}

const REFUSALS = {
  malformed: 'It is not the id of an event: ids are sent with the events, and look like 1:500',
  another_epoch: 'The log was restored since this id was sent: start again without it',
  ahead: 'This log has not come that far: start again without it',
};

/** Answers with streams of events. Undefined: an answer without a body. */
@Injectable()
export class LiveEvents {
  constructor(
    @Inject(EventFeed) private readonly feed: EventFeed,
    @Inject(EventStreams) private readonly streams: EventStreams,
  ) {}

  async ofJob(listener: Listener, id: string, lastEventId?: string): Promise<EventStream | undefined> {
    const { actor, expiresAt, reply } = listener;
    const following = await this.feed.ofJob(actor, id, lastEventId);
    if (following.status !== 'over')
      return this.streams.answer(reply, pagesOf(following, lastEventId), { expiresAt });
    // By the standard this, and nothing else, keeps an EventSource from coming back.
    void reply.code(204);
    return undefined;
  }

  async ofUser(listener: Listener, lastEventId?: string, after?: string): Promise<EventStream | undefined> {
    const { actor, expiresAt, reply } = listener;
    // A browser that comes back still has the URL that it began with: its header is the newer one.
    const following = await this.feed.ofUser(actor, lastEventId ?? after);
    const pages = pagesOf(following, lastEventId);
    return this.streams.answer(reply, pages, { expiresAt, announceId: true });
  }
}

function pagesOf(
  following: Exclude<JobFollowing, { status: 'over' }>,
  lastEventId: string | undefined,
): Extract<JobFollowing, { status: 'following' }>['pages'] {
  switch (following.status) {
    case 'following':
      return following.pages;
    case 'absent':
      throw new Problem('not-found');
    case 'refused': {
      const detail = REFUSALS[following.reason];
      const errors = [{ pointer: '#/after', code: 'invalid-cursor', detail }];
      throw new Problem('invalid-cursor', detail, lastEventId === undefined ? { errors } : {});
    }
  }
}
