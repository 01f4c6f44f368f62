import type { Pool, PoolClient } from 'pg';
import {
  appendStatement,
  callOf,
  commitContent,
  contentsStatement,
  EventMeta,
  NewContent,
  NewEvent,
  toIJson,
} from './event-rows';
import type { BatchCategory, BatchPlan, LoadMode } from './batch-transaction';
import { GroupCommit, GroupCommitOptions } from './group-commit';
import { intArray, timestampArray, uuidArray } from './pg-arrays';

/** What the version of a stream must be for an append to go through. */
export type ExpectedVersion = number | 'any' | 'none';

export interface AppendedEvent {
  readonly type: string;
  readonly schemaVersion?: number;
  readonly data: object;
  readonly content?: object;
}

export interface StreamAppend {
  readonly streamId: string;
  readonly userId: string;
  readonly expected: ExpectedVersion;
  readonly events: readonly AppendedEvent[];
}

/** All of its streams, or none. */
export interface Append {
  readonly streams: readonly StreamAppend[];
  readonly meta: EventMeta;
}

export interface Appended {
  readonly status: 'appended';
  /** The new version of each stream, in the order given. */
  readonly versions: readonly number[];
  /** At or above the last event's position: wait for it to read one's own writes from a folded model. */
  readonly position: number;
}

/** Somebody else was there first: the version the stream really has (0: it does not exist). */
export interface VersionConflict {
  readonly status: 'conflict';
  readonly streamId: string;
  readonly expected: ExpectedVersion;
  readonly actual: number;
}

/** The stream's head was held by another transaction for longer than the lock timeout. */
export interface StreamBusy {
  readonly status: 'busy';
  readonly streamId: string;
}

export type AppendOutcome = Appended | VersionConflict | StreamBusy;

interface Head {
  readonly stream_id: string;
  version: number;
  recorded_ms: number;
  readonly held: boolean;
}

/** Streams without a hot row of their own: `genledger.stream_heads` is the row that is locked for them. */
class PlainStreams implements BatchCategory<Append, Map<string, Head>, AppendOutcome> {
  streamOf(append: Append): string {
    return append.streams[0]!.streamId;
  }

  bytesOf(append: Append): number {
    // Sized without serializing twice: a plain event of ours is 200-400 bytes.
    return append.streams.reduce((sum, stream) => sum + stream.events.length * 512, 0);
  }

  async load(
    client: PoolClient,
    appends: readonly Append[],
    { alone }: LoadMode,
  ): Promise<Map<string, Head>> {
    const ids = [
      ...new Set(appends.flatMap((append) => append.streams.map((stream) => stream.streamId))),
    ].sort();
    const { rows } = await client.query<Head>(
      `select stream_id, version, recorded_ms, held from genledger.load_stream_heads($1::uuid[], $2)`,
      [uuidArray(ids), alone],
    );
    return new Map(rows.map((row) => [row.stream_id, row]));
  }

  decide(appends: readonly Append[], heads: Map<string, Head>, now: number): BatchPlan<AppendOutcome> {
    const events: NewEvent[] = [];
    const contents: NewContent[] = [];
    const loaded = new Map([...heads].map(([id, head]) => [id, head.version]));
    const users = new Map<string, string>();
    const held: number[] = [];
    const outcomes: AppendOutcome[] = [];
    const appended: { at: number; versions: number[] }[] = [];

    appends.forEach((append, at) => {
      if (append.streams.some((stream) => heads.get(stream.streamId)?.held)) {
        held.push(at);
        return;
      }
      const conflict = append.streams.find(
        (stream) => !matches(stream.expected, heads.get(stream.streamId)?.version ?? 0),
      );
      if (conflict) {
        const actual = heads.get(conflict.streamId)?.version ?? 0;
        outcomes[at] = {
          status: 'conflict',
          streamId: conflict.streamId,
          expected: conflict.expected,
          actual,
        };
        return;
      }
      const meta = toIJson(append.meta);
      const versions = append.streams.map((stream) => {
        const head = heads.get(stream.streamId) ?? newHead(stream.streamId, heads);
        // A head of version 0 would stand in the way of the first event.
        if (stream.events.length > 0) users.set(stream.streamId, stream.userId);
        head.recorded_ms = Math.max(head.recorded_ms, now);
        for (const event of stream.events) {
          head.version++;
          let data = event.data;
          if (event.content) {
            const { body, salt, sha256 } = commitContent(event.content);
            contents.push({
              streamId: stream.streamId,
              version: head.version,
              userId: stream.userId,
              salt,
              body,
            });
            data = { ...data, content_sha256: sha256 };
          }
          events.push({
            streamId: stream.streamId,
            version: head.version,
            userId: stream.userId,
            type: event.type,
            schemaVersion: event.schemaVersion ?? 1,
            data: toIJson(data),
            meta,
            recordedAt: head.recorded_ms,
          });
        }
        return head.version;
      });
      appended.push({ at, versions });
    });

    const moved = [...users.keys()].sort();
    return {
      held,
      // Heads first: two first appends of one stream meet at the head, as a repeatable 40001, and not in the log.
      writes:
        events.length === 0
          ? []
          : [
              {
                text: `select ${callOf('advance_stream_heads', 5)}`,
                values: [
                  uuidArray(moved),
                  uuidArray(moved.map((id) => users.get(id)!)),
                  intArray(moved.map((id) => loaded.get(id) ?? 0)),
                  intArray(moved.map((id) => heads.get(id)!.version)),
                  timestampArray(moved.map((id) => heads.get(id)!.recorded_ms)),
                ],
              },
              appendStatement(events),
              ...(contents.length > 0 ? [contentsStatement(contents)] : []),
            ],
      answer: (position) => {
        for (const { at, versions } of appended) outcomes[at] = { status: 'appended', versions, position };
        return outcomes;
      },
    };
  }

  blocked(append: Append): AppendOutcome {
    return { status: 'busy', streamId: this.streamOf(append) };
  }
}

function matches(expected: ExpectedVersion, actual: number): boolean {
  return expected === 'any' || (expected === 'none' ? actual === 0 : expected === actual);
}

function newHead(streamId: string, heads: Map<string, Head>): Head {
  const head: Head = { stream_id: streamId, version: 0, recorded_ms: 0, held: false };
  heads.set(streamId, head);
  return head;
}

/** An event as it was stored. `data` and `meta` are parsed; `content` is null when there was none or it was erased. */
export interface StoredEvent {
  readonly position: number;
  readonly stream_id: string;
  readonly version: number;
  readonly user_id: string;
  readonly type: string;
  readonly schema_version: number;
  readonly data: Record<string, unknown>;
  readonly meta: EventMeta;
  readonly recorded_at: Date;
  readonly content: Record<string, unknown> | null;
}

export const STORED_EVENT_COLUMNS = `e.position, e.stream_id, e.version, e.user_id, e.type, e.schema_version, e.data,
  e.meta, e.recorded_at, c.body as content`;

/** Joins an event's content, a look-up an event: a few pages of events must not lead to a scan of all contents. */
export const WITH_CONTENT = `left join lateral (
  select t.body from genledger.event_contents t where t.stream_id = e.stream_id and t.version = e.version limit 1) c on true`;

/** Appends to, and reads, streams that no context keeps a hot row for. */
export class StreamStore {
  private readonly commits: GroupCommit<Append, AppendOutcome>;

  constructor(
    private readonly pool: Pool,
    options: GroupCommitOptions = {},
  ) {
    this.commits = new GroupCommit(pool, new PlainStreams(), options);
  }

  append(append: Append): Promise<AppendOutcome> {
    return this.commits.submit(append);
  }

  appendMany(appends: readonly Append[]): Promise<AppendOutcome[]> {
    return this.commits.submitMany(appends);
  }

  /** A stream's events in order, from version `after` + 1 on, at most `limit`. */
  async read(streamId: string, after = 0, limit = 10_000): Promise<StoredEvent[]> {
    const { rows } = await this.pool.query<StoredEvent>(
      `select ${STORED_EVENT_COLUMNS} from genledger.events e
         ${WITH_CONTENT}
        where e.stream_id = $1 and e.version > $2 order by e.version limit $3`,
      [streamId, after, limit],
    );
    return rows;
  }
}
