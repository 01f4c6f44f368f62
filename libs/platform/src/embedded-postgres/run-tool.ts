import { spawn } from 'node:child_process';
import type { Account } from './seat';

/** Our PG… variables would steer the tools and the server; messages are to be English, times UTC. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG') && name !== 'LC_ALL');
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

/** Runs one of PostgreSQL's programs to its end as the account. Rejects with its last line of output. */
export function runTool(
  program: string,
  args: readonly string[],
  account: Account | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // The current folder may be closed to the account, which PostgreSQL's programs refuse.
    const child = spawn(program, args, {
      ...account,
      cwd: '/',
      env: toolEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const gather = (chunk: string): void => {
      output = (output + chunk).slice(-4096);
    };
    child.stdout.setEncoding('utf8').on('data', gather);
    child.stderr.setEncoding('utf8').on('data', gather);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(lastLine(output) ?? `${program} ended with ${signal ?? `code ${code}`}`));
    });
  });
}

/** The line that tells the reason: an error's if there is one, else the last. */
export function lastLine(output: string): string | undefined {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.findLast((line) => /\b(?:FATAL|PANIC|error):/.test(line)) ?? lines.at(-1);
}
