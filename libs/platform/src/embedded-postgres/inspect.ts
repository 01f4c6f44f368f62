import { existsSync } from 'node:fs';
import { clusterUrl, logFileOf, readPassword } from './cluster';
import { liveUsers } from './cluster-users';
import { noAnswer, observePostmaster, refusedPassword } from './postmaster';
import { locateSeat } from './seat';

/** How the embedded database of a home is. */
export type EmbeddedState =
  /** The first start makes it. */
  | { readonly state: 'absent' }
  | { readonly state: 'stopped'; readonly dataDirectory: string }
  | {
      readonly state: 'running';
      readonly dataDirectory: string;
      /** The superuser's. */
      readonly url: string;
      readonly port: number;
      /** Pids of the processes that use it. None: a killed one left it behind, and the next start adopts it. */
      readonly users: readonly number[];
    };

/**
 * Looks at the embedded database of a home, once, and neither starts, stops nor removes anything.
 *
 * @throws Error of one line that says what is wrong and what to do.
 */
export async function inspectEmbeddedPostgres(home: string, database = 'genledger'): Promise<EmbeddedState> {
  if (!existsSync(home)) return { state: 'absent' };
  const seat = await locateSeat(home);
  const { dataDirectory, folder } = seat;
  if (!existsSync(dataDirectory)) return { state: 'absent' };
  const access = { dataDirectory, password: await readPassword(seat) };
  const seen = await observePostmaster(access);
  switch (seen.state) {
    case 'stopped':
      return { state: 'stopped', dataDirectory };
    case 'running': {
      const { port } = seen;
      return {
        state: 'running',
        dataDirectory,
        url: clusterUrl(access, port, database),
        port,
        users: await liveUsers(folder),
      };
    }
    case 'locked':
      throw new Error(refusedPassword(seat));
    case 'silent':
      throw new Error(noAnswer({ dataDirectory, logFile: logFileOf(seat) }, seen.pidFile.pid));
  }
}
