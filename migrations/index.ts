import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Oldest first. Each is a file of hand-written SQL beside this one; there is no way back. */
const FILES = [
  '1764000001000-event-store',
  '1764000002000-jobs',
  '1764000003000-uploads',
  '1764000004000-leaner-paths',
  '1764000005000-time-travel',
  '1764000006000-job-ends',
  '1764000007000-rebuilds',
];

type MigrationClass = new () => MigrationInterface & { readonly name: string };

export const migrations: readonly MigrationClass[] = FILES.map((file) => {
  const [timestamp, ...words] = file.split('-');
  return class implements MigrationInterface {
    // TypeORM orders by the 13 digits at the end.
    readonly name = `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}${timestamp}`;

    async up(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(readFileSync(join(migrationsFolder(), `${file}.sql`), 'utf8'));
    }

    down(): Promise<void> {
      return Promise.reject(new Error('migrations are forward only'));
    }
  };
});

/** The SQL files stay in the package's own folder: the compiled module stands in dist/migrations. */
function migrationsFolder(): string {
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, 'migrations');
    if (existsSync(join(candidate, `${FILES[0]}.sql`))) return candidate;
    if (folder === dirname(folder)) throw new Error('the folder migrations/ with its .sql files is missing');
  }
}
