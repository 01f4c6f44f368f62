import { parseIdempotencyKey } from './idempotency-key';

describe('the Idempotency-Key', () => {
  it.each([
    [undefined, undefined],
    ['abc-1', 'abc-1'],
    [' abc ', 'abc'],
    ['"abc"', 'abc'],
    ['"a b, c"', 'a b, c'],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['k'.repeat(255), 'k'.repeat(255)],
    [`"${'\\"'.repeat(255)}"`, '"'.repeat(255)],
  ])('%j is read as %j', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  it.each([
    '',
    '""',
    'a b',
    'one, two',
    '"one", "two"',
    '"a',
    'a"b',
    '"a\\b"',
    'schlüssel',
    '"\u0001"',
    'k'.repeat(256),
    ['a', 'b'],
  ])('%j is refused', (header) => {
    expect(() => parseIdempotencyKey(header)).toThrow(
      expect.objectContaining({ code: 'idempotency-key-invalid', status: 422 }),
    );
  });
});
