import { clamp, mix, smoothstep } from './arithmetic';
import { mixColours, type Colour } from './palette';
import type { Scene } from './scene';
import type { Shader } from './sky';
import type { StrokePlan } from './strokes';

const { floor, max, round } = Math;

/** Folded bands of the palette's colours, and the current that brush strokes follow over them. */
export function createFlowField(scene: Scene): { shade: Shader; strokes: StrokePlan } {
  const { random, noise, palette, width, height, unit } = scene;
  const scale = max(width, height);
  const shiftX = random.between(0, 200);
  const shiftY = random.between(0, 200);
  const folds = random.between(0.9, 1.9);
  const grain = random.between(1.3, 2.2);
  const ramp: readonly Colour[] = [
    palette.near,
    palette.zenith,
    mixColours(palette.zenith, palette.far, 0.5),
    palette.sky,
    palette.accent,
    palette.horizon,
    palette.sun,
    palette.horizon,
    palette.far,
    palette.zenith,
  ];
  const eyeX = width * random.between(0.3, 0.7);
  const eyeY = height * random.between(0.3, 0.7);
  const spin = random.between(0.25, 0.7) * (random.chance(0.5) ? 1 : -1);

  const heightAt = (x: number, y: number): number => {
    const u = (x / scale) * grain + shiftX;
    const v = (y / scale) * grain + shiftY;
    const foldX = noise.fractal(u, v, 2) * folds;
    const foldY = noise.fractal(u + 7.7, v + 3.1, 2) * folds;
    return noise.fractal(u + foldX, v + foldY, 3);
  };
  // Rows are shaded from left to right, so that the relief compares with the pixel before.
  let before = 0;
  const shade: Shader = (x, y, out) => {
    const level = heightAt(x, y);
    const at = clamp((level + 0.62) / 1.24) * (ramp.length - 1.001);
    const index = floor(at);
    const share = smoothstep(0.1, 0.9, at - index);
    const from = ramp[index]!;
    const to = ramp[index + 1]!;
    const relief = x === 0 ? 1 : clamp(1 + ((level - before) / unit) * 30, 0.6, 1.35);
    before = level;
    for (let i = 0; i < 3; i += 1) out[i] = mix(from[i]!, to[i]!, share) * relief;
  };
  const strokes: StrokePlan = {
    count: round(2600 * (scale / 1024)),
    length: 150 * unit,
    width: [1.2 * unit, 7 * unit],
    opacity: 0.62,
    jitter: 34,
    accent: palette.sun,
    current: (x, y, out) => {
      const step = 4 * unit;
      const here = heightAt(x, y);
      const dx = (heightAt(x + step, y) - here) * scale * 0.02;
      const dy = (heightAt(x, y + step) - here) * scale * 0.02;
      const ex = (x - eyeX) / scale;
      const ey = (y - eyeY) / scale;
      const pull = spin / (0.6 + (ex * ex + ey * ey) * 14);
      out[0] = dy - ey * pull * 2.2;
      out[1] = -dx + ex * pull * 2.2;
    },
  };
  return { shade, strokes };
}
