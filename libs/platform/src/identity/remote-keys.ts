import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors } from 'jose';
import type { JWTVerifyGetKey } from 'jose';
import { Problem } from '../http/problems';

const COOLDOWN_MS = 30_000;
const MAX_KEY_SET_BYTES = 1024 * 1024;

/**
 * The issuer's keys by JWKS. An unknown key id asks again at most every 30 s. While the endpoint is down, the keys
 * it last gave go on serving, and it is tried again every 30 s; with none yet the answer is `service-unavailable`.
 */
export function remoteKeys(url: string): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(url), {
    cooldownDuration: COOLDOWN_MS,
    [customFetch]: fetchSmall,
  });
  let downUntil = 0;
  return async (header, token) => {
    const stale = remote.jwks();
    if (stale !== undefined && Date.now() < downUntil) return createLocalJWKSet(stale)(header, token);
    try {
      return await remote(header, token);
    } catch (error) {
      if (isAboutTheToken(error)) throw error;
      downUntil = Date.now() + COOLDOWN_MS;
      if (stale !== undefined) return createLocalJWKSet(stale)(header, token);
      throw new Problem('service-unavailable', 'The keys of the token issuer cannot be fetched', {
        cause: error,
      });
    }
  };
}

function isAboutTheToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

/** fetch() that gives up on an answer of more than a key set can have. */
async function fetchSmall(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_KEY_SET_BYTES) throw new Error('The key set is too large');
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
