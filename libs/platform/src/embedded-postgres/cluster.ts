import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { runTool } from './run-tool';
import { handOver, type Seat } from './seat';

/** One cluster on disk: where it lives, whose it is, what runs it. */
export interface Cluster extends Seat {
  /** Folder of initdb, pg_ctl and postgres. */
  readonly bin: string;
  readonly logFile: string;
  /** The superuser's. */
  readonly password: string;
}

/** What it takes to ask a cluster's server for what it is. */
export type ClusterAccess = Pick<Cluster, 'dataDirectory' | 'password'>;

const SUPERUSER = 'postgres';

/** Opens the cluster of the seat and makes it first when it is absent. Call under the start lock. */
export async function openCluster(seat: Seat, bin: string, log: (line: string) => void): Promise<Cluster> {
  const logFile = logFileOf(seat);
  if (!existsSync(seat.dataDirectory)) {
    const password = randomBytes(24).toString('base64url');
    // Written before the cluster appears: a crash in between leaves a password without a cluster, never the reverse.
    await writeFile(passwordFileOf(seat), password, { mode: 0o600, flush: true });
    await initialise(seat, bin, password);
    log(`Created a PostgreSQL cluster in ${seat.dataDirectory}.`);
    return { ...seat, bin, logFile, password };
  }
  const password = await readPassword(seat);
  // A copied or restored folder may be root's.
  const { uid } = await lstat(seat.dataDirectory);
  if (seat.account && uid !== seat.account.uid) await handOver(seat.dataDirectory, seat.account);
  return { ...seat, bin, logFile, password };
}

/** @throws Error where the cluster is there and its password is not. */
export async function readPassword(seat: Seat): Promise<string> {
  const file = passwordFileOf(seat);
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch {
    throw new Error(
      `The password ${file} of the database in ${seat.dataDirectory} cannot be read: restore it, or move the database away.`,
    );
  }
}

export function logFileOf({ folder }: Seat): string {
  return join(folder, 'postgres.log');
}

function passwordFileOf({ folder }: Seat): string {
  return join(folder, 'postgres.password');
}

/** initdb under another name first, so that a cluster is there whole or not at all. */
async function initialise(seat: Seat, bin: string, password: string): Promise<void> {
  const draft = draftOf(seat);
  const passwordCopy = join(seat.folder, '.initdb-password');
  await removeDrafts(seat);
  await mkdir(draft, { mode: 0o700 });
  try {
    await handOver(draft, seat.account);
    await writeFile(passwordCopy, password, { mode: 0o600 });
    await handOver(passwordCopy, seat.account);
    const args = [
      `--pgdata=${draft}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordCopy}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Sort order depends on neither the host's libc nor on the ICU that the binaries bring.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
      '--no-instructions',
    ];
    await runTool(join(bin, 'initdb'), args, seat.account);
    await rename(draft, seat.dataDirectory);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw new Error(
      `The database could not be created in ${seat.folder} (${(error as Error).message}): check the disk, or set DATABASE_URL.`,
      { cause: error },
    );
  } finally {
    await rm(passwordCopy, { force: true });
  }
}

/** A new name each time: the initdb of a process that was killed may still be writing to the last one. */
export function draftOf({ dataDirectory }: Seat): string {
  return `${dataDirectory}.new-${randomUUID()}`;
}

async function removeDrafts(seat: Seat): Promise<void> {
  for (const name of await readdir(seat.folder)) {
    if (!name.startsWith(`${basename(seat.dataDirectory)}.new-`)) continue;
    await rm(join(seat.folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

export function clusterUrl(cluster: ClusterAccess, port: number, database: string): string {
  return `postgres://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** The `data_directory` of the server at the port. Rejects when it does not let our superuser in. */
export async function dataDirectoryAt(cluster: ClusterAccess, port: number): Promise<string> {
  return asSuperuser(cluster, port, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return rows[0]?.data_directory ?? '';
  });
}

export async function ensureDatabase(cluster: Cluster, port: number, database: string): Promise<void> {
  await asSuperuser(cluster, port, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`create database ${escapeIdentifier(database)}`);
  });
}

async function asSuperuser<T>(
  cluster: ClusterAccess,
  port: number,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: cluster.password,
    database: 'postgres',
    ssl: false,
    connectionTimeoutMillis: 5_000,
  });
  // A server that ends in between is reported here too, and would end us when nobody listened.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
