import { jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose';
import { Problem } from '../http/problems';
import { isUuid } from '../ids';
import { isRole, ROLES } from './actor';
import type { Actor, Role } from './actor';
import { remoteKeys } from './remote-keys';
import { secretBytes } from './sign-token';
import { TokenCache } from './token-cache';
import { tokenRefused, unauthorized } from './unauthorized';

/** How far the issuer's clock may be from ours, for `exp`, `nbf` and `iat`. */
export const CLOCK_TOLERANCE_SECONDS = 30;
const CACHE_CAPACITY = 10_000;
/** A key that the issuer withdrew stops being good after this at the latest. */
const MAX_CACHED_MS = 5 * 60_000;
/** RFC 7519 §5.1 and RFC 9068 §2.1: what is not labelled as either (an ID token, say) is no access token. */
const TOKEN_TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

export type TokenTrust = { readonly issuer: string; readonly audience: string } & (
  { readonly secret: string | Uint8Array } | { readonly jwksUrl: string }
);

/**
 * Verifies bearer tokens (JWT): HS256 by a shared secret, or RS256, ES256 and EdDSA by the issuer's key set, never
 * both. Keys that a token brings along are never looked at.
 */
export class TokenVerifier {
  private readonly cache = new TokenCache(CACHE_CAPACITY);
  private readonly key: JWTVerifyGetKey | Uint8Array;
  private readonly options: JWTVerifyOptions;

  constructor(trust: TokenTrust) {
    const isShared = 'secret' in trust;
    this.key = isShared ? secretBytes(trust.secret) : remoteKeys(trust.jwksUrl);
    this.options = {
      algorithms: isShared ? ['HS256'] : ['RS256', 'ES256', 'EdDSA'],
      issuer: trust.issuer,
      audience: trust.audience,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    };
  }

  /**
   * Who the token speaks for.
   *
   * @throws Problem `invalid-token` or `token-expired` (401), `service-unavailable` where the issuer's keys never came.
   */
  async verify(token: string): Promise<Actor> {
    const known = this.cache.get(token);
    if (known !== undefined) return known;
    const payload = await this.check(token);
    const actor = actorOf(payload);
    const now = Date.now();
    this.cache.set(token, actor, Math.min((payload.exp ?? 0) * 1000, now + MAX_CACHED_MS));
    return actor;
  }

  private async check(token: string): Promise<JWTPayload> {
    try {
      const { key, options } = this;
      const { payload, protectedHeader } =
        typeof key === 'function'
          ? await jwtVerify(token, key, options)
          : await jwtVerify(token, key, options);
      const type = protectedHeader.typ?.toLowerCase();
      if (type !== undefined && !TOKEN_TYPES.has(type))
        throw unauthorized('invalid-token', 'The token is not an access token, by its typ');
      if (payload.iat !== undefined && payload.iat > Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS) {
        throw unauthorized('invalid-token', 'The token was issued in the future, by its iat');
      }
      return payload;
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw tokenRefused(error);
    }
  }
}

function actorOf(payload: JWTPayload): Actor {
  if (!isUuid(payload.sub))
    throw unauthorized('invalid-token', 'The sub of the token is no UUID in lower case');
  // Supabase's database role. Another value is a token that was made for more than a user's access.
  const databaseRole = payload['role'];
  if (databaseRole !== undefined && databaseRole !== 'authenticated')
    throw unauthorized('invalid-token', 'The role of the token is not authenticated');
  return { userId: payload.sub, role: roleOf(payload['app_metadata']) };
}

/** Only app_metadata counts: users can edit their user_metadata. */
function roleOf(metadata: unknown): Role {
  if (metadata === undefined || metadata === null) return 'user';
  if (typeof metadata !== 'object')
    throw unauthorized('invalid-token', 'The app_metadata of the token is no object');
  const role = (metadata as Readonly<Record<string, unknown>>)['genledger_role'];
  if (role === undefined) return 'user';
  if (!isRole(role))
    throw unauthorized('invalid-token', `The genledger_role of the token is none of ${ROLES.join(', ')}`);
  return role;
}
