import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A build takes seconds, an install a minute or two. */
const PATIENCE_MS = 600_000;

/**
 * Runs `work` while holding the lock file, which appears with its owner's pid in it (link) and is removed when its
 * owner is dead.
 */
export async function exclusively(lock, work) {
  const claim = `${lock}.${process.pid}`;
  mkdirSync(dirname(lock), { recursive: true });
  writeFileSync(claim, String(process.pid));
  try {
    const deadline = Date.now() + PATIENCE_MS;
    while (!acquired(claim, lock)) {
      if (!ownerLives(lock)) rmSync(lock, { force: true });
      else if (Date.now() > deadline)
        throw new Error(`${lock} is held: end the process that it names, or remove it.`);
      else await pause(100);
    }
  } finally {
    rmSync(claim, { force: true });
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function acquired(claim, lock) {
  try {
    linkSync(claim, lock);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function ownerLives(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // After a restart of a container our own pid may stand there.
    if (pid === process.pid) return false;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process, or a lock that has just been released.
    return error.code === 'EPERM' || error.code === 'ENOENT';
  }
}
