import { request } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';

export interface ReceivedEvent {
  readonly id: string;
  /** `message` where the server gave none. */
  readonly event: string;
  readonly data: string;
}

export interface EventSourceOptions {
  readonly token: string;
  readonly lastEventId?: string;
  readonly accept?: string;
  /** Cut the connection after so many bytes of body, wherever that is. */
  readonly cutAfterBytes?: number;
  /** Read nothing until `resume`. */
  readonly paused?: boolean;
}

const PATIENCE_MS = 30_000;

/** Reads a stream as WHATWG HTML §9.2.6 says, except that it does not come back by itself. */
export class EventSource {
  readonly events: ReceivedEvent[] = [];
  readonly comments: string[] = [];
  lastEventId: string;
  retry: number | undefined;
  /** `ended`: the server ended its answer; `cut`: the connection broke in it. */
  closed: 'ended' | 'cut' | undefined;
  private readonly watchers = new Set<() => void>();
  private block: { event: string; data: string[]; id: string };
  private rest = '';
  private bytes = 0;

  private constructor(
    private readonly sent: ClientRequest,
    private readonly answer: IncomingMessage,
    { lastEventId = '', cutAfterBytes = Infinity, paused = false }: EventSourceOptions,
  ) {
    this.lastEventId = lastEventId;
    this.block = { event: '', data: [], id: lastEventId };
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      const left = cutAfterBytes - this.bytes;
      this.bytes += text.length;
      this.take(text.slice(0, left));
      if (this.bytes >= cutAfterBytes) this.cut();
    });
    answer.on('error', () => undefined);
    answer.on('close', () => {
      this.closed ??= answer.complete ? 'ended' : 'cut';
      this.notify();
    });
    if (paused) answer.pause();
  }

  static open(url: string, options: EventSourceOptions): Promise<EventSource> {
    const { token, lastEventId, accept = 'text/event-stream' } = options;
    const headers = {
      authorization: `Bearer ${token}`,
      accept,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, agent: false }, (answer) =>
        resolve(new EventSource(sent, answer, options)),
      );
      sent.on('error', reject);
      sent.end();
    });
  }

  get status(): number {
    return this.answer.statusCode!;
  }

  get headers(): IncomingHttpHeaders {
    return this.answer.headers;
  }

  /** `data` of the events without a name. */
  get messages(): Record<string, unknown>[] {
    return this.events
      .filter(({ event }) => event === 'message')
      .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
  }

  resume(): void {
    this.answer.resume();
  }

  cut(): void {
    this.closed ??= 'cut';
    this.sent.destroy();
    this.notify();
  }

  /** Resolves once it holds; asked again whenever something has come in. */
  until(what: string, holds: (source: EventSource) => boolean): Promise<this> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (holds(this)) done(() => resolve(this));
        else if (this.closed !== undefined) done(() => reject(new Error(`${this.closed} before ${what}`)));
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`waited in vain: ${what}; ${this.events.length} events came`))),
        PATIENCE_MS,
      );
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        this.watchers.delete(look);
        settle();
      };
      this.watchers.add(look);
      look();
    });
  }

  async untilClosed(): Promise<'ended' | 'cut'> {
    await this.until('it is closed', ({ closed }) => closed !== undefined);
    return this.closed!;
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) this.takeLine(line);
    this.notify();
  }

  private takeLine(line: string): void {
    if (line === '') return this.dispatch();
    if (line.startsWith(':')) return void this.comments.push(line.slice(1).trim());
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line)!;
    if (field === 'id') this.block.id = value;
    else if (field === 'event') this.block.event = value;
    else if (field === 'data') this.block.data.push(value);
    else if (field === 'retry') this.retry = Number(value);
    else throw new Error(`an unknown field: ${line}`);
  }

  private dispatch(): void {
    const { id, event, data } = this.block;
    this.lastEventId = id;
    this.block = { event: '', data: [], id };
    if (data.length > 0) this.events.push({ id, event: event || 'message', data: data.join('\n') });
  }

  private notify(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}
