import { Problem } from './problems';
import type { ProblemCode } from './problems';

/** Caps on a JSON body, and what they are for: nothing below HTTP meets a value that it would lose or trip over. */
export const JSON_LIMITS = { depth: 16, properties: 1000, items: 10_000, keyLength: 256 } as const;

export interface JsonScan {
  /** The first fault in the order of the text. */
  readonly fault: Problem | undefined;
  /** Some number is `-0`, which JSON.parse would keep. */
  readonly hasNegativeZero: boolean;
}

interface Frame {
  /** Keys met so far; undefined for an array. */
  readonly keys: Set<string> | undefined;
  /** In an object: the key in hand. */
  key: string;
  /** In an array: index of the item in hand. */
  index: number;
  expectsKey: boolean;
}

const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/**
 * Reads JSON text once, without recursion, for what JSON.parse does not tell: depth, repeated and forbidden keys,
 * strings that cannot be stored, numbers that a double cannot hold. Text that is not JSON gives some result or
 * other: whether it is JSON is for JSON.parse to say.
 *
 * @throws Problem `too-deep` at once, before anything else looks at the text.
 */
export function scanJson(text: string): JsonScan {
  const frames: Frame[] = [];
  const hasEscapes = text.includes('\\');
  let frame: Frame | undefined;
  let fault: Problem | undefined;
  let hasNegativeZero = false;
  const report = (code: ProblemCode, detail?: string): void => {
    const pointer = pointerOf(frames);
    fault ??= new Problem(code, undefined, {
      errors: [{ pointer, code, detail: detail ?? new Problem(code).message }],
    });
  };

  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at + 1);
      if (frame?.expectsKey) {
        frame.expectsKey = false;
        const key = hasEscapes ? unescaped(text, at, end) : text.slice(at + 1, end);
        takeKey(frame, key, report);
        if (hasEscapes && !isStorable(key)) report('invalid-characters');
      } else if (hasEscapes && !isStorable(unescaped(text, at, end))) {
        report('invalid-characters');
      }
      at = end;
    } else if (char === MINUS || (char >= 48 && char <= 57)) {
      const end = endOfNumber(text, at + 1);
      // Up to 15 digits fit a double whatever they are.
      if (char === MINUS || end - at > 15 || hasExponent(text, at, end)) {
        const number = text.slice(at, end);
        if (!isExact(number)) report('out-of-range');
        else if (Object.is(Number(number), -0)) hasNegativeZero = true;
      }
      at = end - 1;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (frames.length === JSON_LIMITS.depth)
        throw new Problem('too-deep', `At most ${JSON_LIMITS.depth} levels`);
      frame = {
        keys: char === OPEN_OBJECT ? new Set() : undefined,
        key: '',
        index: 0,
        expectsKey: char === OPEN_OBJECT,
      };
      frames.push(frame);
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      frames.pop();
      frame = frames.at(-1);
    } else if (char === COMMA && frame !== undefined) {
      if (frame.keys !== undefined) frame.expectsKey = true;
      else if (++frame.index === JSON_LIMITS.items)
        report('too-many-items', `At most ${JSON_LIMITS.items} items`);
    }
  }
  return { fault, hasNegativeZero };
}

function takeKey(frame: Frame, key: string, report: (code: ProblemCode, detail?: string) => void): void {
  const keys = frame.keys;
  if (keys === undefined) return;
  frame.key = key.slice(0, JSON_LIMITS.keyLength);
  if (key.length > JSON_LIMITS.keyLength)
    report('key-too-long', `At most ${JSON_LIMITS.keyLength} characters`);
  // Nest and class-transformer would drop them in silence, and trip over a "constructor" that is no class.
  if (key === '__proto__' || key === 'constructor' || key === 'prototype') report('forbidden-key');
  else if (keys.has(key)) report('duplicate-key');
  keys.add(key);
  if (keys.size === JSON_LIMITS.properties + 1) {
    report('too-many-properties', `At most ${JSON_LIMITS.properties} properties`);
  }
}

/** Index of the closing quote, or the end of the text. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end > from && text.charCodeAt(end - 1) === BACKSLASH) {
    let backslashes = 1;
    while (end - 1 - backslashes >= from && text.charCodeAt(end - 1 - backslashes) === BACKSLASH)
      backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return end === -1 ? text.length : end;
}

/** The string between the quotes at `start` and `end`; as it stands where its escapes are not JSON. */
function unescaped(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end);
  if (!raw.includes('\\')) return raw;
  try {
    const value: unknown = JSON.parse(text.slice(start, end + 1));
    return typeof value === 'string' ? value : raw;
  } catch {
    return raw;
  }
}

/** No NUL, which PostgreSQL refuses, and no lone surrogate, which it would replace. */
function isStorable(value: string): boolean {
  return !value.includes('\0') && !/\p{Surrogate}/u.test(value);
}

function endOfNumber(text: string, from: number): number {
  let end = from;
  for (; end < text.length; end++) {
    const char = text.charCodeAt(end);
    const isPart =
      (char >= 48 && char <= 57) || char === 46 || char === 43 || char === MINUS || (char | 32) === 101;
    if (!isPart) break;
  }
  return end;
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((text.charCodeAt(at) | 32) === 101) return true;
  return false;
}

/**
 * Whether the number is read back as it was sent: finite, as an integer within 2^53 − 1, otherwise of at most 17
 * significant digits (what a double distinguishes), and not so small that it would become 0.
 */
function isExact(number: string): boolean {
  const value = Number(number);
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return false;
  const digits = number.replace(/e.*$/i, '').replace(/[-.]/g, '').replace(/^0+/, '');
  if (value === 0) return digits === '';
  return digits.length <= 17 || digits.replace(/0+$/, '').length <= 17;
}

function pointerOf(frames: readonly Frame[]): string {
  const parts = frames.map((frame) => (frame.keys === undefined ? String(frame.index) : frame.key));
  return `#${parts.map((part) => `/${escapePointer(part)}`).join('')}`;
}

/** One step of a JSON pointer in a URI fragment (RFC 6901 §6). */
export function escapePointer(part: string): string {
  const escaped = part
    .replaceAll('~', '~0')
    .replaceAll('/', '~1')
    .replace(/\p{Surrogate}/gu, '\uFFFD');
  return encodeURIComponent(escaped);
}
