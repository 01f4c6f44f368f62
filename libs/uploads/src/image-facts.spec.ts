import { crc32 as crcOf, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { MAX_UPLOAD_BYTES, readImageFacts } from './image-facts';

const picture = (): sharp.Sharp =>
  sharp({
    create: {
      width: 60,
      height: 40,
      channels: 3,
      background: '#3070c0',
      noise: { type: 'gaussian', mean: 128, sigma: 40 },
    },
  });

const HTML = Buffer.from('<!doctype html><script>alert(1)</script>');
const SVG = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
);

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crcOf(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A PNG that claims to be of that size; its pixels are a few bytes. */
function pixelFlood(width: number, height: number): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const pixels = chunk('IDAT', deflateSync(Buffer.alloc(1000)));
  return Buffer.concat([signature, chunk('IHDR', header), pixels, chunk('IEND', Buffer.alloc(0))]);
}

describe('readImageFacts', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('reads the size of a %s', async (format) => {
    const bytes = await picture().toFormat(format).toBuffer();
    const facts = { mimeType: `image/${format}`, width: 60, height: 40 };
    expect(await readImageFacts(bytes)).toEqual(facts);
    expect(await readImageFacts(bytes, `image/${format}`)).toEqual(facts);
    expect(await readImageFacts(bytes, 'application/octet-stream')).toEqual(facts);
    expect(await readImageFacts(bytes, `Image/${format.toUpperCase()}; charset=binary`)).toEqual(facts);
  });

  it('gives the size as shown where the metadata turns the picture', async () => {
    const bytes = await picture().jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await readImageFacts(bytes)).toEqual({ mimeType: 'image/jpeg', width: 40, height: 60 });
  });

  it.each([
    ['HTML said to be a PNG', HTML, 'image/png', 'type-mismatch'],
    ['HTML said to be HTML', HTML, 'text/html', 'unsupported-media-type'],
    ['HTML said to be nothing', HTML, undefined, 'unsupported-media-type'],
    ['SVG', SVG, 'image/svg+xml', 'unsupported-media-type'],
    ['SVG said to be a PNG', SVG, 'image/png', 'type-mismatch'],
    ['SVG said to be nothing', SVG, undefined, 'unsupported-media-type'],
    ['a PDF', Buffer.from('%PDF-1.7\n'), 'application/pdf', 'unsupported-media-type'],
    ['an ELF', Buffer.from('7f454c460201', 'hex'), undefined, 'unsupported-media-type'],
    ['a zip said to be WebP', Buffer.from('504b0304', 'hex'), 'image/webp', 'type-mismatch'],
    ['no bytes', Buffer.alloc(0), 'image/png', 'invalid-image'],
    [
      'a PNG signature and HTML',
      Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), HTML]),
      'image/png',
      'invalid-image',
    ],
    ['a JPEG signature alone', Buffer.from('ffd8ff', 'hex'), 'image/jpeg', 'invalid-image'],
    ['14000 x 14000 pixels in 1 kB', pixelFlood(14_000, 14_000), 'image/png', 'image-too-large'],
    ['2^31 pixels across', pixelFlood(0x7fffffff, 1), 'image/png', 'invalid-image'],
    ['too many bytes', Buffer.alloc(MAX_UPLOAD_BYTES + 1), 'image/png', 'payload-too-large'],
  ])('refuses %s', async (_, bytes, declared, code) => {
    await expect(readImageFacts(bytes, declared)).rejects.toMatchObject({ name: 'UploadRefused', code });
  });

  it('refuses a GIF', async () => {
    const bytes = await picture().gif().toBuffer();
    await expect(readImageFacts(bytes, 'image/gif')).rejects.toMatchObject({
      code: 'unsupported-media-type',
    });
  });

  it('refuses a PNG that is said to be a JPEG or a GIF', async () => {
    const bytes = await picture().png().toBuffer();
    for (const said of ['image/jpeg', 'image/gif', 'text/html']) {
      await expect(readImageFacts(bytes, said)).rejects.toMatchObject({ code: 'type-mismatch' });
    }
  });

  it.each(['png', 'jpeg', 'webp'] as const)('refuses a %s that ends too early', async (format) => {
    const bytes = await picture().toFormat(format).toBuffer();
    for (const share of [0.3, 0.6, 0.9]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * share));
      await expect(readImageFacts(cut)).rejects.toMatchObject({ code: 'invalid-image' });
    }
  });

  it('refuses a PNG with a broken row', async () => {
    const bytes = await picture().png().toBuffer();
    bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
    await expect(readImageFacts(bytes)).rejects.toMatchObject({ code: 'invalid-image' });
  });

  it('refuses animations, of which only one frame would be checked', async () => {
    const frames = await Promise.all([1, 2, 3].map(() => picture().png().toBuffer()));
    const webp = await sharp(frames, { join: { animated: true } })
      .webp()
      .toBuffer();
    await expect(readImageFacts(webp)).rejects.toMatchObject({ code: 'invalid-image' });

    const png = await picture().png().toBuffer();
    const afterHeader = 8 + 25;
    const apng = Buffer.concat([
      png.subarray(0, afterHeader),
      chunk('acTL', Buffer.alloc(8, 1)),
      png.subarray(afterHeader),
    ]);
    await expect(readImageFacts(apng)).rejects.toMatchObject({ code: 'invalid-image' });
  });
});
