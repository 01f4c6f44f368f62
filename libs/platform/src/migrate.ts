import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { migrations } from '../../../migrations';
import { ensureDatabaseRoles } from './database-roles';

/** Names of the migrations that this build knows, oldest first. */
export const knownMigrations: readonly string[] = migrations.map((migration) => new migration().name);

/** What a database's list of migrations lacks, and what it has from a newer version (no obstacle). */
export function compareMigrations(applied: readonly string[]): { missing: string[]; unknown: string[] } {
  return {
    missing: knownMigrations.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !knownMigrations.includes(name)),
  };
}

/**
 * Brings a database to this build's schema and returns the names of the migrations that were run (none: up to date).
 * `adminUrl` may create roles and a schema. Any number of processes may call it at once: a session lock lines them up.
 * `known`: fewer, to stand where an earlier build stood.
 */
export async function migrateDatabase(adminUrl: string, known = migrations): Promise<string[]> {
  const admin = new Client({ connectionString: adminUrl, application_name: 'genledger migrate' });
  admin.on('error', () => undefined);
  await admin.connect();
  try {
    await admin.query(`select pg_advisory_lock(hashtext('genledger.migrate'))`);
    await ensureDatabaseRoles(admin, adminUrl);
    const dataSource = new DataSource({
      type: 'postgres',
      url: adminUrl,
      schema: 'genledger',
      migrationsTableName: 'migrations',
      migrations: [...known],
      migrationsTransactionMode: 'each',
      extra: { max: 1, options: '-c role=genledger_owner', application_name: 'genledger migrate' },
    });
    await dataSource.initialize();
    try {
      return (await dataSource.runMigrations()).map((migration) => migration.name);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await admin.end();
  }
}
