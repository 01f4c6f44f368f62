import { z } from 'zod';
import { canonicalStorageUrl, hasCredentials, isPostgresUrl, isUrlOf } from './config-urls';
import { nearest } from './nearest';

export const PROCESS_ROLES = ['api', 'worker', 'projector', 'scheduler'] as const;
/** A part of the work that a process may take. */
export type ProcessRole = (typeof PROCESS_ROLES)[number];

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const POSTGRES_URL = 'a URL like postgres://user:password@host:5432/database';
const WEB_URL = 'a URL that starts with http:// or https://';
const PROVIDER_URL = `${WEB_URL}, without a user or password (the key is IMAGE_PROVIDER_KEY)`;
const STORAGE_URLS = 'file:<directory>, or s3://bucket?endpoint=https://…&region=…';

const port = z
  .string()
  .refine(
    (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535,
    'an integer from 0 to 65535 (0: any free port)',
  )
  .transform(Number);

const roles = z.string().transform((text, context): ReadonlySet<ProcessRole> => {
  const named = new Set<ProcessRole>();
  for (const word of text.split(',').map((part) => part.trim())) {
    const role = PROCESS_ROLES.find((candidate) => candidate === word);
    if (role === undefined) {
      context.addIssue({
        code: 'custom',
        message: `any of ${PROCESS_ROLES.join(',')}${didYouMean(word, PROCESS_ROLES)}`,
      });
      return z.NEVER;
    }
    named.add(role);
  }
  return named;
});

const logLevel = z.string().transform((text, context): LogLevel => {
  const level = LOG_LEVELS.find((candidate) => candidate === text);
  if (level !== undefined) return level;
  context.addIssue({
    code: 'custom',
    message: `one of ${LOG_LEVELS.join(', ')}${didYouMean(text, LOG_LEVELS)}`,
  });
  return z.NEVER;
});

const storageUrl = z.string().transform((text, context): string => {
  const url = canonicalStorageUrl(text);
  if (url !== undefined) return url;
  context.addIssue({ code: 'custom', message: STORAGE_URLS });
  return z.NEVER;
});

const webUrl = z.string().refine((text) => isUrlOf(text, ['http:', 'https:']), WEB_URL);
const providerUrl = z
  .string()
  .refine((text) => isUrlOf(text, ['http:', 'https:']) && !hasCredentials(text), PROVIDER_URL);
const postgresUrl = z.string().refine(isPostgresUrl, POSTGRES_URL);
const line = (allowed: string) =>
  z.string().refine((text) => text.trim() !== '' && !/[\r\n\0]/.test(text), allowed);

/** Every variable that the server reads: its form, its default, and in its message what is allowed. */
export const environment = z.object({
  PORT: port.default(3000),
  HOST: line('a host name or an address to listen on').default('127.0.0.1'),
  GENLEDGER_HOME: line('a directory').default('.genledger'),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_APP_URL: postgresUrl.optional(),
  GENLEDGER_ROLES: roles.default(new Set(PROCESS_ROLES)),
  STORAGE_URL: storageUrl.optional(),
  JWT_SECRET: z
    .string()
    .refine((text) => Buffer.byteLength(text) >= 32, 'at least 32 bytes, for HS256')
    .optional(),
  JWKS_URL: webUrl.optional(),
  JWT_ISSUER: line('the exact value of the claim iss').default('genledger'),
  JWT_AUDIENCE: line('the exact value of the claim aud').default('authenticated'),
  IMAGE_PROVIDER_URL: providerUrl.optional(),
  // It travels in a header: what has no place there would be quoted in the error that says so.
  IMAGE_PROVIDER_KEY: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'the key of the image provider: visible ASCII characters, no spaces')
    .optional(),
  IMAGE_PROVIDER_MODEL: line('the name of a model').optional(),
  NATS_URL: z
    .string()
    .refine((text) => isUrlOf(text, ['nats:', 'tls:', 'ws:', 'wss:']), 'a URL like nats://host:4222')
    .optional(),
  LOG_LEVEL: logLevel.default('info'),
});

export const VARIABLES = Object.keys(environment.shape);

/** Never printed, whatever is wrong with them. */
export const SECRET_VARIABLES: ReadonlySet<string> = new Set(['JWT_SECRET', 'IMAGE_PROVIDER_KEY']);

/** May hold a password, and are printed only when they plainly do not. */
export const URL_VARIABLES: ReadonlySet<string> = new Set(VARIABLES.filter((name) => name.endsWith('_URL')));

function didYouMean(word: string, allowed: readonly string[]): string {
  const meant = nearest(word, allowed);
  return meant === undefined ? '' : ` (did you mean ${meant}?)`;
}
