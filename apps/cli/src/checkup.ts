/** What one check found. `skipped`: it needs something that an earlier check found wrong, or that is not running. */
export interface CheckResult {
  readonly check: string;
  readonly status: 'ok' | 'failed' | 'skipped';
  /** One line. */
  readonly detail: string;
  /** What to do; only where it failed. */
  readonly remedy?: string;
}

/** Thrown by a check that does not hold. */
export class Ailment extends Error {
  override readonly name = 'Ailment';

  constructor(
    detail: string,
    readonly remedy?: string,
  ) {
    super(detail);
  }
}

/** Runs checks one after another and keeps what they found; none of them ends the others. */
export class Checkup {
  readonly results: CheckResult[] = [];

  constructor(private readonly signal: AbortSignal) {}

  get holds(): boolean {
    return this.results.every(({ status }) => status !== 'failed');
  }

  /** `look` returns what is so, or throws what is not. True when it holds. */
  async check(check: string, look: () => string | Promise<string>): Promise<boolean> {
    this.signal.throwIfAborted();
    try {
      this.results.push({ check, status: 'ok', detail: oneLine(await look()) });
      return true;
    } catch (error) {
      const { message, remedy } = error as Error & { remedy?: string };
      this.results.push({ check, status: 'failed', detail: oneLine(message), ...(remedy && { remedy }) });
      return false;
    }
  }

  skip(why: string, ...checks: readonly string[]): void {
    for (const check of checks) this.results.push({ check, status: 'skipped', detail: why });
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
