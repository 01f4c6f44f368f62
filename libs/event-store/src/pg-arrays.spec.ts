import { byteaArray, intArray, jsonArray, textArray, tidArray, timestampArray, uuidArray } from './pg-arrays';

/** Header (dimensions, has nulls, element type, length, lower bound), then each element as its bytes. */
function read(array: Buffer): { header: number[]; elements: (Buffer | null)[] } {
  const header = [0, 4, 8, 12, 16].filter((at) => at < array.length).map((at) => array.readInt32BE(at));
  const elements: (Buffer | null)[] = [];
  for (let at = 20; at < array.length;) {
    const size = array.readInt32BE(at);
    elements.push(size < 0 ? null : array.subarray(at + 4, at + 4 + size));
    at += 4 + Math.max(size, 0);
  }
  return { header, elements };
}

describe('an array in the binary format of PostgreSQL', () => {
  it('tells its element type and length, and starts at 1', () => {
    expect(read(intArray([7, -1]))).toEqual({
      header: [1, 0, 23, 2, 1],
      elements: [Buffer.from('00000007', 'hex'), Buffer.from('ffffffff', 'hex')],
    });
  });

  it('tells whether it holds nulls, and takes undefined for one', () => {
    expect(read(textArray([null, 'a', undefined]))).toEqual({
      header: [1, 1, 25, 3, 1],
      elements: [null, Buffer.from('a'), null],
    });
  });

  it.each([
    [intArray([]), 23],
    [textArray([]), 25],
    [uuidArray([]), 2950],
    [jsonArray([]), 114],
  ])('has no dimension when it is empty', (array, type) => {
    expect(read(array)).toEqual({ header: [0, 0, type], elements: [] });
  });

  it('counts text in bytes of UTF-8', () => {
    const texts = ['', 'é', '世界', '😀', 'a'.repeat(300)];
    expect(read(textArray(texts)).elements.map((element) => element!.toString('utf8'))).toEqual(texts);
  });

  it('grows for texts that are larger than anything before, and keeps what it already wrote', () => {
    const texts = ['before', '世'.repeat(1_500_000), 'after'];
    expect(read(jsonArray(texts)).elements.map((element) => element!.toString('utf8'))).toEqual(texts);
  });

  it('is a copy that later arrays do not touch', () => {
    const first = textArray(['first']);
    textArray(['SECOND, and longer']);
    expect(read(first).elements).toEqual([Buffer.from('first')]);
    const bytes = Buffer.from('abc');
    const copied = byteaArray([bytes]);
    bytes.fill(0);
    expect(read(copied).elements).toEqual([Buffer.from('abc')]);
  });

  it('counts time in microseconds from 2000 on, before it too', () => {
    const [at2000, second, before] = read(
      timestampArray([Date.UTC(2000, 0, 1), Date.UTC(2000, 0, 1) + 1_000.9, Date.UTC(1999, 11, 31)]),
    ).elements.map((element) => element!.readBigInt64BE());
    expect([at2000, second, before]).toEqual([0n, 1_000_000n, -86_400_000_000n]);
  });

  it('splits row addresses into block and offset', () => {
    expect(read(tidArray(['(0,1)', '(4294967295,65535)'])).elements).toEqual([
      Buffer.from('000000000001', 'hex'),
      Buffer.from('ffffffffffff', 'hex'),
    ]);
  });

  it('packs UUIDs', () => {
    const id = '0197a3f0-12ab-7cde-8f01-23456789abcd';
    expect(read(uuidArray([id, null])).elements).toEqual([Buffer.from(id.replaceAll('-', ''), 'hex'), null]);
  });

  it.each([
    ['short', '0197a3f0'],
    ['in capitals, which would name another stream', '0197A3F0-12AB-7CDE-8F01-23456789ABCD'],
    ['with a letter that is no digit', '0197a3f0-12ab-7cde-8f01-23456789abcg'],
    ['with digits of another script', '0197a3f0-12ab-7cde-8f01-23456789abc١'],
    ['empty', ''],
  ])('refuses a UUID that is %s', (_what, id) => {
    expect(() => uuidArray([id])).toThrow(TypeError);
  });

  it.each([[2 ** 31], [-(2 ** 31) - 1]])('refuses %p as an int4', (value) => {
    expect(() => intArray([value])).toThrow('out of range');
  });
});
