import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  access,
  chmod,
  chown,
  constants,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The account that PostgreSQL runs as when we are root, which PostgreSQL refuses to be. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Everything that a cluster leaves in its folder; what else is there is not ours to remove. */
const CLUSTER_FILES =
  /^(?:pg18(?:\.new-.+)?|postgres\.(?:password|log(?:\.1)?|port|users)|postgres-\d.*|\.initdb-password)$/;

export function isClusterFile(name: string): boolean {
  return CLUSTER_FILES.test(name);
}

/** Where a cluster lives and as whom it runs. */
export interface Seat {
  /** Absolute, without symbolic links, traversable by the account. */
  readonly folder: string;
  readonly dataDirectory: string;
  /** Undefined: as ourselves. */
  readonly account: Account | undefined;
}

/** PostgreSQL refuses a data directory of another major, so the major is in its name. */
const CLUSTER = 'pg18';

/**
 * The home, or, when we are root and the account cannot get into it (a project under /root), a folder of its own
 * under /var/lib. Not under /tmp or /var/tmp: many systems sweep old files away there.
 */
export async function chooseSeat(wanted: string, log: (line: string) => void): Promise<Seat> {
  const home = await writableHome(wanted);
  const seat = await locateSeat(home);
  if (seat.folder === home) return seat;
  await ownFolder(seat.folder);
  log(
    `The database lives in ${seat.folder}, because uid ${seat.account?.uid}, which runs it, cannot enter ${home}.`,
  );
  return seat;
}

/** Where the cluster of a home that exists is, or would be made. Makes nothing. */
export async function locateSeat(wanted: string): Promise<Seat> {
  const home = await realpath(wanted);
  const dataDirectory = join(home, CLUSTER);
  const owner = existsSync(dataDirectory) ? await lstat(dataDirectory) : undefined;
  const self = process.getuid?.();
  if (self !== 0) {
    if (owner && self !== undefined && owner.uid !== self) {
      throw new Error(
        `The database in ${dataDirectory} belongs to uid ${owner.uid}: start as that user, or choose another home.`,
      );
    }
    return { folder: home, dataDirectory, account: undefined };
  }
  const account = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await unprivilegedAccount();
  if (await canEnter(account, home)) return { folder: home, dataDirectory, account };
  if (owner) {
    throw new Error(
      `The database in ${dataDirectory} is out of reach for uid ${account.uid}: let it pass every parent folder (chmod o+x).`,
    );
  }
  const folder = `/var/lib/genledger-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`;
  return { folder, dataDirectory: join(folder, CLUSTER), account };
}

/** Hands a file, or a folder with all that is in it, to the account. */
export async function handOver(path: string, account: Account | undefined): Promise<void> {
  if (!account) return;
  if ((await lstat(path)).isDirectory()) {
    for (const name of await readdir(path, { recursive: true })) {
      await lchown(join(path, name), account.uid, account.gid);
    }
  }
  await chown(path, account.uid, account.gid);
}

async function writableHome(wanted: string): Promise<string> {
  try {
    await mkdir(wanted, { recursive: true });
    await access(wanted, constants.W_OK);
    return await realpath(wanted);
  } catch (error) {
    throw new Error(
      `The home ${wanted} cannot be written (${(error as Error).message}): set GENLEDGER_HOME to a folder that can.`,
      { cause: error },
    );
  }
}

async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: Error) => {
    throw new Error(`The database needs a folder of its own (${error.message}): choose a home that is open.`);
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${folder} is not a folder of ours: remove it, or choose another home.`);
  }
  await chmod(folder, 0o711);
}

async function unprivilegedAccount(): Promise<Account> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const fields = lines.find(([login]) => login === name);
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL refuses to run as root and there is no account postgres or nobody: add one, or set DATABASE_URL.',
  );
}

async function canEnter(account: Account, folder: string): Promise<boolean> {
  try {
    await promisify(execFile)('/bin/sh', ['-c', 'test -x "$0"', folder], { ...account, cwd: '/' });
    return true;
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    if (code === 1) return false;
    throw new Error(
      `PostgreSQL cannot run as uid ${account.uid} (${message}): start as another user, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}
