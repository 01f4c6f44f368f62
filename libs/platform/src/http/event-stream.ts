import { Readable } from 'node:stream';

/** `data` is one line, as JSON is. */
export interface StreamedEvent {
  readonly id: string;
  readonly data: string;
}

export type EventPage = { readonly events: readonly StreamedEvent[] } | { readonly end: string };

/** What a stream of events is fed from. */
export interface EventPages {
  /** The next events, or why there will be none. Asked for only when the reader has taken all that came before. */
  next(): Promise<EventPage>;
  /** While `next` waits: the id to resume from, as nothing up to it is outstanding. */
  readonly resumeId: string;
  /** The reader has gone. */
  close(): void;
}

/** Bytes that wait in the process for one reader, beside the frame that passed the bound; the log is not read on before. */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Shorter than the 60 s that proxies commonly keep a silent connection. */
export const PULSE_MS = 15_000;
/** A reader that takes nothing of what waits for it for so long is not there any more, or might as well not be. */
const STALLED_PULSES = 2;
/** Hint to clients, which wait this long before they come back. */
const RETRY_MS = 2_000;

export interface EventStreamOptions {
  /** ms since 1970. */
  readonly now: number;
  /** When the reader's credentials end, in ms since 1970. */
  readonly expiresAt?: number;
  /** Tell the id to resume from with the first bytes: a reader that is cut before the first event starts there again. */
  readonly announceId: boolean;
}

/**
 * Server-sent events to one reader (WHATWG HTML §9.2), at the reader's pace: pages are asked for while the socket
 * drains, and not otherwise. Whatever ends the stream, the last id that the reader has is where it goes on.
 *
 * A heartbeat carries an id without data where there is a newer one to resume from: by the standard that sets the
 * reader's last id and dispatches nothing.
 */
export class EventStream extends Readable {
  private readonly frames: string[] = [];
  private readonly expiresAt: number | undefined;
  private lastId: string | undefined;
  private isWanted = false;
  private isAsking = false;
  private ending: string | undefined;
  private pulsedAt: number;
  /** Pulses since the reader has last taken anything, while something waits for it. */
  private stalledPulses = 0;

  constructor(
    private readonly pages: EventPages,
    { now, expiresAt, announceId }: EventStreamOptions,
  ) {
    super({ highWaterMark: MAX_BUFFERED_BYTES });
    this.pulsedAt = now;
    this.expiresAt = expiresAt;
    this.frames.push(`retry: ${RETRY_MS}\n${announceId ? this.idLine(pages.resumeId) : ''}\n`);
  }

  /** What is due by now: the end, a heartbeat, or giving a reader up that does not read. */
  tick(now: number): void {
    if (this.expiresAt !== undefined && now >= this.expiresAt) this.end('token_expired');
    if (now - this.pulsedAt < PULSE_MS) return;
    this.pulsedAt = now;
    if (!this.isWanted) {
      if (++this.stalledPulses >= STALLED_PULSES) this.destroy();
    } else if (this.frames.length === 0) {
      const { resumeId } = this.pages;
      this.frames.push(`: heartbeat\n${resumeId === this.lastId ? '' : this.idLine(resumeId)}\n`);
      this.fill();
    }
  }

  /** Ends it with a last event that says why. What was not sent yet is left for when the reader resumes. */
  end(reason: string): void {
    if (this.ending !== undefined) return;
    this.ending = reason;
    this.frames.length = 0;
    this.frames.push(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
    this.fill();
  }

  override _read(): void {
    this.isWanted = true;
    this.stalledPulses = 0;
    this.fill();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.pages.close();
    done(error);
  }

  private fill(): void {
    while (this.isWanted) {
      const frame = this.frames.shift();
      if (frame !== undefined) this.isWanted = this.push(frame);
      else if (this.ending !== undefined) {
        this.isWanted = false;
        this.push(null);
      } else return this.ask();
    }
  }

  private ask(): void {
    if (this.isAsking) return;
    this.isAsking = true;
    this.pages
      .next()
      .then((page) => {
        this.isAsking = false;
        if (this.destroyed || this.ending !== undefined) return;
        if ('end' in page) return this.end(page.end);
        for (const { id, data } of page.events) this.frames.push(`${this.idLine(id)}data: ${data}\n\n`);
        this.fill();
      })
      // Without an end of its own: cut, so that the reader comes back.
      .catch((error: unknown) => this.destroy(error as Error));
  }

  private idLine(id: string): string {
    this.lastId = id;
    return `id: ${id}\n`;
  }
}
