import { createLocalJWKSet, createRemoteJWKSet, customFetch } from 'jose';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import { Problem } from '../http/problems';

/** How often an unknown key id, or an endpoint that is down, makes us ask for the keys anew. */
const COOLDOWN_MS = 30_000;
/** The same while there is no key yet: as long as `service-unavailable` tells clients to wait. */
const FIRST_KEYS_COOLDOWN_MS = 1_000;
const TIMEOUT_MS = 5_000;
const MAX_KEY_SET_BYTES = 1024 * 1024;

class KeySetUnavailable extends Error {}

/**
 * The issuer's keys by JWKS. An unknown key id asks again at most every 30 s. While the endpoint is down, slow or
 * answers no key set, the keys it last gave go on serving, and it is tried again every 30 s; with none yet the answer is
 * `service-unavailable`, and it is tried again every second. Redirects are not followed: the keys are whose URL it is.
 */
export function remoteKeys(url: string, timeoutMs = TIMEOUT_MS): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(url), {
    cooldownDuration: COOLDOWN_MS,
    timeoutDuration: timeoutMs,
    [customFetch]: fetchKeySet,
  });
  let failure: { readonly cause: KeySetUnavailable; readonly retryAt: number } | undefined;
  return async (header, token) => {
    const last = remote.jwks();
    if (failure === undefined || Date.now() >= failure.retryAt) {
      try {
        const key = await remote(header, token);
        failure = undefined;
        return key;
      } catch (error) {
        if (!(error instanceof KeySetUnavailable)) throw error;
        const cooldown = last === undefined ? FIRST_KEYS_COOLDOWN_MS : COOLDOWN_MS;
        failure = { cause: error, retryAt: Date.now() + cooldown };
      }
    }
    if (last !== undefined) return createLocalJWKSet(last)(header, token);
    throw new Problem('service-unavailable', 'The keys of the token issuer cannot be fetched', {
      cause: failure.cause,
    });
  };
}

/** fetch() that answers a key set, of no more bytes than one can have, or fails as one error. */
async function fetchKeySet(url: string, options: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, options);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`The status is ${response.status}`);
    }
    const text = await readSmall(response);
    createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    return new Response(text);
  } catch (cause) {
    throw new KeySetUnavailable('The key set cannot be fetched', { cause });
  }
}

async function readSmall(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_KEY_SET_BYTES) throw new Error('The key set is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
