import { Client } from 'pg';
import { ConfigError } from './config';

const CONNECT_MS = 5_000;

/**
 * Connects once, so that a database that is not there is named before anything builds on it.
 *
 * @throws ConfigError that says why not and what to do, without the password.
 */
export async function reachDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new ConfigError(`DATABASE_URL: ${connectionFault(error, url)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Why a connection failed and what to do, in one line and without the password. */
export function connectionFault(error: unknown, url: string): string {
  const { hostname, port, pathname, username } = new URL(url);
  const server = `${hostname || 'localhost'}:${port || '5432'}`;
  // A name with several addresses fails with all of their errors.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code, message } = first as { code?: string; message?: string };
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on ${server}; start PostgreSQL there, or correct the address`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `there is no host ${hostname}; correct the address`;
    case '28P01':
    case '28000':
      return `${server} refuses ${username}: wrong user or password`;
    case '3D000':
      return `${server} has no database ${pathname.slice(1)}; create it, or name another`;
    default:
      return `cannot reach ${server}: ${(message ?? 'no answer').replaceAll('\n', ' ')}`;
  }
}
