import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Problem } from './problems';

/** Whose page it is, and of which list: a cursor is good for nothing else. */
export interface CursorBinding {
  readonly userId: string;
  /** Route and filters. The order of the keys does not matter. */
  readonly filter: object;
}

const FORM = /^[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{22}$/;
const MAC_BYTES = 16;

/** Opaque keyset cursors: what the last row's keys were, signed so that a client cannot make one up. */
export class CursorCodec {
  constructor(private readonly key: Uint8Array) {}

  /** `payload` is JSON of at most 768 bytes. */
  encode(payload: object, binding: CursorBinding): string {
    const body = Buffer.from(JSON.stringify(payload)).toString('base64url');
    return `${body}.${this.sign(body, binding).toString('base64url')}`;
  }

  /** The payload as it was encoded under the same binding. @throws Problem `invalid-cursor` */
  decode<T extends object>(text: string, binding: CursorBinding): T {
    const [body = '', mac = ''] = FORM.test(text) ? text.split('.') : [];
    const given = Buffer.from(mac, 'base64url');
    const expected = this.sign(body, binding);
    // The last of 22 characters has bits to spare: compared as text, so that there is one spelling of a cursor.
    const isOurs =
      given.length === MAC_BYTES &&
      timingSafeEqual(given, expected) &&
      expected.toString('base64url') === mac;
    if (!isOurs) throw new Problem('invalid-cursor', 'Start again without a cursor');
    return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as T;
  }

  private sign(body: string, { userId, filter }: CursorBinding): Buffer {
    const filterHash = createHash('sha256').update(canonical(filter)).digest();
    const mac = createHmac('sha256', this.key).update(`${body}.${userId}.`).update(filterHash);
    return mac.digest().subarray(0, MAC_BYTES);
  }
}

/** JSON with sorted keys and without undefined members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
