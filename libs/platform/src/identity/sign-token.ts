import { SignJWT } from 'jose';
import type { Role } from './actor';

export interface TokenRequest {
  readonly userId: string;
  readonly role: Role;
  /** The HS256 secret: JWT_SECRET, or the server's own. */
  readonly secret: string | Uint8Array;
  readonly issuer: string;
  readonly audience: string;
  readonly ttlSeconds: number;
}

/** A bearer token as the server itself accepts it (HS256, `typ` JWT), for the command line and for tests. */
export async function signToken(request: TokenRequest): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ role: 'authenticated', app_metadata: { genledger_role: request.role } })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.userId)
    .setIssuer(request.issuer)
    .setAudience(request.audience)
    .setIssuedAt(now)
    .setExpirationTime(now + request.ttlSeconds)
    .sign(secretBytes(request.secret));
}

export function secretBytes(secret: string | Uint8Array): Uint8Array {
  return typeof secret === 'string' ? new TextEncoder().encode(secret) : new Uint8Array(secret);
}
