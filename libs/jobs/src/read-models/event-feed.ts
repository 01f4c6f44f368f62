import { Inject, Injectable } from '@nestjs/common';
import { LogTail, resumePosition, STORED_EVENT_COLUMNS, WITH_CONTENT } from '@genledger/event-store';
import type { ResumeRefusal, StoredEvent } from '@genledger/event-store';
import { Database } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { JOB_STATUSES } from '../job-events';
import { isTerminal } from '../job';
import { FollowedEvents } from './followed-events';
import type { ReadEvents } from './followed-events';
import { Turnstile } from './turnstile';

/** Events of a page. All of a page's texts are in memory at once, for each reader that is being served. */
const PAGE = 32;
/** Positions that one statement looks through for a user's events: some tens of milliseconds where all are others'. */
const WINDOW = 50_000;
/** Pages read at a time, of a pool of 12: a crowd of live readers must not keep requests waiting. */
const READERS = 4;

const TERMINAL = JOB_STATUSES.filter(isTerminal);

export type JobFollowing =
  | { readonly status: 'following'; readonly pages: FollowedEvents }
  /** Absent, or another's. */
  | { readonly status: 'absent' }
  /** The job has ended, and there is nothing above the id. */
  | { readonly status: 'over' }
  | RefusedFollowing;
export type UserFollowing =
  { readonly status: 'following'; readonly pages: FollowedEvents } | RefusedFollowing;
interface RefusedFollowing {
  readonly status: 'refused';
  readonly reason: ResumeRefusal;
}

/** Live events, under row-level security: the tail says when to look, an actor's own reading says what there is. */
@Injectable()
export class EventFeed {
  private readonly turnstile = new Turnstile(READERS);

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogTail) private readonly tail: LogTail,
  ) {}

  /** A job's events above `lastId`, from the first one on where none is given, until the job has ended. */
  async ofJob(actor: Actor, id: string, lastId: string | undefined): Promise<JobFollowing> {
    const [extent, job] = await Promise.all([this.tail.extent(), this.endsOf(actor, id)]);
    if (job === null) return { status: 'absent' };
    const after = lastId === undefined ? 0 : resumePosition(lastId, extent);
    if (typeof after !== 'number') return { status: 'refused', reason: after };
    const { last, endedAt } = job;
    if (endedAt !== undefined && last <= after) return { status: 'over' };
    const read: ReadEvents = async (from, upTo) =>
      page(
        upTo,
        await this.query(
          actor,
          `e.stream_id = $1 and e.position > $2 and e.position <= $3 order by e.version`,
          [id, from, upTo],
        ),
      );
    const options = { epoch: extent.epoch, after, endsWithJob: true, endedAt };
    return {
      status: 'following',
      pages: new FollowedEvents(this.tail.follow({ streamId: id }), read, options),
    };
  }

  /** The actor's own events above `lastId`; from now on where none is given, from the first one on for `0`. */
  async ofUser(actor: Actor, lastId: string | undefined): Promise<UserFollowing> {
    const [extent, now] = await Promise.all([this.tail.extent(), this.tail.now()]);
    const after = lastId === undefined ? now : lastId === '0' ? 0 : resumePosition(lastId, extent);
    if (typeof after !== 'number') return { status: 'refused', reason: after };
    const read: ReadEvents = async (from, upTo) => {
      const until = Math.min(upTo, from + WINDOW);
      return page(
        until,
        await this.query(
          actor,
          `e.user_id = $1 and e.position > $2 and e.position <= $3 order by e.position`,
          [actor.userId, from, until],
        ),
      );
    };
    const options = { epoch: extent.epoch, after, endsWithJob: false };
    return {
      status: 'following',
      pages: new FollowedEvents(this.tail.follow({ userId: actor.userId }), read, options),
    };
  }

  private query(actor: Actor, condition: string, values: readonly unknown[]): Promise<StoredEvent[]> {
    return this.turnstile.pass(() =>
      this.database.read(actor, (query) =>
        query<StoredEvent>(
          `select ${STORED_EVENT_COLUMNS} from genledger.events e
             ${WITH_CONTENT}
            where ${condition} limit ${PAGE}`,
          values,
        ),
      ),
    );
  }

  private async endsOf(actor: Actor, id: string): Promise<{ last: number; endedAt?: number } | null> {
    const rows = await this.database.read(actor, (query) =>
      query<{ last: number | null; ended_at: number | null }>(
        `select max(position) as last, min(position) filter (where data ->> 'to' = any ($2)) as ended_at
           from genledger.events where stream_id = $1`,
        [id, TERMINAL],
      ),
    );
    const { last, ended_at } = rows[0]!;
    return last === null ? null : { last, endedAt: ended_at ?? undefined };
  }
}

function page(
  upTo: number,
  events: readonly StoredEvent[],
): { events: readonly StoredEvent[]; reached: number } {
  return { events, reached: events.length < PAGE ? upTo : events.at(-1)!.position };
}
