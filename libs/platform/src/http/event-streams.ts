import type { Socket } from 'node:net';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { EventStream } from './event-stream';
import type { EventPages } from './event-stream';
import { Problem } from './problems';

/** Time as streams see it; a test has one that it moves by hand. */
export interface StreamClock {
  /** ms since 1970. */
  now(): number;
  /** Calls `tick` every second or so, until the returned function is called. */
  start(tick: () => void): () => void;
}

export const STREAM_CLOCK = Symbol('STREAM_CLOCK');

const TICK_MS = 1_000;

export const systemStreamClock: StreamClock = {
  now: () => Date.now(),
  start: (tick) => {
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  },
};

/** How long a stopping server waits for readers to take the end of their streams before it cuts them. */
const GRACE_MS = 500;

/** `no-transform` and the header of nginx keep proxies from compressing and from gathering what is meant to be seen now. */
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'private, no-store, no-transform',
  'x-accel-buffering': 'no',
};

export interface OpenStreamOptions {
  readonly expiresAt?: number;
  readonly announceId?: boolean;
}

/** The open event streams of the process: one clock for all of them, and an end for all of them when it stops. */
@Injectable()
export class EventStreams implements OnModuleDestroy {
  private readonly logger = new Logger(EventStreams.name);
  private readonly open = new Map<EventStream, Socket>();
  private stopClock: (() => void) | undefined;
  private isStopping = false;
  private onEmpty: () => void = () => undefined;

  constructor(@Inject(STREAM_CLOCK) private readonly clock: StreamClock) {}

  /**
   * The body to answer with; its headers are set. Undefined for HEAD, and where the reader has gone meanwhile.
   *
   * @throws Problem `service-unavailable` where the server is stopping
   */
  answer(reply: FastifyReply, pages: EventPages, options: OpenStreamOptions = {}): EventStream | undefined {
    const { socket } = reply.request.raw;
    const hasNoBody = reply.request.method === 'HEAD' || reply.raw.destroyed || socket.destroyed;
    if (this.isStopping || hasNoBody) pages.close();
    if (this.isStopping) throw new Problem('service-unavailable', 'The server is stopping');
    void reply.headers(HEADERS);
    if (hasNoBody) return undefined;
    const { expiresAt, announceId = false } = options;
    const stream = new EventStream(pages, { now: this.clock.now(), expiresAt, announceId });
    this.open.set(stream, socket);
    this.stopClock ??= this.clock.start(() => this.tick());
    stream.once('error', (err) => this.logger.error({ message: 'an event stream broke off', err }));
    const leave = (): void => {
      reply.raw.off('close', leave);
      socket.off('close', leave);
      this.forget(stream);
    };
    reply.raw.once('close', leave);
    // The answer to a request that waits behind another one on its connection is never told that this has closed.
    socket.once('close', leave);
    return stream;
  }

  get size(): number {
    return this.open.size;
  }

  /** Before the HTTP server closes, which waits for every answer. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    if (this.open.size === 0) return;
    const closed = new Promise<void>((resolve) => (this.onEmpty = resolve));
    for (const stream of [...this.open.keys()]) stream.end('server_stopping');
    const cut = setTimeout(() => {
      for (const socket of this.open.values()) socket.destroy();
    }, GRACE_MS);
    await closed;
    clearTimeout(cut);
  }

  private tick(): void {
    const now = this.clock.now();
    for (const stream of [...this.open.keys()]) stream.tick(now);
  }

  private forget(stream: EventStream): void {
    stream.destroy();
    this.open.delete(stream);
    if (this.open.size > 0) return;
    this.stopClock?.();
    this.stopClock = undefined;
    this.onEmpty();
  }
}
