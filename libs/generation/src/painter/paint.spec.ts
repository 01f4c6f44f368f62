import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { ASPECT_RATIOS } from './aspect-ratios';
import { paint, UnknownAspectRatioError } from './paint';
import { COMPOSITIONS, composeScene } from './scene';

// A picture takes half a second on an idle core, and cores are seldom idle.
jest.setTimeout(60_000);

const request = { prompt: 'a quiet harbour at sunset', aspectRatio: '3:2', seed: 7, position: 1 };

describe('paint', () => {
  it('gives the same bytes for the same request', async () => {
    const [first, second] = await Promise.all([paint(request), paint(request)]);
    expect(first.bytes.equals(second.bytes)).toBe(true);
  });

  it('paints the pixels that it paints on every machine', async () => {
    const pixels = await sharp((await paint(request)).bytes)
      .raw()
      .toBuffer();
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(
      'fd64700ae5e9537179432d9ad216cb7b751d0b7332eb24a801c1031c97ce616a',
    );
  });

  it.each([
    ['seed', { ...request, seed: 8 }],
    ['position', { ...request, position: 2 }],
    ['prompt', { ...request, prompt: 'a quiet harbour at sunrise' }],
    ['style', { ...request, style: 'noir' }],
  ])('gives another picture for another %s', async (_, other) => {
    const [first, second] = await Promise.all([paint(request), paint(other)]);
    expect(first.bytes.equals(second.bytes)).toBe(false);
  });

  it.each(Object.entries(ASPECT_RATIOS))('paints %s in its true size', async (aspectRatio, size) => {
    const picture = await paint({ prompt: 'hills', aspectRatio, seed: 1, position: 1 });
    const metadata = await sharp(picture.bytes).metadata();
    expect(picture).toMatchObject({ ...size, mimeType: 'image/png' });
    expect(metadata).toMatchObject({ ...size, format: 'png', channels: 3 });
  });

  it.each(Object.entries(ASPECT_RATIOS))(
    'has about a megapixel in the ratio %s',
    (aspectRatio, { width, height }) => {
      const [across, down] = aspectRatio.split(':').map(Number);
      expect(Math.abs(width / height / (across! / down!) - 1)).toBeLessThan(0.02);
      expect(width * height).toBeGreaterThan(950_000);
      expect(width * height).toBeLessThan(1_100_000);
    },
  );

  it('refuses a ratio that it does not know', async () => {
    await expect(paint({ ...request, aspectRatio: '5:1' })).rejects.toThrow(UnknownAspectRatioError);
  });

  it.each([
    ['landscape', 'Mountains above a lake'],
    ['seascape', 'boats'],
    ['skyline', 'a city'],
    ['forest', 'deer in the woods'],
    ['cosmos', 'a ringed planet'],
    ['flow-field', 'abstract swirls'],
  ])('paints a %s for "%s", with contrast', async (composition, prompt) => {
    expect(composeScene({ prompt, seed: 1, position: 1 }, ASPECT_RATIOS['1:1']).composition).toBe(
      composition,
    );
    const { bytes } = await paint({ prompt, aspectRatio: '1:1', seed: 1, position: 1 });
    const { channels } = await sharp(bytes).stats();
    expect(Math.max(...channels.map((channel) => channel.stdev))).toBeGreaterThan(20);
  });

  it('chooses among all compositions by the seed where no word names a subject', () => {
    const chosen = Array.from({ length: 60 }, (_, seed) => {
      return composeScene({ prompt: 'hope', seed, position: 1 }, ASPECT_RATIOS['1:1']).composition;
    });
    expect(new Set(chosen)).toEqual(new Set(COMPOSITIONS));
  });

  it('shows one subject in all pictures of a job', () => {
    const [one, two] = [1, 2].map((position) => {
      return composeScene({ prompt: 'hope', seed: 5, position }, ASPECT_RATIOS['1:1']);
    });
    expect(one!.composition).toBe(two!.composition);
    expect(one!.palette).toEqual(two!.palette);
  });

  it.each(['', '😀 海 と 空', 'constructor __proto__ toString', '\0'])('takes the prompt %j', (prompt) => {
    const { composition, palette } = composeScene({ prompt, seed: -1.5, position: 1 }, ASPECT_RATIOS['1:1']);
    expect(COMPOSITIONS).toContain(composition);
    expect(Object.values(palette).flat().every(Number.isFinite)).toBe(true);
  });

  it('lets other work run while it paints', async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await paint(request).finally(() => (isDone = true));
    expect(turns).toBeGreaterThan(40);
  });
});
