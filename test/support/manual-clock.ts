import type { StreamClock } from '@genledger/platform';

/** Time that passes when a test says so. */
export class ManualClock implements StreamClock {
  private readonly ticks = new Set<() => void>();
  private ms = Date.now();

  now(): number {
    return this.ms;
  }

  start(tick: () => void): () => void {
    this.ticks.add(tick);
    return () => this.ticks.delete(tick);
  }

  /** Back to what the tokens of tests are made by. */
  reset(): void {
    this.ms = Date.now();
  }

  advance(ms: number): void {
    this.ms += ms;
    for (const tick of this.ticks) tick();
  }
}
