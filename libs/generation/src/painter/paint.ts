import { setImmediate as nextTurn } from 'node:timers/promises';
import sharp from 'sharp';
import { ASPECT_RATIOS, isAspectRatio } from './aspect-ratios';
import { createCosmos } from './cosmos';
import { finishRows, weaveTile } from './finish';
import { createFlowField } from './flow-field';
import { createForest } from './forest';
import { createLandscape } from './landscape';
import { composeScene, type PaintRequest, type Scene } from './scene';
import { createSeascape } from './seascape';
import { createSkyline } from './skyline';
import type { Pixel, Shader } from './sky';
import { dabs, drawStrokes, type StrokePlan } from './strokes';

// A worker paints several pictures at a time: one thread each uses the cores better than several for one.
sharp.concurrency(1);

/** Rows between two turns of the event loop: about 10 ms of work, far below a lease's heartbeat. */
const BAND = 16;

export interface PaintedPicture {
  readonly bytes: Buffer;
  readonly mimeType: 'image/png';
  readonly width: number;
  readonly height: number;
}

export class UnknownAspectRatioError extends Error {
  constructor(readonly aspectRatio: string) {
    super(`Aspect ratio must be one of ${Object.keys(ASPECT_RATIOS).join(', ')}`);
  }
}

function sketch(scene: Scene): { shade: Shader; strokes?: StrokePlan } {
  switch (scene.composition) {
    case 'landscape':
      return { shade: createLandscape(scene) };
    case 'seascape':
      return { shade: createSeascape(scene) };
    case 'skyline':
      return { shade: createSkyline(scene) };
    case 'forest':
      return { shade: createForest(scene) };
    case 'cosmos':
      return { shade: createCosmos(scene) };
    case 'flow-field':
      return createFlowField(scene);
  }
}

function paintRows(scene: Scene, shade: Shader, canvas: Float32Array, from: number, to: number): void {
  const pixel: Pixel = new Float64Array(3);
  let at = from * scene.width * 3;
  for (let y = from; y < to; y += 1) {
    for (let x = 0; x < scene.width; x += 1) {
      shade(x, y, pixel);
      canvas[at] = pixel[0]!;
      canvas[at + 1] = pixel[1]!;
      canvas[at + 2] = pixel[2]!;
      at += 3;
    }
  }
}

/**
 * Paints a picture of about one megapixel. The prompt's words choose subject and colours, the seed and the
 * position choose the view; the same request gives the same bytes.
 *
 * @throws UnknownAspectRatioError when `aspectRatio` is not in ASPECT_RATIOS.
 */
export async function paint(
  request: PaintRequest & { readonly aspectRatio: string },
): Promise<PaintedPicture> {
  if (!isAspectRatio(request.aspectRatio)) throw new UnknownAspectRatioError(request.aspectRatio);
  const { width, height } = ASPECT_RATIOS[request.aspectRatio];
  const scene = composeScene(request, { width, height });
  const { shade, strokes = wantsBrush(scene) ? dabs(scene) : undefined } = sketch(scene);
  const canvas = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y += BAND) {
    paintRows(scene, shade, canvas, y, Math.min(height, y + BAND));
    await nextTurn();
  }
  if (strokes) for (const _ of drawStrokes(scene, strokes, canvas)) await nextTurn();
  const bytes = new Uint8ClampedArray(width * height * 3);
  const tile = weaveTile(scene);
  for (let y = 0; y < height; y += BAND * 2) {
    finishRows(scene, canvas, tile, bytes, y, Math.min(height, y + BAND * 2));
    await nextTurn();
  }
  const png = await sharp(bytes, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
  return { bytes: png, mimeType: 'image/png', width, height };
}

function wantsBrush(scene: Scene): boolean {
  return scene.has(
    'oil',
    'painting',
    'painted',
    'impressionist',
    'impressionism',
    'watercolor',
    'watercolour',
    'brush',
  );
}
