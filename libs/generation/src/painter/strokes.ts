import { clamp, length } from './arithmetic';
import type { Colour } from './palette';
import type { Scene } from './scene';
import type { Pixel } from './sky';

const { ceil, floor, max, min, round, sqrt } = Math;

/** Brush strokes that follow a current and take their colour from the canvas where they begin. */
export interface StrokePlan {
  readonly count: number;
  /** Pixels, on average. */
  readonly length: number;
  /** Pixels, thinnest and thickest. */
  readonly width: readonly [number, number];
  readonly opacity: number;
  /** How far a stroke's lightness may differ from what it covers, 0 to 255. */
  readonly jitter: number;
  /** The colour of one stroke in fourteen. */
  readonly accent: Colour;
  /** Writes the direction at (x, y); its length does not matter. */
  current(x: number, y: number, out: Pixel): void;
}

/** Short dabs along a picture's own grain: for prompts that ask for a painting. */
export function dabs(scene: Scene): StrokePlan {
  const { noise, unit, width, height, palette } = scene;
  return {
    count: round((width * height) / (95 * unit * unit)),
    length: 20 * unit,
    width: [2.5 * unit, 6.5 * unit],
    opacity: 0.8,
    jitter: 16,
    accent: palette.horizon,
    current: (x, y, out) => {
      const bend = noise.fractal(x / (230 * unit), y / (150 * unit), 2);
      out[0] = 1;
      out[1] = bend * 1.6;
    },
  };
}

const STROKES_PER_BREATH = 120;

/** Draws the strokes into `canvas` (RGB, 0 to 255, by rows); yields now and then so that the caller may pause. */
export function* drawStrokes(scene: Scene, plan: StrokePlan, canvas: Float32Array): Generator<void> {
  const { random, width, height } = scene;
  const way: Pixel = new Float64Array(2);
  for (let stroke = 0; stroke < plan.count; stroke += 1) {
    let x = random.next() * width;
    let y = random.next() * height;
    // The first strokes are the thickest: detail comes last.
    const fine = stroke / plan.count;
    const thick = (plan.width[1] + (plan.width[0] - plan.width[1]) * fine) * random.between(0.6, 1.2);
    const reach = plan.length * random.between(0.4, 1.6);
    const start = (floor(y) * width + floor(x)) * 3;
    const shift = (random.next() - 0.5) * 2 * plan.jitter;
    const special = random.next() < 1 / 14 && plan.count < 8000;
    const red = special ? plan.accent[0] : canvas[start]! + shift;
    const green = special ? plan.accent[1] : canvas[start + 1]! + shift;
    const blue = special ? plan.accent[2] : canvas[start + 2]! + shift;
    const step = max(1, thick * 0.55);
    const steps = ceil(reach / step);
    for (let i = 0; i < steps; i += 1) {
      plan.current(x, y, way);
      const norm = length(way[0]!, way[1]!) + 1e-9;
      x += (way[0]! / norm) * step;
      y += (way[1]! / norm) * step;
      if (x < 0 || y < 0 || x >= width || y >= height) break;
      const along = i / steps;
      const radius = thick * 0.5 * (1 - (2 * along - 1) * (2 * along - 1)) + 0.4;
      const strength = plan.opacity * (special ? 0.5 : 1) * (1 - along * 0.5);
      dab(canvas, width, height, x, y, radius, red, green, blue, strength);
    }
    if (stroke % STROKES_PER_BREATH === 0) yield;
  }
}

function dab(
  canvas: Float32Array,
  width: number,
  height: number,
  x: number,
  y: number,
  radius: number,
  red: number,
  green: number,
  blue: number,
  strength: number,
): void {
  const bottom = min(height - 1, ceil(y + radius));
  const right = min(width - 1, ceil(x + radius));
  for (let row = max(0, floor(y - radius)); row <= bottom; row += 1) {
    for (let column = max(0, floor(x - radius)); column <= right; column += 1) {
      const dx = column - x;
      const dy = row - y;
      const cover = clamp(radius - sqrt(dx * dx + dy * dy) + 0.5) * strength;
      if (cover <= 0) continue;
      const at = (row * width + column) * 3;
      canvas[at]! += (red - canvas[at]!) * cover;
      canvas[at + 1]! += (green - canvas[at + 1]!) * cover;
      canvas[at + 2]! += (blue - canvas[at + 2]!) * cover;
    }
  }
}
