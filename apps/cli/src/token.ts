import {
  environmentWithFile,
  isRole,
  isUuid,
  loadConfig,
  loadServerSecret,
  ROLES,
  signToken,
} from '@genledger/platform';
import { CommandFailed, Terminal } from './terminal';

const MAX_TTL_SECONDS = 366 * 86_400;

export interface TokenOptions {
  readonly user: string;
  readonly role: string;
  readonly ttl: string;
  readonly json?: true;
}

/** `genledger token`: prints a bearer token, signed as the server of this environment signs. */
export async function token(terminal: Terminal, { user, role, ttl, json }: TokenOptions): Promise<void> {
  if (!isUuid(user))
    throw new CommandFailed(`--user ${JSON.stringify(user)}: a UUID in lower case is wanted`, 2);
  if (!isRole(role))
    throw new CommandFailed(`--role ${JSON.stringify(role)}: one of ${ROLES.join(', ')} is wanted`, 2);
  const ttlSeconds = wholeNumber('--ttl', ttl, 1, MAX_TTL_SECONDS);
  const { home, jwt } = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  if (jwt.jwksUrl !== undefined)
    throw new CommandFailed('JWKS_URL is set: tokens are signed elsewhere, by whoever holds its keys', 2);
  const { issuer, audience } = jwt;
  const signed = await signToken({
    userId: user,
    role,
    secret: jwt.secret ?? loadServerSecret(home),
    issuer,
    audience,
    ttlSeconds,
  });
  terminal.out(json ? `${JSON.stringify({ token: signed, expires_in: ttlSeconds })}\n` : `${signed}\n`);
}

/** @throws CommandFailed that names the option and what is allowed. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new CommandFailed(
    `${option} ${JSON.stringify(text)}: a whole number from ${min} to ${max} is wanted`,
    2,
  );
}
