import { unavailable } from './provider-fault';

/** Aborts with the outer signal, for its reason, or after a time, with a fault. To be ended by whoever started it. */
export class TimeLimit {
  private readonly abort = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly pass = (): void => this.abort.abort(this.outer.reason);

  constructor(
    private readonly outer: AbortSignal,
    ms: number,
  ) {
    outer.throwIfAborted();
    outer.addEventListener('abort', this.pass, { once: true });
    this.timer = setTimeout(() => this.abort.abort(unavailable(`no image within ${ms} ms`)), ms);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.pass);
  }
}
