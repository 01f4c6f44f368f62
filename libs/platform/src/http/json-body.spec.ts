import fc from 'fast-check';
import { parseJsonBody } from './json-body';
import { Problem } from './problems';

const parse = (text: string | Buffer): unknown => parseJsonBody(Buffer.from(text as string));
const refusal = (text: string | Buffer): { code: string; pointer?: string | undefined } => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof Problem) return { code: error.code, pointer: error.errors?.[0]?.pointer };
    throw error;
  }
  return { code: 'accepted' };
};
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('a JSON body', () => {
  it('is read as JSON.parse reads it, for every value within the caps', () => {
    const value = fc.jsonValue({ maxDepth: 5, noUnicodeString: false }).filter((json) => {
      const text = JSON.stringify(json);
      return (
        !/__proto__|prototype|constructor/.test(text) && !text.includes('\\u0000') && !text.includes('\\ud')
      );
    });
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (json, indent) => {
        const text = JSON.stringify({ json }, null, indent);
        const code = refusal(text).code;
        if (code === 'accepted') expect(parse(text)).toEqual(JSON.parse(text));
        // Only arbitrary doubles may fall outside of what is kept exactly.
        else expect(code).toBe('out-of-range');
      }),
    );
  });

  it('is never judged by anything but a problem, whatever the bytes', () => {
    const soup = fc.array(
      fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', '-', 'e', 'a', '\\u0000', ' '),
    );
    fc.assert(
      fc.property(soup, (parts) => void refusal(parts.join(''))),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void refusal(Buffer.from(bytes))));
  });

  it.each([
    ['nothing', '', 'malformed-json'],
    ['half an object', '{"a":', 'malformed-json'],
    ['NaN', '{"a":NaN}', 'malformed-json'],
    ['Infinity', '{"a":-Infinity}', 'malformed-json'],
    ['a trailing comma', '{"a":1,}', 'malformed-json'],
    ['a comment', '{"a":1/*x*/}', 'malformed-json'],
    ['single quotes', "{'a':1}", 'malformed-json'],
    ['a byte order mark', '\uFEFF{"a":1}', 'malformed-json'],
    ['a raw NUL', '{"a":"\0"}', 'malformed-json'],
    ['a repeated key in what is no JSON', '{"a":1,"a":2', 'malformed-json'],
    ['a cut UTF-8 sequence', Buffer.from([0x7b, 0x22, 0xc3, 0x22, 0x7d]), 'malformed-encoding'],
    ['an overlong UTF-8 sequence', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'malformed-encoding'],
    ['a UTF-16 body', Buffer.from('{"a":"ü"}', 'utf16le'), 'malformed-encoding'],
    ['a scalar', '5', 'validation-failed'],
    ['null', 'null', 'validation-failed'],
    ['17 levels', nested(17), 'too-deep'],
    ['100,000 levels', nested(100_000), 'too-deep'],
    ['100,000 levels that never close', '{"a":'.repeat(100_000), 'too-deep'],
    ['__proto__', '{"__proto__":{"admin":true}}', 'forbidden-key', '#/__proto__'],
    ['__proto__ with escapes', '{"a":[{"\\u005f_proto__":1}]}', 'forbidden-key', '#/a/0/__proto__'],
    ['constructor.prototype', '{"constructor":{"prototype":{}}}', 'forbidden-key', '#/constructor'],
    ['prototype alone', '{"metadata":{"prototype":"x"}}', 'forbidden-key', '#/metadata/prototype'],
    ['constructor in a list', '{"a":[{"constructor":1}]}', 'forbidden-key', '#/a/0/constructor'],
    ['a repeated key', '{"b":{"a":1,"a":-5}}', 'duplicate-key', '#/b/a'],
    ['a repeated key in another spelling', '{"a":1,"\\u0061":2}', 'duplicate-key', '#/a'],
    ['NUL', '{"a":"x\\u0000"}', 'invalid-characters', '#/a'],
    ['a lone surrogate', '{"a":["\\ud800"]}', 'invalid-characters', '#/a/0'],
    ['a swapped pair', '{"a":"\\udc00\\ud800"}', 'invalid-characters', '#/a'],
    ['NUL in a key', '{"\\u0000":1}', 'invalid-characters'],
    ['1e400', '{"a":1e400}', 'out-of-range', '#/a'],
    ['1e21', '{"a":1e21}', 'out-of-range', '#/a'],
    ['2^53', '{"a":9007199254740992}', 'out-of-range', '#/a'],
    ['2^53 + 1', '{"a":[1,-9007199254740993]}', 'out-of-range', '#/a/1'],
    ['more digits than a double has', '{"a":0.1234567890123456789}', 'out-of-range', '#/a'],
    ['what would become 0', '{"a":1e-400}', 'out-of-range', '#/a'],
    [
      '1,001 properties',
      `{${Array.from({ length: 1001 }, (_, n) => `"k${n}":1`).join()}}`,
      'too-many-properties',
    ],
    ['10,001 items', `[${'1,'.repeat(10_000)}1]`, 'too-many-items'],
    ['a key of 257 characters', `{"${'k'.repeat(257)}":1}`, 'key-too-long'],
  ] as const)('with %s is refused', (...[, text, code, pointer]) => {
    expect(refusal(text as string)).toMatchObject(pointer === undefined ? { code } : { code, pointer });
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it.each([
    ['16 levels', nested(16)],
    ['1,000 properties', `{${Array.from({ length: 1000 }, (_, n) => `"k${n}":1`).join()}}`],
    ['10,000 items', `[${'1,'.repeat(9999)}1]`],
    ['the largest integers', '{"a":9007199254740991,"b":-9007199254740991,"c":1e15}'],
    ['fractions', '{"a":0.1,"b":-1.5e-7,"c":3.141592653589793}'],
    ['a pair of surrogates', '{"a":"\\ud83d\\ude00"}'],
    ['an escaped backslash before u0000', '{"a":"\\\\u0000"}'],
    ['quotes and backslashes', '{"a\\"":"\\\\","b":"\\\\\\""}'],
    ['one key in two objects', '{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}'],
    ['what every object inherits', '{"toString":{"valueOf":[]}}'],
    ['other scripts', '{"a":"\u202eabc\u200b é"}'],
  ])('with %s is accepted', (_name, text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('reads -0 as 0', () => {
    const { a, b } = parse('{"a":-0,"b":[-0.0,-0e7]}') as { a: number; b: number[] };
    expect([a, ...b].map((zero) => Object.is(zero, 0))).toEqual([true, true, true]);
  });
});
