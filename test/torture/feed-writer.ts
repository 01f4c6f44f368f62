import { Client } from 'pg';
import { appendRaw, RawEvent } from '../support/raw-append';

export interface WriterOptions {
  readonly url: string;
  readonly streams: readonly string[];
  readonly random: () => number;
}

/** Share of transactions that have an id before they append, because they wrote something else first. */
const WROTE_BEFORE = 0.3;
const ROLLED_BACK = 0.15;
/** Share that appends some of it in a savepoint which it takes back. */
const SAVEPOINTS = 0.1;

/** Appends in explicit transactions until it is told to stop, and again after its session was ended. */
export class FeedWriter {
  committed = 0;
  rolledBack = 0;
  killed = 0;
  pid = 0;
  private readonly name: string;
  private stopped = false;

  constructor(
    number: number,
    private readonly options: WriterOptions,
  ) {
    this.name = `torture writer ${number}`;
  }

  stop(): void {
    this.stopped = true;
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const client = new Client({ connectionString: this.options.url, application_name: this.name });
      client.on('error', () => undefined);
      await client.connect();
      try {
        const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
        this.pid = rows[0]!.pid;
        while (!this.stopped) await this.transact(client);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        if (code !== '57P01' && !/connection/i.test(message)) throw error;
        this.killed++;
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }

  private async transact(client: Client): Promise<void> {
    const { random } = this.options;
    await client.query('begin');
    if (random() < WROTE_BEFORE) {
      await client.query(
        `insert into genledger.checkpoints (name, position) values ($1, 0)
         on conflict (name) do update set updated_at = clock_timestamp()`,
        [this.name],
      );
      await this.pause(client);
    }
    const streams = this.pickStreams();
    const heads = await this.lock(client, streams);
    await this.pause(client);
    if (random() < SAVEPOINTS) {
      await client.query('savepoint attempt');
      await appendRaw(client, ...this.next(heads, streams));
      await this.pause(client);
      await client.query('rollback to attempt');
    }
    const events = this.next(heads, streams);
    const half = events.length >> 1;
    if (half > 0) await appendRaw(client, ...events.slice(0, half));
    await this.pause(client);
    await appendRaw(client, ...events.slice(half));
    await this.advance(client, events);
    await this.pause(client);
    if (random() < ROLLED_BACK) {
      await client.query('rollback');
      this.rolledBack++;
    } else {
      await client.query('commit');
      this.committed++;
    }
  }

  /** One to three, in id order, as everyone locks them. */
  private pickStreams(): string[] {
    const { random, streams } = this.options;
    const picked = new Set<string>();
    for (let left = 1 + Math.floor(random() * 3); left > 0; left--)
      picked.add(streams[Math.floor(random() * streams.length)]!);
    return [...picked].sort();
  }

  private async lock(client: Client, streams: readonly string[]): Promise<Map<string, number>> {
    const { rows } = await client.query<{ stream_id: string; version: number }>(
      `select stream_id, version from genledger.stream_heads where stream_id = any ($1::uuid[])
        order by stream_id for no key update`,
      [streams],
    );
    return new Map(rows.map((row) => [row.stream_id, row.version]));
  }

  private next(heads: ReadonlyMap<string, number>, streams: readonly string[]): RawEvent[] {
    return streams.map((streamId) => ({ streamId, version: heads.get(streamId)! + 1 }));
  }

  private async advance(client: Client, events: readonly RawEvent[]): Promise<void> {
    await client.query(
      `update genledger.stream_heads h set version = n.version
         from unnest($1::uuid[], $2::int[]) as n(id, version) where h.stream_id = n.id`,
      [events.map(({ streamId }) => streamId), events.map(({ version }) => version)],
    );
  }

  /** Up to 6 ms, half the time none. */
  private async pause(client: Client): Promise<void> {
    const seconds = Math.max(0, this.options.random() - 0.5) * 0.012;
    if (seconds > 0) await client.query('select pg_sleep($1)', [seconds]);
  }
}
