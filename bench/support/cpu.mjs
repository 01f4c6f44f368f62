/**
 * CPU time of a server (a process, its living children and those it has reaped) and of this process.
 * Linux only: elsewhere the server's is null, because nothing else in Node tells it.
 */
import { readFileSync, readdirSync } from 'node:fs';

// The unit of /proc/<pid>/stat: 1/100 s on every Linux that Node runs on.
const MICROSECONDS_PER_TICK = 10_000;

/** Fields of /proc/<pid>/stat from the third on; the second, a name in brackets, may hold spaces. */
function stat(pid) {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return line.slice(line.lastIndexOf(')') + 2).split(' ');
}

const ticks = (fields, reaped) =>
  Number(fields[11]) + Number(fields[12]) + (reaped ? Number(fields[13]) + Number(fields[14]) : 0);

/** Microseconds used so far by `pid` and its children, or null where /proc does not say. */
export function serverCpu(pid) {
  if (!pid || process.platform !== 'linux') return null;
  let total = 0;
  try {
    total += ticks(stat(pid), true);
  } catch {
    return null;
  }
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const fields = stat(entry);
      if (fields[1] === String(pid)) total += ticks(fields, false);
    } catch {
      // It ended since the directory was read: its time is in its parent's reaped sum.
    }
  }
  return total * MICROSECONDS_PER_TICK;
}

/** Microseconds used so far by this process, its threads included. */
export function clientCpu() {
  const { user, system } = process.cpuUsage();
  return user + system;
}
