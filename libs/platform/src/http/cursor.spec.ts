import { CursorCodec } from './cursor';

const codec = new CursorCodec(Buffer.alloc(32, 1));
const binding = { userId: 'a', filter: { status: 'queued', kind: undefined, tags: ['x', 'y'] } };
const cursor = codec.encode({ id: 'last', at: 5 }, binding);

describe('a cursor', () => {
  it('comes back as it was encoded, whatever the order of the filter', () => {
    expect(codec.decode(cursor, { userId: 'a', filter: { tags: ['x', 'y'], status: 'queued' } })).toEqual({
      id: 'last',
      at: 5,
    });
  });

  it.each([
    ['another user', codec, { ...binding, userId: 'b' }],
    ['another filter', codec, { userId: 'a', filter: { status: 'failed', tags: ['x', 'y'] } }],
    ['tags in another order', codec, { userId: 'a', filter: { status: 'queued', tags: ['y', 'x'] } }],
    ['another key', new CursorCodec(Buffer.alloc(32, 2)), binding],
  ])('is good for nothing with %s', (_name, other, use) => {
    expect(() => other.decode(cursor, use)).toThrow(
      expect.objectContaining({ code: 'invalid-cursor', status: 422 }),
    );
  });

  const [body = '', mac = ''] = cursor.split('.');
  it.each([
    '',
    '.',
    'x',
    body,
    `${body}.`,
    `${body}.${mac}.`,
    `${body}=.${mac}`,
    `${Buffer.from('{"id":"other"}').toString('base64url')}.${mac}`,
    `${body}.${mac.slice(0, -1)}${mac.endsWith('A') ? 'B' : 'A'}`,
    `${'A'.repeat(2000)}.${mac}`,
    `${body}.${'_'.repeat(22)}`,
    `${body}\n.${mac}`,
  ])('is refused when it is %j', (text) => {
    expect(() => codec.decode(text, binding)).toThrow(expect.objectContaining({ code: 'invalid-cursor' }));
  });
});
