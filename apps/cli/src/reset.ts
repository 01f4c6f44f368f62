import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import {
  EmbeddedPostgresInUse,
  environmentWithFile,
  homeStorage,
  loadConfig,
  serverSecretPath,
  whileUnused,
} from '@genledger/platform';
import { demoHome } from './demo-database';
import { CommandFailed, Terminal } from './terminal';

export interface ResetOptions {
  readonly yes?: true;
  readonly json?: true;
}

/** `genledger reset`: removes the embedded database, the files and the secret of a home. */
export async function reset(terminal: Terminal, { yes, json }: ResetOptions): Promise<void> {
  const { home, databaseUrl } = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  if (databaseUrl !== undefined)
    throw new CommandFailed(
      'DATABASE_URL is set, and the files of the home belong to that database: reset is for the embedded one',
      2,
    );
  if (!yes) await askWhether(terminal, home);
  const removed = await removeHome(home).catch((error: unknown) => {
    throw error instanceof EmbeddedPostgresInUse ? new CommandFailed(error.message) : error;
  });
  if (json) terminal.out(`${JSON.stringify({ home, removed })}\n`);
  else terminal.out(removed.map((path) => `removed ${path}\n`).join('') || `nothing to remove in ${home}\n`);
}

async function askWhether(terminal: Terminal, home: string): Promise<void> {
  if (terminal.ask === undefined)
    throw new CommandFailed('reset removes all jobs and files of the home: say so with --yes', 2);
  const answer = await terminal.ask(`Remove all jobs, files and secrets in ${home}? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailed('nothing was removed');
}

/** Only what a server makes there, by name: a home may be a folder that holds other things too. */
function removeHome(home: string): Promise<string[]> {
  return whileUnused(home, async (removeDatabase) => {
    const demo = demoHome(home);
    // Inside: where the demo runs, nothing of the home is touched.
    const removed = existsSync(demo) ? await removeHome(demo) : [];
    removed.push(...(await removeDatabase()));
    for (const path of [homeStorage(home), serverSecretPath(home)]) {
      if (!existsSync(path)) continue;
      await rm(path, { recursive: true });
      removed.push(path);
    }
    return removed;
  }).finally(() => rmdir(demoHome(home)).catch(() => undefined));
}
