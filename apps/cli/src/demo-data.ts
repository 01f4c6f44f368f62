import { LogNotEmpty, writeSyntheticHistory } from '@genledger/jobs';
import { environmentWithFile, loadConfig, migrateDatabase } from '@genledger/platform';
import type { Database } from '@genledger/platform';
import { DemoData, demoDataOf, describeDemoData } from './demo-data-report';
import { progressOn } from './progress';
import { connectMigrated, openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';
import { wholeNumber } from './token';

/** A million takes some ten minutes and a few gigabytes. */
const MOST_JOBS = 1_000_000;
const MAX_SEED = 999_999_999;

export interface DemoDataOptions {
  readonly jobs: string;
  readonly seed: string;
  readonly json?: true;
}

/** `genledger demo-data`: fills an empty log with the jobs of three months, and sums them up. */
export async function demoData(terminal: Terminal, options: DemoDataOptions): Promise<void> {
  const jobs = wholeNumber('--jobs', options.jobs, 1, MOST_JOBS);
  const seed = wholeNumber('--seed', options.seed, 0, MAX_SEED);
  const config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  const target = await openTargetDatabase(config, (line) => terminal.err(`${line}\n`));
  try {
    // As a start of the server does; a database that is given is migrated when its owner says so.
    if (target.isEmbedded) await migrateDatabase(target.adminUrl);
    const database = await connectMigrated(target);
    try {
      const made = await make(terminal, database, jobs, seed);
      terminal.out(options.json ? `${JSON.stringify(made)}\n` : describeDemoData(made));
    } finally {
      await database.onApplicationShutdown();
    }
  } finally {
    await target.close();
  }
}

async function make(terminal: Terminal, database: Database, jobs: number, seed: number): Promise<DemoData> {
  const progress = progressOn(terminal);
  const begun = performance.now();
  try {
    const history = await writeSyntheticHistory(database, { jobs, seed }, (step) => {
      terminal.interrupted.throwIfAborted();
      progress.report(step);
    });
    return demoDataOf(jobs, seed, history, performance.now() - begun);
  } catch (error) {
    throw error instanceof LogNotEmpty ? new CommandFailed(error.message) : error;
  } finally {
    progress.clear();
  }
}
