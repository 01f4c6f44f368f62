/** The servers that the contestants work on: one durable PostgreSQL for all, and a Redis where one is found. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const require = createRequire(import.meta.url);

// Durable, with no checkpoint in the middle of a measurement: those are asked for between two of them.
const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: '200',
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
};

/**
 * `{ url, stop }`: `given`, or an embedded cluster of our own in `home`. The url ends without a database.
 * Without a build of the product there is none to start.
 */
export async function startPostgres(root, home, given) {
  if (given) return { url: given, stop: async () => {} };
  const platform = join(root, 'dist/libs/platform/src/index.js');
  if (!existsSync(platform)) throw new Error('not built: run `npm run build` first, or give --database URL');
  // Root runs it as another account, which must get into the home; and a cluster that had to go elsewhere
  // is removed with it.
  chmodSync(home, 0o755);
  const postgres = await require(platform).startEmbeddedPostgres({ home, settings, database: 'postgres' });
  return {
    url: postgres.url,
    stop: async () => {
      await postgres.stop();
      rmSync(dirname(postgres.dataDirectory), { recursive: true, force: true });
    },
  };
}

/** The postmaster's process id, read from its data directory, or null (another machine, another user's file). */
export function postmaster(dataDirectory) {
  try {
    return Number(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return null;
  }
}

const onPath = (program) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => existsSync(path));

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** True once Redis answers PING on `port`. */
async function answers(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [reply] = await once(socket, 'data');
    return String(reply).startsWith('+PONG');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** `{ url, pid, version, stop }`, or null when there is no redis-server on the PATH. */
export async function startRedis(home) {
  const program = onPath(process.platform === 'win32' ? 'redis-server.exe' : 'redis-server');
  if (!program) return null;
  const directory = join(home, 'redis');
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const options = {
    port,
    bind: '127.0.0.1',
    dir: directory,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(program, flags, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await delay(20);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid,
    version: spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.match(/v=(\S+)/)?.[1] ?? '',
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
