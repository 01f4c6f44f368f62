import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processIdentity } from './process-identity';

/**
 * The processes that use a cluster, one file each in `<folder>/postgres.users`: the last one out stops the
 * server. Call these under the start lock.
 */
export async function joinUsers(folder: string): Promise<string> {
  const users = join(folder, 'postgres.users');
  await mkdir(users, { recursive: true });
  const file = join(users, `${process.pid}-${randomUUID()}`);
  await writeFile(file, processIdentity(process.pid) ?? String(process.pid));
  return file;
}

/** Pids of the live processes that use the cluster. */
export async function liveUsers(folder: string): Promise<number[]> {
  return (await usersOf(folder)).filter(({ lives }) => lives).map(({ pid }) => pid);
}

/** Removes one's own file; true when no other live process uses the cluster. Files of dead ones are removed too. */
export async function leaveUsers(folder: string, file: string): Promise<boolean> {
  await rm(file, { force: true });
  const others = await usersOf(folder);
  for (const other of others) if (!other.lives) await rm(other.file, { force: true });
  return others.every(({ lives }) => !lives);
}

async function usersOf(folder: string): Promise<{ file: string; pid: number; lives: boolean }[]> {
  const users = join(folder, 'postgres.users');
  const names = await readdir(users).catch(() => []);
  return Promise.all(
    names.map(async (name) => {
      const file = join(users, name);
      const pid = Number.parseInt(name, 10);
      return { file, pid, lives: processIdentity(pid) === (await readFile(file, 'utf8').catch(() => '')) };
    }),
  );
}
