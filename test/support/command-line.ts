import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../apps/cli/src/cli';

/** The command line in a temporary folder and an environment of its own. */
export class CommandLine {
  readonly cwd = mkdtempSync(join(tmpdir(), 'genledger-cli-'));
  readonly interruption = new AbortController();
  /** What a person at the terminal answers; absent: nobody is there. */
  answer: string | undefined;

  /** Exit code, and what was written. */
  async run(
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ['', ''];
    const code = await run(argv, {
      env: { GENLEDGER_HOME: join(this.cwd, 'home'), ...env },
      cwd: this.cwd,
      isInteractive: false,
      hasColours: false,
      interrupted: this.interruption.signal,
      ...(this.answer !== undefined && {
        ask: (question: string) => {
          err += question;
          return Promise.resolve(this.answer!);
        },
      }),
      out: (text) => void (out += text),
      err: (text) => void (err += text),
    });
    return { code, out, err };
  }

  remove(): void {
    rmSync(this.cwd, { recursive: true, force: true });
  }
}
