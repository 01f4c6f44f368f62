import { resolve } from 'node:path';
import type { z } from 'zod';
import { environment, SECRET_VARIABLES, URL_VARIABLES, VARIABLES } from './config-variables';
import { fileStorageUrl } from './config-urls';
import type { LogLevel, ProcessRole } from './config-variables';
import { nearest } from './nearest';

/** Injection token of the process's {@link Config}. */
export const GENLEDGER_CONFIG = Symbol('GENLEDGER_CONFIG');

/** What the environment asked for, parsed once at start. */
export interface Config {
  /** 0 asks the system for a free one. */
  readonly port: number;
  readonly host: string;
  /** Absolute path: embedded database, local storage, development secrets. */
  readonly home: string;
  /** Absent: the embedded database. */
  readonly databaseUrl?: string;
  readonly databaseAppUrl?: string;
  readonly roles: ReadonlySet<ProcessRole>;
  /** `file:///absolute/path` or `s3://bucket?…`. */
  readonly storageUrl: string;
  readonly jwt: {
    readonly secret?: string;
    readonly jwksUrl?: string;
    readonly issuer: string;
    readonly audience: string;
  };
  readonly imageProvider?: { readonly url: string; readonly key?: string; readonly model?: string };
  readonly natsUrl?: string;
  readonly logLevel: LogLevel;
}

/** A variable that stops the start. The message is one line: its name, its value (no secrets), what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the configuration out of an environment (`process.env`). An empty variable counts as not given.
 *
 * @throws ConfigError for a bad value, a contradiction, or an unknown `GENLEDGER_…` name.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  refuseUnknownNames(Object.keys(given));
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw describe(parsed.error, given);
  const read = parsed.data;
  refuseContradictions(read);
  const home = resolve(read.GENLEDGER_HOME);
  return {
    port: read.PORT,
    host: read.HOST,
    home,
    databaseUrl: read.DATABASE_URL,
    databaseAppUrl: read.DATABASE_APP_URL,
    roles: read.GENLEDGER_ROLES,
    storageUrl: read.STORAGE_URL ?? fileStorageUrl(homeStorage(home)),
    jwt: {
      secret: read.JWT_SECRET,
      jwksUrl: read.JWKS_URL,
      issuer: read.JWT_ISSUER,
      audience: read.JWT_AUDIENCE,
    },
    imageProvider:
      read.IMAGE_PROVIDER_URL === undefined
        ? undefined
        : { url: read.IMAGE_PROVIDER_URL, key: read.IMAGE_PROVIDER_KEY, model: read.IMAGE_PROVIDER_MODEL },
    natsUrl: read.NATS_URL,
    logLevel: read.LOG_LEVEL,
  };
}

/** Where files are kept unless STORAGE_URL names another place. */
export function homeStorage(home: string): string {
  return resolve(home, 'storage');
}

function refuseUnknownNames(names: readonly string[]): void {
  const known = VARIABLES.filter((name) => name.startsWith('GENLEDGER_'));
  for (const name of names) {
    if (!name.toUpperCase().startsWith('GENLEDGER_') || known.includes(name)) continue;
    const meant = nearest(name, known);
    throw new ConfigError(
      `${oneLine(name)} is not a variable of Genledger; allowed: ${known.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`,
    );
  }
}

function refuseContradictions(read: z.infer<typeof environment>): void {
  if (read.JWT_SECRET !== undefined && read.JWKS_URL !== undefined) {
    throw new ConfigError('JWT_SECRET and JWKS_URL exclude each other; allowed: one of them, or neither');
  }
  const dependent = [
    ['DATABASE_APP_URL', 'DATABASE_URL'],
    ['IMAGE_PROVIDER_KEY', 'IMAGE_PROVIDER_URL'],
    ['IMAGE_PROVIDER_MODEL', 'IMAGE_PROVIDER_URL'],
  ] as const;
  for (const [name, needed] of dependent) {
    if (read[name] !== undefined && read[needed] === undefined) {
      throw new ConfigError(`${name} is given without ${needed}; allowed: only together with ${needed}`);
    }
  }
}

function describe(error: z.ZodError, given: Readonly<Record<string, string | undefined>>): ConfigError {
  const issue = error.issues[0];
  const name = String(issue?.path[0]);
  return new ConfigError(
    `${name}=${shown(name, given[name] ?? '')} is not allowed; allowed: ${issue?.message}`,
  );
}

/** The value as it may be printed: secrets never, URLs without their passwords, all on one line. */
function shown(name: string, value: string): string {
  if (SECRET_VARIABLES.has(name)) return '(not shown)';
  if (!URL_VARIABLES.has(name)) return oneLine(value);
  if (value.includes('@') || /[?&][^=]*(password|secret|key|token)/i.test(value))
    return '(not shown: it may hold a password)';
  return oneLine(value);
}

function oneLine(value: string): string {
  const quoted = JSON.stringify(value);
  return quoted.length <= 120 ? quoted : `${quoted.slice(0, 117)}…"`;
}
