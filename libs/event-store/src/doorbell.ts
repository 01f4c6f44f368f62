import type { Client } from 'pg';

const CHANNEL = 'genledger_events';
/** NOTIFY takes a lock that the whole cluster's commits queue for, so it is rung seldom and outside appends. */
const DEBOUNCE_MS = 50;
const REOPEN_MS = 1_000;

/**
 * Wakes readers after commits: those of this process at once, those of others by a debounced NOTIFY. Nothing relies on
 * it: readers also look on their own.
 */
export class Doorbell {
  private readonly listeners = new Set<() => void>();
  private notifying: NodeJS.Timeout | undefined;
  private reopening: NodeJS.Timeout | undefined;
  private opening: Promise<void> | undefined;
  private session: Client | undefined;
  private closed = false;

  constructor(private readonly openSession: () => Promise<Client>) {}

  /** Starts hearing other processes, and goes on trying. Failing to is no error: polling stays. */
  open(): Promise<void> {
    return (this.opening ??= this.listen().finally(() => (this.opening = undefined)));
  }

  ring(): void {
    this.wake();
    if (this.notifying || this.closed) return;
    this.notifying = setTimeout(() => {
      this.notifying = undefined;
      void this.notifyOthers();
    }, DEBOUNCE_MS);
    this.notifying.unref();
  }

  /** Calls `listener` after commits, until the returned function is called. */
  onRing(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.notifying);
    clearTimeout(this.reopening);
    await this.opening;
    await this.session?.end().catch(() => undefined);
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }

  private async listen(): Promise<void> {
    if (this.closed || this.session) return;
    let session: Client | undefined;
    try {
      session = await this.openSession();
      session.on('notification', () => this.wake());
      session.on('error', () => undefined);
      await session.query(`listen ${CHANNEL}`);
    } catch {
      await session?.end().catch(() => undefined);
      this.reopenSoon();
      return;
    }
    session.once('end', () => {
      this.session = undefined;
      this.reopenSoon();
    });
    this.session = session;
  }

  /** A process that only reads has nothing of its own to ring for, so it must not wait for that. */
  private reopenSoon(): void {
    if (this.closed) return;
    clearTimeout(this.reopening);
    this.reopening = setTimeout(() => {
      void this.open().then(() => this.wake());
    }, REOPEN_MS);
    this.reopening.unref();
  }

  private async notifyOthers(): Promise<void> {
    await this.open();
    await this.session?.query(`notify ${CHANNEL}`).catch(() => undefined);
  }
}
