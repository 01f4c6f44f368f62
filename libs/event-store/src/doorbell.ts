import type { Client } from 'pg';

const CHANNEL = 'genledger_events';
/** NOTIFY takes a lock that the whole cluster's commits queue for, so it is rung seldom and outside appends. */
const DEBOUNCE_MS = 50;

/**
 * Wakes readers after commits: those of this process at once, those of others by a debounced NOTIFY. Nothing relies on
 * it: readers also look on their own.
 */
export class Doorbell {
  private readonly listeners = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private session: Client | undefined;
  private closed = false;

  constructor(private readonly openSession: () => Promise<Client>) {}

  /** Starts hearing other processes. Failing to is no error: polling stays. */
  async open(): Promise<void> {
    try {
      const session = await this.openSession();
      session.on('notification', () => this.wake());
      session.on('end', () => (this.session = undefined));
      await session.query(`listen ${CHANNEL}`);
      this.session = session;
    } catch {
      this.session = undefined;
    }
  }

  ring(): void {
    this.wake();
    if (this.timer || this.closed) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.notifyOthers();
    }, DEBOUNCE_MS);
    this.timer.unref();
  }

  /** Calls `listener` after commits, until the returned function is called. */
  onRing(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.session?.end().catch(() => undefined);
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }

  private async notifyOthers(): Promise<void> {
    if (!this.session && !this.closed) await this.open();
    await this.session?.query(`notify ${CHANNEL}`).catch(() => undefined);
  }
}
