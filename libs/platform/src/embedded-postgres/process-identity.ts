import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * Tells this process apart from a later one with the same pid: pids repeat, in containers at every restart.
 * Undefined when no such process lives (a zombie is dead). Without /proc or ps it is the bare pid.
 */
export function processIdentity(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxIdentity(pid);
  if (!pidExists(pid)) return undefined;
  const started = process.platform === 'win32' ? '' : ps(pid, 'lstart=');
  return `${pid} ${started ?? ''}`.trim();
}

/** True when the kernel knows the pid, which a zombie and a process of another user do too. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export type PostmasterIdentity = 'ours' | 'foreign' | 'gone' | 'unknown';

/** Whether the pid is the postmaster of this data directory; 'unknown' where the command line cannot be read. */
export function identifyPostmaster(pid: number, dataDirectory: string): PostmasterIdentity {
  if (processIdentity(pid) === undefined) return 'gone';
  if (process.platform === 'win32') return 'unknown';
  if (process.platform === 'linux') {
    const words = read(`/proc/${pid}/cmdline`)?.split('\0');
    if (!words?.[0]) return 'unknown';
    return basename(words[0]) === 'postgres' && words.includes(dataDirectory) ? 'ours' : 'foreign';
  }
  const command = ps(pid, 'command=');
  if (command === undefined) return 'unknown';
  return command.includes('/postgres ') && command.includes(dataDirectory) ? 'ours' : 'foreign';
}

function linuxIdentity(pid: number): string | undefined {
  // The name, in parentheses, may itself hold spaces and parentheses: count the fields after the last one.
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  if (state === 'Z' || state === 'X') return undefined;
  const startedTicks = fields[19];
  const boot = read('/proc/sys/kernel/random/boot_id')?.trim();
  return `${pid} ${startedTicks} ${boot}`;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
