import { createHmac, timingSafeEqual } from 'node:crypto';

/** Seconds. */
export const LINK_TTL = 15 * 60;

export interface SignedLink {
  readonly url: string;
  /** ISO 8601. */
  readonly url_expires_at: string;
}

export type LinkVerdict = 'valid' | 'link-expired' | 'invalid-signature';

/**
 * Links to an upload's content that need no credentials and work for 15 minutes.
 *
 * `signature` is HMAC-SHA256 in base64url over `upload-content`, the id and `expires` (seconds since 1970), each on a
 * line, with a key that is used for nothing else.
 */
export class UploadLinks {
  constructor(private readonly key: Uint8Array) {}

  /** `baseUrl` is scheme and host, `https://files.example`; without it the url is a path. */
  sign(uploadId: string, baseUrl = '', now: Date = new Date()): SignedLink {
    const expires = Math.floor(now.getTime() / 1000) + LINK_TTL;
    const signature = this.macOf(uploadId, String(expires)).toString('base64url');
    const path = `/v1/uploads/${uploadId}/content?expires=${expires}&signature=${signature}`;
    return { url: baseUrl + path, url_expires_at: new Date(expires * 1000).toISOString() };
  }

  /** `expires` and `signature` as they came in the query. Only a genuine link can be called expired. */
  verify(uploadId: string, expires: unknown, signature: unknown, now: Date = new Date()): LinkVerdict {
    if (typeof expires !== 'string' || !/^\d{1,12}$/.test(expires)) return 'invalid-signature';
    if (typeof signature !== 'string') return 'invalid-signature';
    // Compared as text: the last base64url character has bits to spare, and a link has one spelling.
    const expected = Buffer.from(this.macOf(uploadId, expires).toString('base64url'));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'invalid-signature';
    return Number(expires) * 1000 > now.getTime() ? 'valid' : 'link-expired';
  }

  private macOf(uploadId: string, expires: string): Buffer {
    return createHmac('sha256', this.key).update(`upload-content\n${uploadId}\n${expires}`).digest();
  }
}
