import {
  connectionFault,
  Database,
  inspectDatabase,
  inspectEmbeddedPostgres,
  knownMigrations,
  POSTGRES_VERSIONS,
  reachDatabase,
  serverUrls,
} from '@genledger/platform';
import type { Config, DatabaseCondition, ServerUrls } from '@genledger/platform';
import { Ailment, Checkup } from './checkup';
import { checkLog, LOG_CHECKS } from './log-checks';

const CATALOGUE_CHECKS = ['version', 'roles', 'schema', 'logins'] as const;
export const DATABASE_CHECKS = ['database', ...CATALOGUE_CHECKS, ...LOG_CHECKS] as const;

const MIGRATE = 'run "genledger migrate"';

/** The database that the environment names, as far as it runs: nothing is started for a look. */
export async function checkDatabase(checkup: Checkup, config: Config): Promise<void> {
  let adminUrl: string | undefined;
  const isFound = await checkup.check('database', async () => {
    const found =
      config.databaseUrl === undefined ? await findEmbedded(config) : await findGiven(config.databaseUrl);
    adminUrl = found.adminUrl;
    return found.detail;
  });
  if (adminUrl === undefined) {
    const why = isFound ? 'the database is not running' : 'the database is out of reach';
    checkup.skip(why, ...CATALOGUE_CHECKS, ...LOG_CHECKS);
    return;
  }
  const logins = serverUrls(adminUrl, config.databaseAppUrl);
  if (await checkCatalogue(checkup, adminUrl, logins)) await checkLogins(checkup, logins);
  else checkup.skip('version, roles and schema come first', 'logins', ...LOG_CHECKS);
}

interface FoundDatabase {
  readonly detail: string;
  /** Absent: it does not run. */
  readonly adminUrl?: string;
}

async function findEmbedded({ home }: Config): Promise<FoundDatabase> {
  const found = await inspectEmbeddedPostgres(home);
  switch (found.state) {
    case 'absent':
      return { detail: 'embedded, made at the first start' };
    case 'stopped':
      return { detail: `embedded in ${found.dataDirectory}, stopped: the next start starts it` };
    case 'running': {
      const users = found.users.length === 0 ? 'nobody' : `process ${found.users.join(', ')}`;
      return {
        detail: `embedded in ${found.dataDirectory}, running on 127.0.0.1:${found.port}, used by ${users}`,
        adminUrl: found.url,
      };
    }
  }
}

async function findGiven(url: string): Promise<FoundDatabase> {
  await reachDatabase(url);
  const { hostname, port, pathname } = new URL(url);
  const server = `${hostname || 'localhost'}:${port || '5432'}`;
  return { detail: `DATABASE_URL answers: ${pathname.slice(1)} on ${server}`, adminUrl: url };
}

async function checkCatalogue(checkup: Checkup, adminUrl: string, logins: ServerUrls): Promise<boolean> {
  let found: DatabaseCondition | undefined;
  const look = async (): Promise<DatabaseCondition> => (found ??= await inspectDatabase(adminUrl, logins));
  const holds = [
    await checkup.check('version', async () => {
      const { version, isSupported } = await look();
      if (isSupported) return `PostgreSQL ${version}`;
      const { min, max } = POSTGRES_VERSIONS;
      throw new Ailment(`PostgreSQL ${version}`, `use one from ${min} to ${max}`);
    }),
    await checkup.check('roles', async () => {
      const { roleFaults } = await look();
      if (roleFaults.length > 0) throw new Ailment(roleFaults.join('; '), MIGRATE);
      return 'logins and memberships are there, and none may alter events';
    }),
    await checkup.check('schema', async () => {
      const { missingMigrations, unknownMigrations } = await look();
      if (missingMigrations.length > 0) throw new Ailment(`lacks ${missingMigrations.join(', ')}`, MIGRATE);
      const newer = unknownMigrations.length;
      return `all ${knownMigrations.length} migrations${newer === 0 ? '' : `, and ${newer} of a newer version`}`;
    }),
  ];
  return holds.every(Boolean);
}

/** As the server connects: with its own logins, which it may refuse to run as. */
async function checkLogins(checkup: Checkup, logins: ServerUrls): Promise<void> {
  const database = new Database(logins);
  try {
    const isConnected = await checkup.check('logins', async () => {
      await database.connect().catch((error: Error & { code?: string }) => {
        if (error.code === undefined) throw error;
        throw new Ailment(connectionFault(error, logins.writerUrl), MIGRATE);
      });
      return 'the server can connect';
    });
    if (isConnected) await checkLog(checkup, database);
    else checkup.skip('the server cannot connect', ...LOG_CHECKS);
  } finally {
    await database.onApplicationShutdown();
  }
}
