/** A wait that ends once: when it is ended, after `ms`, or when `signal` says that nobody waits for it any more. */
export class Wait {
  readonly ended: Promise<void>;
  private over = false;
  private resolve!: () => void;
  private readonly timer: NodeJS.Timeout;

  constructor(
    ms: number,
    private readonly signal?: AbortSignal,
  ) {
    this.ended = new Promise((resolve) => (this.resolve = resolve));
    this.timer = setTimeout(this.end, ms);
    if (signal?.aborted) this.end();
    else signal?.addEventListener('abort', this.end);
  }

  get isOver(): boolean {
    return this.over;
  }

  readonly end = (): void => {
    clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this.end);
    this.over = true;
    this.resolve();
  };
}
