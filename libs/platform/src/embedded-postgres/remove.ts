import { existsSync } from 'node:fs';
import { readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runnableBinaries } from './binaries';
import { draftOf, openCluster } from './cluster';
import { liveUsers } from './cluster-users';
import { stopPostmaster } from './postmaster';
import { isClusterFile, locateSeat, type Seat } from './seat';
import { withStartLock } from './start-lock';

/** Processes use the database: nothing was removed. */
export class EmbeddedPostgresInUse extends Error {
  override readonly name = 'EmbeddedPostgresInUse';

  constructor(
    readonly home: string,
    readonly pids: readonly number[],
  ) {
    super(`${home} is in use by process ${pids.join(', ')}: stop it first.`);
  }
}

/**
 * Runs `work` while no process uses the embedded database of a home, nor can begin to. `remove` removes the cluster and
 * all that belongs to it, wherever it is, and returns the paths; a server that a killed process left behind is stopped
 * first.
 *
 * @throws EmbeddedPostgresInUse before `work` is called.
 */
export async function whileUnused<T>(
  home: string,
  work: (remove: () => Promise<string[]>) => Promise<T>,
): Promise<T> {
  const seat = existsSync(home) ? await locateSeat(home) : undefined;
  // Nothing was ever started there, so there is no lock to hold.
  if (!seat || !existsSync(seat.folder)) return work(() => Promise.resolve([]));
  const result = await withStartLock(seat.folder, async () => {
    const pids = await liveUsers(seat.folder);
    if (pids.length > 0) throw new EmbeddedPostgresInUse(home, pids);
    return work(() => removeCluster(seat));
  });
  // Where the cluster had a folder of its own, it is empty now.
  if (seat.folder !== (await realpath(home))) await rmdir(seat.folder).catch(() => undefined);
  return result;
}

async function removeCluster(seat: Seat): Promise<string[]> {
  if (existsSync(join(seat.dataDirectory, 'postmaster.pid'))) {
    const cluster = await openCluster(seat, await runnableBinaries(seat), () => undefined);
    await stopPostmaster(cluster);
  }
  const paths = (await readdir(seat.folder)).filter(isClusterFile).map((name) => join(seat.folder, name));
  // Under the name of an unfinished cluster first: interrupted, it is not half a database, and the next start sweeps it.
  const [dataDirectory, gone] = [seat.dataDirectory, draftOf(seat)];
  if (paths.includes(dataDirectory)) await rename(dataDirectory, gone);
  for (const path of [gone, ...paths]) await rm(path, { recursive: true, force: true });
  return paths;
}
