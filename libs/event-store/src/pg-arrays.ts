/**
 * PostgreSQL arrays in its binary format, for the parameters of set-based statements.
 *
 * node-postgres sends a Buffer as a binary parameter. Against its text arrays this saves quoting every JSON text here and
 * parsing it there (docs/adr/0004-binary-parameters.md has the numbers). Layout: int32 dimensions, int32 has-nulls, uint32
 * element type, int32 length, int32 lower bound, then int32 size (-1: null) and bytes of each element.
 */
const OID = {
  bytea: 17,
  int8: 20,
  int4: 23,
  text: 25,
  tid: 27,
  json: 114,
  timestamptz: 1184,
  uuid: 2950,
} as const;

// PostgreSQL counts time in microseconds from 2000-01-01; we count in milliseconds from 1970-01-01.
const EPOCH_2000_MS = 946_684_800_000n;

let scratch = Buffer.allocUnsafe(256 * 1024);

type Element<T> = (value: T, at: number) => number;

function encode<T>(
  oid: number,
  values: readonly (T | null | undefined)[],
  sizeOf: (value: T) => number,
  write: Element<T>,
): Buffer {
  if (values.length === 0) {
    const empty = Buffer.alloc(12);
    empty.writeUInt32BE(oid, 8);
    return empty;
  }
  let at = 20;
  let nulls = 0;
  for (const value of values) {
    if (value === null || value === undefined) {
      reserve(at + 4);
      scratch.writeInt32BE(-1, at);
      at += 4;
      nulls = 1;
    } else {
      reserve(at + 4 + sizeOf(value));
      const end = write(value, at + 4);
      scratch.writeInt32BE(end - at - 4, at);
      at = end;
    }
  }
  scratch.writeInt32BE(1, 0);
  scratch.writeInt32BE(nulls, 4);
  scratch.writeUInt32BE(oid, 8);
  scratch.writeInt32BE(values.length, 12);
  scratch.writeInt32BE(1, 16);
  return Buffer.from(scratch.subarray(0, at));
}

function reserve(size: number): void {
  if (size <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(size, scratch.length * 2));
  scratch.copy(larger);
  scratch = larger;
}

// UTF-8 takes at most three bytes for each UTF-16 unit.
const textSize = (value: string): number => value.length * 3;
const writeText: Element<string> = (value, at) => at + scratch.write(value, at);

export function textArray(values: readonly (string | null | undefined)[]): Buffer {
  return encode(OID.text, values, textSize, writeText);
}

/** Texts that are already JSON. */
export function jsonArray(values: readonly (string | null | undefined)[]): Buffer {
  return encode(OID.json, values, textSize, writeText);
}

export function intArray(values: readonly (number | null | undefined)[]): Buffer {
  return encode(
    OID.int4,
    values,
    () => 4,
    (value, at) => scratch.writeInt32BE(value, at),
  );
}

export function bigintArray(values: readonly (number | null | undefined)[]): Buffer {
  return encode(
    OID.int8,
    values,
    () => 8,
    (value, at) => scratch.writeBigInt64BE(BigInt(value), at),
  );
}

/** Milliseconds since 1970. */
export function timestampArray(values: readonly (number | null | undefined)[]): Buffer {
  return encode(
    OID.timestamptz,
    values,
    () => 8,
    (ms, at) => scratch.writeBigInt64BE((BigInt(Math.trunc(ms)) - EPOCH_2000_MS) * 1000n, at),
  );
}

export function byteaArray(values: readonly (Buffer | null | undefined)[]): Buffer {
  return encode(
    OID.bytea,
    values,
    (value) => value.length,
    (value, at) => at + value.copy(scratch, at),
  );
}

/** Row addresses as PostgreSQL prints them: `(block,offset)`. */
export function tidArray(values: readonly string[]): Buffer {
  return encode(
    OID.tid,
    values,
    () => 6,
    (value, at) => {
      const comma = value.indexOf(',');
      scratch.writeUInt32BE(Number(value.slice(1, comma)), at);
      return scratch.writeUInt16BE(Number(value.slice(comma + 1, -1)), at + 4);
    },
  );
}

/** UUIDs in canonical lower-case spelling, the one that PostgreSQL answers with. Throws TypeError at any other. */
export function uuidArray(values: readonly (string | null | undefined)[]): Buffer {
  return encode(OID.uuid, values, () => 16, writeUuid);
}

const NO_DIGIT = 0x10;
const NIBBLE = new Uint8Array(128).fill(NO_DIGIT);
for (let digit = 0; digit < 16; digit++) NIBBLE[digit.toString(16).charCodeAt(0)] = digit;

const writeUuid: Element<string> = (uuid, at) => {
  let out = at;
  let seen = uuid.length === 36 ? 0 : NO_DIGIT;
  for (let i = 0; i < 36; i += 2) {
    if (i === 8 || i === 13 || i === 18 || i === 23) i++;
    const high = NIBBLE[uuid.charCodeAt(i)] ?? NO_DIGIT;
    const low = NIBBLE[uuid.charCodeAt(i + 1)] ?? NO_DIGIT;
    seen |= high | low;
    scratch[out++] = (high << 4) | low;
  }
  if (seen & NO_DIGIT) throw new TypeError(`not a canonical UUID: ${uuid}`);
  return out;
};
