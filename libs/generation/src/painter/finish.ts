import { cellNoise } from './arithmetic';
import type { Scene } from './scene';

interface Tone {
  readonly saturation: number;
  readonly contrast: number;
  readonly lift: number;
  readonly sepia: number;
}

function toneOf(scene: Scene): Tone {
  if (scene.has('noir', 'monochrome', 'black')) return { saturation: 0, contrast: 1.2, lift: 0, sepia: 0 };
  if (scene.has('vintage', 'sepia', 'old', 'retro'))
    return { saturation: 0.55, contrast: 0.94, lift: 8, sepia: 0.5 };
  if (scene.has('vivid', 'vibrant', 'colorful', 'colourful'))
    return { saturation: 1.35, contrast: 1.08, lift: 0, sepia: 0 };
  if (scene.has('pastel', 'watercolor', 'watercolour', 'soft'))
    return { saturation: 0.85, contrast: 0.82, lift: 26, sepia: 0 };
  return { saturation: 1.06, contrast: 1.04, lift: 0, sepia: 0 };
}

const TILE = 256;

/** Canvas weave and grain for one repeating tile of 256 × 256 pixels, in brightness levels. */
export function weaveTile(scene: Scene): Float32Array {
  const { noise, salt } = scene;
  const tile = new Float32Array(TILE * TILE);
  for (let y = 0; y < TILE; y += 1) {
    for (let x = 0; x < TILE; x += 1) {
      const weave = noise.at(x / 2.56, y / 32) + noise.at(x / 32, y / 2.56);
      tile[y * TILE + x] = (cellNoise(x >> 1, y >> 1, salt) - 0.5) * 3 + weave * 2.4;
    }
  }
  return tile;
}

/** Tone, vignette, weave and grain of rows `from` to `to` (exclusive), as bytes. */
export function finishRows(
  scene: Scene,
  canvas: Float32Array,
  tile: Float32Array,
  bytes: Uint8ClampedArray,
  from: number,
  to: number,
): void {
  const { width, height } = scene;
  const { saturation, contrast, lift, sepia } = toneOf(scene);
  // Each channel becomes own × keep + luma × share + offset: saturation, sepia, contrast and lift in one step.
  const keep = contrast * saturation * (1 - sepia);
  const grey = (1 - saturation) * (1 - sepia);
  const shareRed = contrast * (grey + sepia * 1.1);
  const shareGreen = contrast * (grey + sepia * 0.95);
  const shareBlue = contrast * (grey + sepia * 0.72);
  const offset = lift + 118 - 118 * contrast + sepia * 8;
  for (let y = from; y < to; y += 1) {
    const dy = (y / height - 0.5) * 2;
    const weaveRow = (y & (TILE - 1)) * TILE;
    for (let x = 0; x < width; x += 1) {
      const dx = (x / width - 0.5) * 2;
      const edge = dx * dx * 0.8 + dy * dy * 0.8;
      const vignette = 1 - 0.1 * edge * edge;
      const grain = tile[weaveRow + (x & (TILE - 1))]!;
      const at = (y * width + x) * 3;
      const red = canvas[at]!;
      const green = canvas[at + 1]!;
      const blue = canvas[at + 2]!;
      const luma = red * 0.3 + green * 0.59 + blue * 0.11;
      bytes[at] = (red * keep + luma * shareRed + offset) * vignette + grain;
      bytes[at + 1] = (green * keep + luma * shareGreen + offset) * vignette + grain;
      bytes[at + 2] = (blue * keep + luma * shareBlue + offset) * vignette + grain;
    }
  }
}
