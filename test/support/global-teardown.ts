import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TestCluster } from './global-setup';

/** Ends the cluster of the run, if the run started one. */
export default async function globalTeardown(): Promise<void> {
  const store = globalThis as { testCluster?: TestCluster };
  if (!store.testCluster) return;
  const { server, home } = store.testCluster;
  await server.stop();
  delete store.testCluster;
  // The cluster is elsewhere than in the home when the temporary folder is closed to its account.
  for (const folder of [home, dirname(server.dataDirectory)])
    await rm(folder, { recursive: true, force: true });
}
