import { eventId } from '@genledger/event-store';
import type { Follower, StoredEvent } from '@genledger/event-store';
import type { EventPage, EventPages } from '@genledger/platform';
import { isTerminal } from '../job';
import type { JobStatus } from '../job-events';
import { historyEvent } from './history-event';

/** Some of what lies above `after` and up to `upTo`, in order, and how far that goes. */
export type ReadEvents = (
  after: number,
  upTo: number,
) => Promise<{ readonly events: readonly StoredEvent[]; readonly reached: number }>;

export interface FollowOptions {
  readonly epoch: number;
  readonly after: number;
  /** A job's stream ends once everything is told that was settled when the job's end was seen. */
  readonly endsWithJob: boolean;
  /** Position of the job's terminal event, where it has ended already. */
  readonly endedAt?: number;
}

/**
 * Events as they settle, read from the log page by page as they are asked for. Between two pages it holds two positions
 * and no events.
 */
export class FollowedEvents implements EventPages {
  /** Everything up to here was handed over, and asked for again since. */
  private taken: number;
  private cursor: number;
  private upTo = 0;
  private isFollowing = false;
  private endedAt: number;

  constructor(
    private readonly follower: Follower,
    private readonly read: ReadEvents,
    private readonly options: FollowOptions,
  ) {
    this.taken = this.cursor = options.after;
    this.endedAt = options.endedAt ?? Infinity;
  }

  get resumeId(): string {
    return eventId(this.options.epoch, Math.max(this.taken, this.follower.clearUpTo));
  }

  async next(): Promise<EventPage> {
    for (;;) {
      this.taken = this.cursor;
      if (this.cursor < this.upTo) {
        const { events, reached } = await this.read(this.cursor, this.upTo);
        this.cursor = reached;
        if (events.length > 0) return { events: events.map((event) => this.present(event)) };
        continue;
      }
      if (this.isFollowing && this.options.endsWithJob && this.endedAt <= this.cursor)
        return { end: 'job_ended' };
      const news = await this.follower.next();
      if (news === null) return { end: 'log_restored' };
      this.isFollowing = true;
      this.cursor = Math.max(this.cursor, news.after);
      this.upTo = news.upTo;
    }
  }

  close(): void {
    this.follower.leave();
  }

  private present(event: StoredEvent): { id: string; data: string } {
    const to = event.data['to'] as JobStatus | null | undefined;
    if (to && isTerminal(to)) this.endedAt = Math.min(this.endedAt, event.position);
    return {
      id: eventId(this.options.epoch, event.position),
      data: JSON.stringify(historyEvent(event)),
    };
  }
}
