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

/** Removes one's own file; true when no other live process uses the cluster. Files of dead ones are removed too. */
export async function leaveUsers(folder: string, file: string): Promise<boolean> {
  await rm(file, { force: true });
  const users = join(folder, 'postgres.users');
  let alone = true;
  for (const name of await readdir(users)) {
    const other = join(users, name);
    const identity = await readFile(other, 'utf8').catch(() => '');
    if (processIdentity(Number.parseInt(name, 10)) === identity) alone = false;
    else await rm(other, { force: true });
  }
  return alone;
}
