import { createHash } from 'node:crypto';
import { commitContent, contentHash, NotIJson, toIJson } from './event-rows';

const NUL = String.fromCharCode(0);
const LONE_HIGH = String.fromCharCode(0xd83d);
const LONE_LOW = String.fromCharCode(0xde00);

describe('I-JSON', () => {
  it.each([
    ['a NUL', `a${NUL}b`],
    ['a lone high surrogate', `a${LONE_HIGH}`],
    ['a lone low surrogate', `${LONE_LOW}b`],
    ['surrogates in the wrong order', LONE_LOW + LONE_HIGH],
    ['a NUL behind a backslash', `\\${NUL}`],
    ['a NUL behind two backslashes', `\\\\${NUL}`],
    ['a lone surrogate behind a backslash', `\\${LONE_HIGH}`],
  ])('refuses %s, wherever it stands', (_what, text) => {
    expect(() => toIJson({ text })).toThrow(NotIJson);
    expect(() => toIJson({ deep: [{ text }] })).toThrow(NotIJson);
    expect(() => toIJson({ [text]: 1 })).toThrow(NotIJson);
  });

  it.each([
    ['text that only looks like an escape', '\\u0000 \\ud800 \\\\u0000'],
    ['pairs of surrogates', '😀 👩‍👩‍👧‍👦 𝒳'],
    ['other control characters', '\u0001\b\t\n\f\r\u001f\u007f'],
    ['quotes and backslashes', '"\\"\\\\\' \\" \\\\"'],
    ['line separators and a byte order mark', '\u2028\u2029\ufeff'],
    ['many scripts', 'Grüße, 世界, مرحبا, नमस्ते'],
    ['nothing', ''],
  ])('takes %s, and reads the same back', (_what, text) => {
    const value = { text, [text]: [text] };
    expect(JSON.parse(toIJson(value))).toEqual(value);
  });

  it('is the text that JSON.stringify makes, member by member in the order given', () => {
    expect(toIJson({ b: 1, a: [1.5, null, true], c: undefined })).toBe('{"b":1,"a":[1.5,null,true]}');
  });
});

describe('a commitment to erasable text', () => {
  it('is the SHA-256 of salt and body', () => {
    const { body, salt, sha256 } = commitContent({ prompt: 'Käse 🧀' });
    expect(body).toBe('{"prompt":"Käse 🧀"}');
    expect(sha256).toBe(
      createHash('sha256')
        .update(Buffer.concat([salt, Buffer.from(body, 'utf8')]))
        .digest('hex'),
    );
    expect(contentHash(salt, body)).toBe(sha256);
  });

  it('differs each time, so that equal texts cannot be told from the log', () => {
    const commitments = Array.from({ length: 1_000 }, () => commitContent({ prompt: 'a cat' }));
    expect(new Set(commitments.map(({ sha256 }) => sha256)).size).toBe(1_000);
    expect(commitments.every(({ salt }) => salt.length === 16)).toBe(true);
  });

  it('still holds after other salts were made', () => {
    const first = commitContent({ prompt: 'a cat' });
    for (let made = 0; made < 600; made++) commitContent({ prompt: 'another' });
    expect(contentHash(first.salt, first.body)).toBe(first.sha256);
  });

  it('is not made for text that is no I-JSON', () => {
    expect(() => commitContent({ prompt: NUL })).toThrow(NotIJson);
  });
});
