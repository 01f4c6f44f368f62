import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { dataDirectoryAt, type Cluster, type ClusterAccess } from './cluster';
import { identifyPostmaster, pidExists } from './process-identity';
import { lastLine, runTool, toolEnvironment } from './run-tool';
import type { Seat } from './seat';

const POLL_MS = 20;
/** A crash recovery replays at most max_wal_size; one that takes longer goes on, and the next start waits for it. */
const RECOVERY_MS = 300_000;
/** How long a process that we cannot look into may refuse us before it counts as a stranger. */
const UNKNOWN_MS = 5_000;
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** Says why the server did not come up, from its log; `retry` when the reason passes by itself. */
export class PostmasterFailed extends Error {
  constructor(
    readonly reason: string,
    readonly retry: 'port' | 'soon' | 'never',
    logFile: string,
  ) {
    super(`PostgreSQL did not start (${reason}): see ${logFile}.`);
  }
}

/** What one look at a cluster's pid file, at the process that it names and at its port shows. */
export type Postmaster =
  | { readonly state: 'stopped'; readonly stalePidFile?: PidFile }
  /** Lets our superuser in, and is of this data directory. */
  | { readonly state: 'running'; readonly port: number }
  /** Ours, and refuses our password. */
  | { readonly state: 'locked' }
  /** Starting, recovering, stopping or hung. `isSure`: the process is known to be ours. */
  | { readonly state: 'silent'; readonly pidFile: PidFile; readonly isSure: boolean };

/** Proven by a connection and by the data directory, since a pid file outlives its process and pids repeat. */
export async function observePostmaster(cluster: ClusterAccess): Promise<Postmaster> {
  const pidFile = await readPidFile(cluster);
  if (!pidFile) return { state: 'stopped' };
  const identity = identifyPostmaster(pidFile.pid, cluster.dataDirectory);
  if (identity === 'gone' || identity === 'foreign') return { state: 'stopped', stalePidFile: pidFile };
  const isSure = identity === 'ours';
  if (pidFile.port !== undefined) {
    const answer = await ask(cluster, pidFile.port);
    if (answer === 'ours') return { state: 'running', port: pidFile.port };
    if (answer === 'denied' && isSure) return { state: 'locked' };
  }
  return { state: 'silent', pidFile, isSure };
}

/**
 * The port of a healthy server of this very cluster, if one runs. Waits while ours is starting, recovering or
 * stopping. A pid file that names anyone else is removed, and that process left alone.
 */
export async function findRunning(cluster: Cluster): Promise<number | undefined> {
  const since = Date.now();
  for (;;) {
    const seen = await observePostmaster(cluster);
    const waited = Date.now() - since;
    switch (seen.state) {
      case 'running':
        return seen.port;
      case 'stopped':
        await removeStale(seen.stalePidFile);
        return undefined;
      case 'locked':
        throw new Error(refusedPassword(cluster));
      case 'silent':
        if (!seen.isSure && waited > UNKNOWN_MS) {
          await removeStale(seen.pidFile);
          return undefined;
        }
        if (waited > RECOVERY_MS) throw new Error(noAnswer(cluster, seen.pidFile.pid));
    }
    await pause(POLL_MS);
  }
}

export function refusedPassword({ dataDirectory, folder }: Seat): string {
  return `The database in ${dataDirectory} refuses the password in ${folder}: restore postgres.password there.`;
}

export function noAnswer(
  { dataDirectory, logFile }: Pick<Cluster, 'dataDirectory' | 'logFile'>,
  pid: number,
): string {
  return `The database in ${dataDirectory} (pid ${pid}) does not answer: see ${logFile}.`;
}

/** PostgreSQL would refuse to start over any pid that exists, a zombie's too. It sees by itself to a dead one. */
async function removeStale(pidFile: PidFile | undefined): Promise<void> {
  if (pidFile && pidExists(pidFile.pid)) await rm(pidFile.path, { force: true });
}

/** Starts the server in a session of its own, where Ctrl-C does not reach it, and waits until it takes connections. */
export async function launch(
  cluster: Cluster,
  port: number,
  settings: Record<string, string>,
): Promise<void> {
  const offset = await logSize(cluster);
  const args = ['-D', cluster.dataDirectory, '-c', `port=${port}`];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const log = openSync(cluster.logFile, 'a', 0o600);
  let failed: Error | undefined;
  let pid: number | undefined;
  try {
    const child = spawn(join(cluster.bin, 'postgres'), args, {
      ...cluster.account,
      cwd: '/',
      env: toolEnvironment(),
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.once('error', (error) => (failed = error));
    child.once('exit', (code, signal) => (failed ??= new Error(`it ended with ${signal ?? `code ${code}`}`)));
    child.unref();
    pid = child.pid;
  } finally {
    closeSync(log);
  }
  const deadline = Date.now() + RECOVERY_MS;
  // Not by the port alone: whoever else may hold it can be silent for long.
  while (!(await isReady(cluster, pid)) || (await ask(cluster, port)) !== 'ours') {
    if (failed) throw await explain(cluster, offset, failed);
    if (Date.now() > deadline) throw await explain(cluster, offset, new Error('it is still recovering'));
    await pause(POLL_MS);
  }
}

/** Ends the server and waits until its process is gone. Does nothing when the pid file's process is not ours. */
export async function stopPostmaster(cluster: Cluster): Promise<void> {
  const pidFile = await readPidFile(cluster);
  if (!pidFile) return;
  const identity = identifyPostmaster(pidFile.pid, cluster.dataDirectory);
  const known = identity === 'unknown' && pidFile.port && (await ask(cluster, pidFile.port)) === 'ours';
  if (identity !== 'ours' && !known) return;
  const stop = (mode: string): Promise<void> =>
    runTool(
      join(cluster.bin, 'pg_ctl'),
      ['stop', '-D', cluster.dataDirectory, '-m', mode, '-w', '-t', '60'],
      cluster.account,
    );
  // 'immediate' loses nothing that was committed: the next start recovers.
  await stop('fast').catch(() => stop('immediate'));
  const deadline = Date.now() + UNKNOWN_MS;
  while (identifyPostmaster(pidFile.pid, cluster.dataDirectory) === 'ours' && Date.now() < deadline) {
    await pause(POLL_MS);
  }
}

/** Sets a log that has grown large aside, as postgres.log.1. Only while no server writes it. */
export async function rotateLog(cluster: Cluster): Promise<void> {
  if ((await logSize(cluster)) > MAX_LOG_BYTES) await rename(cluster.logFile, `${cluster.logFile}.1`);
}

async function isReady(cluster: Cluster, pid: number | undefined): Promise<boolean> {
  const pidFile = await readPidFile(cluster);
  return pidFile?.ready === true && pidFile.pid === pid;
}

async function ask(cluster: ClusterAccess, port: number): Promise<'ours' | 'other' | 'denied' | 'silent'> {
  try {
    return (await dataDirectoryAt(cluster, port)) === cluster.dataDirectory ? 'ours' : 'other';
  } catch (error) {
    return (error as { code?: string }).code === '28P01' ? 'denied' : 'silent';
  }
}

interface PidFile {
  readonly path: string;
  readonly pid: number;
  /** Absent while it is being written. */
  readonly port: number | undefined;
  readonly ready: boolean;
}

async function readPidFile(cluster: ClusterAccess): Promise<PidFile | undefined> {
  const path = join(cluster.dataDirectory, 'postmaster.pid');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // Its lines: pid, data directory, start time, port, socket folder, address, shared memory, status.
  const [pid, , , port, , , , status] = text.split('\n');
  return {
    path,
    pid: Math.abs(Number(pid)),
    port: port ? Number(port) : undefined,
    ready: status?.trim() === 'ready',
  };
}

async function logSize(cluster: Cluster): Promise<number> {
  return stat(cluster.logFile).then(
    (found) => found.size,
    () => 0,
  );
}

async function explain(cluster: Cluster, offset: number, failed: Error): Promise<PostmasterFailed> {
  const written = await readFrom(cluster.logFile, offset);
  const reason = lastLine(written) ?? failed.message;
  if (/could not bind|could not create any TCP\/IP sockets/.test(written)) {
    return new PostmasterFailed(reason, 'port', cluster.logFile);
  }
  // Of a killed server, the children hold the shared memory until they notice.
  const passing = /postmaster\.pid" already exists|pre-existing shared memory block/.test(written);
  return new PostmasterFailed(reason, passing ? 'soon' : 'never', cluster.logFile);
}

async function readFrom(file: string, offset: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(65_536), 0, 65_536, offset);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
