import { createHmac } from 'node:crypto';
import { Client } from 'pg';

/**
 * The roles of a Genledger database (docs/adr/0003-three-database-roles.md).
 *
 * Owner `genledger_owner` only migrates. `genledger_writer` runs batches and projections. `authenticated` reads its own
 * rows, `genledger_auditor` all rows. The server logs in as `genledger_server` (the writer) and `genledger_reader`
 * (may become one of the two readers, holds nothing itself). Passwords are derived from the migrating login's own, so
 * that every process of an installation computes the same.
 */
const GROUP_ROLES = ['genledger_owner', 'genledger_writer', 'authenticated', 'genledger_auditor'];

/** The server's logins, and the roles that each has to be a member of. */
const LOGINS = {
  genledger_server: ['genledger_writer'],
  genledger_reader: ['authenticated', 'genledger_auditor'],
} as const;

export interface ServerUrls {
  readonly writerUrl: string;
  readonly readerUrl: string;
}

/** `appUrl`: one login for both, where the migrating one may not make any. */
export function serverUrls(adminUrl: string, appUrl?: string): ServerUrls {
  if (appUrl !== undefined) return { writerUrl: appUrl, readerUrl: appUrl };
  return {
    writerUrl: loginUrl(adminUrl, 'genledger_server'),
    readerUrl: loginUrl(adminUrl, 'genledger_reader'),
  };
}

function loginUrl(adminUrl: string, login: string): string {
  const url = new URL(adminUrl);
  url.password = loginPassword(adminUrl, login);
  url.username = login;
  return url.href;
}

function loginPassword(adminUrl: string, login: string): string {
  const own = decodeURIComponent(new URL(adminUrl).password);
  return createHmac('sha256', own).update(`genledger login ${login}`).digest('base64url');
}

/** What the server's logins lack, one sentence each: they read and write as members of the group roles. */
export async function missingMemberships(admin: Client, logins: ServerUrls): Promise<string[]> {
  const needed = [
    ...LOGINS.genledger_server.map((role) => ({ login: loginOf(logins.writerUrl), role })),
    ...LOGINS.genledger_reader.map((role) => ({ login: loginOf(logins.readerUrl), role })),
  ];
  const { rows } = await admin.query<{ login: string; role: string; fault: string }>(
    `select n.login, n.role, case when l.oid is null then 'login' when g.oid is null then 'role' else 'member' end as fault
       from json_to_recordset($1) as n (login text, role text)
       left join pg_roles l on l.rolname = n.login left join pg_roles g on g.rolname = n.role
      where l.oid is null or g.oid is null or not pg_has_role(l.oid, g.oid, 'member')`,
    [JSON.stringify(needed)],
  );
  const faults = rows.map(({ login, role, fault }) => {
    if (fault === 'member') return `${login} is no member of ${role}`;
    return fault === 'login' ? `there is no login ${login}` : `there is no role ${role}`;
  });
  return [...new Set(faults)];
}

export function loginOf(url: string): string {
  return decodeURIComponent(new URL(url).username);
}

/** Makes roles, logins, schema and grants where they are missing. Needs CREATEROLE and the right to create schemas. */
export async function ensureDatabaseRoles(admin: Client, adminUrl: string): Promise<void> {
  await refuseWeakLogin(admin);
  for (const role of GROUP_ROLES) await createRole(admin, role, 'nologin');
  for (const login of Object.keys(LOGINS)) {
    await createRole(admin, login, 'login');
    // Roles are the cluster's: two databases of one cluster may set the same password at the same moment.
    await retryWhenConcurrent(() =>
      admin.query(`alter role ${login} password '${loginPassword(adminUrl, login)}'`),
    );
  }
  await retryWhenConcurrent(() =>
    admin.query(`grant ${LOGINS.genledger_server.join(', ')} to genledger_server;
                 alter role genledger_reader noinherit;
                 grant ${LOGINS.genledger_reader.join(', ')} to genledger_reader;
                 grant genledger_owner to current_user`),
  );
  const { rows } = await admin.query<{ super: boolean; name: string }>(
    `select rolsuper as super, current_database() as name from pg_roles where rolname = current_user`,
  );
  await admin.query(`create schema if not exists genledger authorization genledger_owner`);
  if (rows[0]?.super) await restrictAdvisoryLocks(admin);
}

/** Checked before anything is changed: a login of the server's could still change its own password, and lock itself out. */
async function refuseWeakLogin(admin: Client): Promise<void> {
  const { rows } = await admin.query<{ login: string; may: boolean }>(
    `select rolname as login, rolsuper or rolcreaterole as may from pg_roles where rolname = current_user`,
  );
  if (rows[0]?.may === true) return;
  const message = `${rows[0]?.login ?? 'the login'} may not make roles; migrate with one that has CREATEROLE`;
  throw Object.assign(new Error(message), { code: '42501' });
}

/** Anyone who may take advisory locks could hold every feed back, and `set_config` would let a query change its claims. */
async function restrictAdvisoryLocks(admin: Client): Promise<void> {
  const { rows } = await admin.query<{ signature: string }>(
    `select p.oid::regprocedure::text as signature from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'pg_catalog' and (p.proname like 'pg\\_advisory%' or p.proname like 'pg\\_try\\_advisory%'
        or p.proname = 'set_config')`,
  );
  for (const { signature } of rows) {
    await retryWhenConcurrent(() =>
      admin.query(`revoke execute on function ${signature} from public;
                   grant execute on function ${signature} to genledger_owner, genledger_writer`),
    );
  }
}

async function createRole(admin: Client, role: string, kind: 'login' | 'nologin'): Promise<void> {
  const { rows } = await admin.query(`select 1 from pg_roles where rolname = $1`, [role]);
  if (rows.length > 0) return;
  try {
    await admin.query(`create role ${role} ${kind}`);
  } catch (error) {
    if (!['42710', '23505'].includes((error as { code?: string }).code ?? '')) throw error;
  }
}

async function retryWhenConcurrent(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      // XX000 "tuple concurrently updated": catalogue rows have no better answer.
      if ((error as { code?: string }).code !== 'XX000' || attempt === 10) throw error;
    }
  }
}
