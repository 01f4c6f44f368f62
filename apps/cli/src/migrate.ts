import { environmentWithFile, loadConfig, migrateDatabase } from '@genledger/platform';
import { openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';

/** `genledger migrate`: prints the migrations that were run. */
export async function migrate(terminal: Terminal, { json }: { json?: true }): Promise<void> {
  const config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  const database = await openTargetDatabase(config, (line) => terminal.err(`${line}\n`));
  try {
    const migrated = await migrateDatabase(database.adminUrl).catch((error: unknown) => {
      // What the login lacks is a matter of who runs it, not of the migration.
      if ((error as { code?: string }).code !== '42501') throw error;
      throw new CommandFailed(`DATABASE_URL: ${(error as Error).message}`, 2);
    });
    if (json) {
      const target = database.isEmbedded ? 'embedded' : 'given';
      terminal.out(`${JSON.stringify({ database: target, migrated, up_to_date: migrated.length === 0 })}\n`);
    } else {
      terminal.out(
        migrated.length === 0 ? 'up to date\n' : migrated.map((name) => `migrated ${name}\n`).join(''),
      );
    }
  } finally {
    await database.close();
  }
}
