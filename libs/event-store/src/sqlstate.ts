/** What an error of a batch means for the batch (docs/adr/0001-group-commit.md). */
export type Verdict =
  /** Two transactions met: the batch is repeated. */
  | 'repeat'
  /** Somebody holds a lock for longer than we wait: each item goes alone. */
  | 'blocked'
  /** One item's data is at fault: the batch is halved until it is alone. */
  | 'culprit'
  /** The connection is gone. */
  | 'disconnected'
  /** The server refuses for now (shutdown, disk full, too many connections). */
  | 'unavailable'
  | 'bug';

export function verdictOn(error: unknown): Verdict {
  const code = sqlState(error);
  if (code === undefined) return isConnectionError(error) ? 'disconnected' : 'bug';
  if (code === '40001' || code === '40P01') return 'repeat';
  if (code === '55P03') return 'blocked';
  switch (code.slice(0, 2)) {
    case '22':
    case '23':
    case '54':
      return 'culprit';
    case '08':
      return 'disconnected';
    case '57':
      return ['57P01', '57P02', '57P03'].includes(code) ? 'disconnected' : 'unavailable';
    case '53':
      return 'unavailable';
    default:
      return 'bug';
  }
}

export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  // No class begins with E, and errors of the system (EPIPE) do.
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

const CONNECTION_ERRORS = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
]);

function isConnectionError(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (code !== undefined && CONNECTION_ERRORS.has(code)) return true;
  // node-postgres has no code for these.
  return /connection terminated|connection error|not queryable|client was closed|timeout exceeded when trying to connect|Query read timeout/i.test(
    message ?? '',
  );
}

/** The store cannot be reached now; nothing was recorded. Answered as 503. */
export class StoreUnavailable extends Error {
  constructor(cause: unknown) {
    super('the event store cannot be reached', { cause });
    this.name = 'StoreUnavailable';
  }
}

/** COMMIT was sent, its answer was lost, and PostgreSQL could not be asked. The same idempotency key will tell. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the outcome of the command is not known', { cause });
    this.name = 'OutcomeUnknown';
  }
}

/** The command alone broke a rule of the database that `decide` and the settling before it had let pass. */
export class CommandRejected extends Error {
  constructor(
    readonly sqlState: string,
    cause: unknown,
  ) {
    super(`the database refused the command (${sqlState})`, { cause });
    this.name = 'CommandRejected';
  }
}
