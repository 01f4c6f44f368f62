import { createInterface } from 'node:readline';

/** What a command may use of the process that it runs in. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether standard error is a person's screen. */
  readonly isInteractive: boolean;
  /** Whether standard output shows colours. */
  readonly hasColours: boolean;
  /** Aborted when the user interrupts; what is running then ends in order. */
  readonly interrupted: AbortSignal;
  /** Asks the person at the terminal and resolves with the line; '' at the end of input. Absent: nobody is there. */
  readonly ask?: (question: string) => Promise<string>;
  /** Results, on standard output. */
  out(text: string): void;
  /** Progress and errors, on standard error. */
  err(text: string): void;
}

/** A command that ends with another code than 0, and one line that says why. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';

  constructor(
    message: string,
    /** 1: it does not hold. 2: wrong use. 130: interrupted. */
    readonly exitCode: 1 | 2 | 130 = 1,
  ) {
    super(message);
  }
}

export function processTerminal(): Terminal {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // A second one ends the process at once, as it would without us.
    process.once(signal, () => interruption.abort(new CommandFailed('interrupted', 130)));
  }
  return {
    env: process.env,
    cwd: process.cwd(),
    isInteractive: process.stderr.isTTY,
    hasColours: process.stdout.isTTY && !process.env.NO_COLOR && process.stdout.getColorDepth() > 1,
    interrupted: interruption.signal,
    ...(process.stdin.isTTY &&
      process.stderr.isTTY && { ask: (question) => ask(question, interruption.signal) }),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  // terminal: false leaves Ctrl-C to the process, where it interrupts as everywhere.
  const lines = createInterface({ input: process.stdin, terminal: false });
  process.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve).once('close', () => resolve(''));
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  } finally {
    lines.close();
  }
}
