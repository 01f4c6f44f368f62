import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { processIdentity } from './process-identity';

/** An initdb and a start take about a second; a crash recovery may take minutes. */
const PATIENCE_MS = 300_000;
const POLL_MS = 25;
/** Breaking a stale lock takes microseconds, so a breaker's mark of this age was left by a crash. */
const BREAKER_MAX_AGE_MS = 10_000;

/**
 * Runs `work` while holding `<folder>/postgres.lock`, across processes.
 *
 * The lock file holds its owner's identity and appears with its content at once (link), so that nobody reads it
 * half-written. A dead owner's lock is removed under a second mark, so that of two waiters who both saw it
 * stale, the slower one cannot remove the quicker one's new lock.
 */
export async function withStartLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, 'postgres.lock');
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await acquire(lock))) {
    await breakIfStale(lock);
    if (Date.now() > deadline) {
      throw new Error(`${lock} has been held for ${PATIENCE_MS / 1000} s: end the process that it names.`);
    }
    await pause(POLL_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function acquire(lock: string): Promise<boolean> {
  const claim = `${lock}.${randomUUID()}`;
  // The random part keeps two starts within one process apart.
  await writeFile(claim, processIdentity(process.pid) ?? String(process.pid), { mode: 0o644 });
  try {
    await link(claim, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(claim, { force: true });
  }
}

async function breakIfStale(lock: string): Promise<void> {
  if (!(await isStale(lock))) return;
  const breaker = `${lock}.breaker`;
  try {
    await writeFile(breaker, '', { flag: 'wx' });
  } catch {
    const age = await stat(breaker).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > BREAKER_MAX_AGE_MS) await rm(breaker, { force: true });
    return;
  }
  try {
    if (await isStale(lock)) await rm(lock, { force: true });
  } finally {
    await rm(breaker, { force: true });
  }
}

async function isStale(lock: string): Promise<boolean> {
  const owner = await readFile(lock, 'utf8').catch(() => undefined);
  if (owner === undefined) return false;
  return processIdentity(Number.parseInt(owner, 10)) !== owner.trim();
}
