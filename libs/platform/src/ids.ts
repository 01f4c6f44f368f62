import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

// Asking the system for random bytes costs more than the rest of an id: taken by the pageful.
const random = new Uint8Array(16 * 256);
let used = random.length;

function rng(): Uint8Array {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  return random.slice(used, (used += 16));
}

/** A new UUIDv7: time-ordered, monotonic within this process. */
export function newId(): string {
  return v7({ rng });
}

/** A new UUIDv7 of a given moment (ms since 1970): imports, and clocks that tests set. */
export function newIdAt(ms: number): string {
  return v7({ msecs: ms });
}

/** The smallest UUIDv7 of a moment: turns `created_after` into a range of ids. */
export function idFloor(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a canonical lower-case UUID, the only spelling that we take. */
export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}
