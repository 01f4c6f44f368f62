import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Doorbell } from './doorbell';
import type { LogExtent } from './event-id';
import type { Watermark } from './feed';
import { Follower } from './follower';
import type { Interest } from './follower';

/** How long a commit that no doorbell told of can go unseen: another process's, or one behind an append that is rolled back. */
const POLL_MS = 1_000;
/** Between two looks on a busy log: nobody sees the difference, and the database is asked 50 times a second at most. */
const PAUSE_MS = 20;
/** Positions looked through by one statement: some ten milliseconds of it. */
const SCAN = 20_000;

/**
 * Follows the log's end for all live readers of the process: one reading of the watermark and one look at who is
 * concerned by what is new. Readers that are not concerned cost no query; where nobody follows, nothing is asked.
 *
 * Positions up to a watermark are settled for good, though the next watermark may be lower (an append that announced
 * itself late): the tail never goes back.
 */
export class LogTail {
  private readonly followers = new Set<Follower>();
  private epoch: number | undefined;
  private reached = 0;
  private running: Promise<void> | undefined;
  private again = false;
  private timer: NodeJS.Timeout | undefined;
  private unhear: (() => void) | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly watermark: Watermark,
    private readonly doorbell: Doorbell,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Its first news come as soon as the log was looked at: all that is settled then. */
  follow(interest: Interest): Follower {
    const follower = new Follower(interest, (one) => this.forget(one));
    this.followers.add(follower);
    this.timer ??= setInterval(() => this.wake(), POLL_MS);
    this.unhear ??= this.doorbell.onRing(() => this.wake());
    this.wake();
    return follower;
  }

  /** Epoch and highest position, for judging an event id. */
  async extent(): Promise<LogExtent> {
    const { rows } = await this.pool.query<LogExtent>(
      `select (select epoch from genledger.log_epoch) as epoch,
              case when is_called then last_value else last_value - 1 end as highest from genledger.event_position`,
    );
    return rows[0]!;
  }

  /** Up to where the log is settled now. */
  now(): Promise<number> {
    return this.watermark.read();
  }

  async close(): Promise<void> {
    for (const follower of [...this.followers]) follower.leave();
    await this.running;
  }

  private forget(follower: Follower): void {
    this.followers.delete(follower);
    if (this.followers.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.unhear?.();
    this.unhear = undefined;
  }

  private wake(): void {
    if (this.running) {
      this.again = true;
      return;
    }
    if (this.followers.size === 0) return;
    this.again = false;
    this.running = this.catchUp()
      .catch(this.onError)
      .finally(() => {
        this.running = undefined;
        if (this.again) this.wake();
      });
  }

  private async catchUp(): Promise<void> {
    while (await this.look()) {
      // There is more behind than one look goes through.
    }
    await pause(PAUSE_MS);
  }

  /** Looks at what has settled and tells those it concerns. True when there is more. */
  private async look(): Promise<boolean> {
    // Who comes while the database is asked is told where the look ended, as everyone is at first.
    const following = [...this.followers].filter((follower) => follower.isFollowing);
    const [watermark, epoch] = await Promise.all([this.watermark.read(), this.readEpoch()]);
    if (this.epoch !== epoch) {
      if (this.epoch !== undefined) for (const follower of [...this.followers]) follower.leave();
      this.epoch = epoch;
      this.reached = watermark;
    }
    const settled = Math.max(this.reached, watermark);
    const upTo = following.length === 0 ? settled : Math.min(settled, this.reached + SCAN);
    const isTouched =
      following.length === 0 || upTo === this.reached
        ? () => false
        : await this.concerned(following, this.reached, upTo);
    this.reached = upTo;
    for (const follower of this.followers) follower.advance(upTo, isTouched(follower.interest));
    return upTo < settled;
  }

  private async concerned(
    following: readonly Follower[],
    after: number,
    upTo: number,
  ): Promise<(interest: Interest) => boolean> {
    const users = new Set(following.flatMap(({ interest }) => interest.userId ?? []));
    const streams = new Set(following.flatMap(({ interest }) => interest.streamId ?? []));
    const { rows } = await this.pool.query<{ users: string[] | null; streams: string[] | null }>(
      `select array_agg(distinct e.user_id::text) filter (where e.user_id = any ($3::uuid[])) as users,
              array_agg(distinct e.stream_id::text) filter (where e.stream_id = any ($4::uuid[])) as streams
         from genledger.events e where e.position > $1 and e.position <= $2`,
      [after, upTo, [...users], [...streams]],
    );
    const touched = new Set([...(rows[0]?.users ?? []), ...(rows[0]?.streams ?? [])]);
    return ({ userId, streamId }) => touched.has(userId ?? streamId ?? '');
  }

  private async readEpoch(): Promise<number> {
    const { rows } = await this.pool.query<{ epoch: number }>(`select epoch from genledger.log_epoch`);
    return rows[0]!.epoch;
  }
}
