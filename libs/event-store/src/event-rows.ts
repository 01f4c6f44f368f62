import { hash, randomFillSync } from 'node:crypto';
import type { Statement } from './batch-transaction';
import { byteaArray, intArray, jsonArray, textArray, timestampArray, uuidArray } from './pg-arrays';

/** Who did it and why; nothing erasable goes in here. */
export interface EventMeta {
  readonly actor: string;
  readonly correlation_id?: string;
  readonly causation_id?: string;
  readonly command_id?: string;
  readonly trace_id?: string;
}

/** An event about to be stored. `data` and `meta` are JSON texts, kept byte for byte. */
export interface NewEvent {
  readonly streamId: string;
  readonly version: number;
  readonly userId: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: string;
  readonly meta: string;
  readonly recordedAt: number;
  /** What the context's folds group by and add up: copies from `data`, for folds without parsing. */
  readonly scopeId?: string | null;
  readonly tally?: readonly number[];
  /** What a change of cost is booked under, as JSON; null where no cent moves. */
  readonly account?: string | null;
}

export interface NewContent {
  readonly streamId: string;
  readonly version: number;
  readonly userId: string;
  readonly salt: Buffer;
  readonly body: string;
}

/**
 * A call of a function of ours with its parameters. They take their types from its signature: casts would be parsed anew at
 * every call.
 */
export function callOf(name: string, parameters: number): string {
  const numbered = Array.from({ length: parameters }, (_, at) => `$${at + 1}`);
  return `genledger.${name}(${numbered.join()})`;
}

const APPEND_EVENTS = `select ${callOf('append_events', 11)} as position`;

/** One statement for all events of a batch. Its row is `{ position }`, the last one given out. */
export function appendStatement(events: readonly NewEvent[]): Statement {
  return {
    text: APPEND_EVENTS,
    values: [
      uuidArray(events.map((event) => event.streamId)),
      intArray(events.map((event) => event.version)),
      uuidArray(events.map((event) => event.userId)),
      textArray(events.map((event) => event.type)),
      intArray(events.map((event) => event.schemaVersion)),
      jsonArray(events.map((event) => event.data)),
      jsonArray(events.map((event) => event.meta)),
      timestampArray(events.map((event) => event.recordedAt)),
      uuidArray(events.map((event) => event.scopeId)),
      textArray(events.map((event) => (event.tally ? `{${event.tally.join()}}` : null))),
      textArray(events.map((event) => event.account)),
    ],
  };
}

export function contentsStatement(contents: readonly NewContent[]): Statement {
  return {
    text: `select ${callOf('insert_contents', 5)}`,
    values: [
      uuidArray(contents.map((content) => content.streamId)),
      intArray(contents.map((content) => content.version)),
      uuidArray(contents.map((content) => content.userId)),
      byteaArray(contents.map((content) => content.salt)),
      jsonArray(contents.map((content) => content.body)),
    ],
  };
}

export class NotIJson extends Error {
  constructor(readonly text: string) {
    super('the value is not I-JSON: it holds a NUL or a lone surrogate');
    this.name = 'NotIJson';
  }
}

/**
 * JSON text of a value that others can hash and read back: no NUL, no lone surrogates (RFC 7493). JSON.stringify writes
 * both as escapes, so one search finds them.
 */
export function toIJson(value: object): string {
  const text = JSON.stringify(value);
  if (text.includes('\\u') && /\\u(?:0000|d[89a-f])/i.test(text.replaceAll('\\\\', '')))
    throw new NotIJson(text);
  return text;
}

const SALT_BYTES = 16;
let salts = Buffer.alloc(0);
let saltsUsed = 0;

function newSalt(): Buffer {
  if (saltsUsed + SALT_BYTES > salts.length) {
    salts = randomFillSync(Buffer.allocUnsafe(SALT_BYTES * 256));
    saltsUsed = 0;
  }
  return salts.subarray(saltsUsed, (saltsUsed += SALT_BYTES));
}

/** Text that can be erased later, and the commitment that stays in the log: hex SHA-256(salt ‖ body). */
export function commitContent(content: object): { body: string; salt: Buffer; sha256: string } {
  const body = toIJson(content);
  const salt = newSalt();
  return { body, salt, sha256: contentHash(salt, body) };
}

export function contentHash(salt: Buffer, body: string): string {
  const bytes = Buffer.allocUnsafe(salt.length + Buffer.byteLength(body));
  salt.copy(bytes);
  bytes.write(body, salt.length);
  // One call instead of three on an object: half the time for texts of this size.
  return hash('sha256', bytes);
}
