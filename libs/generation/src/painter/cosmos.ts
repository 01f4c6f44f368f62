import { cellNoise, clamp, length, mix, smoothstep, square } from './arithmetic';
import { mixColours } from './palette';
import type { Scene } from './scene';
import type { Shader } from './sky';

const { abs, floor, max, min, sqrt } = Math;

/** A nebula in folded layers, stars in two sizes, and a planet that may wear a ring. */
export function createCosmos(scene: Scene): Shader {
  const { random, noise, palette, width, height, unit, salt } = scene;
  const shiftX = random.between(0, 200);
  const shiftY = random.between(0, 200);
  const tilt = random.between(-0.7, 0.7);
  const radius = min(width, height) * random.between(0.14, 0.27);
  const planetX = width * (random.chance(0.5) ? random.between(0.2, 0.36) : random.between(0.64, 0.8));
  const planetY = height * random.between(0.3, 0.7);
  const ringed = scene.has('saturn', 'ring', 'ringed') || random.chance(0.5);
  const lightX = planetX < width / 2 ? 0.72 : -0.72;
  const ringTilt = random.between(0.2, 0.34);
  const lean = random.between(-0.35, 0.35);
  const scale = max(width, height);
  const black = mixColours([2, 2, 8], palette.near, 0.4);

  const star = (x: number, y: number, cell: number, chance: number, size: number): number => {
    const column = floor(x / cell);
    const row = floor(y / cell);
    const luck = cellNoise(column, row, salt + cell);
    if (luck > chance) return 0;
    const dx = x - (column + 0.25 + 0.5 * cellNoise(column, row, salt + 1)) * cell;
    const dy = y - (row + 0.25 + 0.5 * cellNoise(column, row, salt + 2)) * cell;
    const gap = length(dx, dy) / (size * (0.4 + luck / chance));
    const spike = size > 1.4 * unit ? 0.5 / (1 + abs(dx * dy) * 1.6 + gap * gap * 0.18) : 0;
    return clamp((1 / (1 + gap * gap * gap) + spike) * clamp(1.6 - (gap * size) / (cell * 0.28)));
  };

  return (x, y, out) => {
    const u = (x / scale) * 2.6 + shiftX;
    const v = (y / scale) * 2.6 + shiftY;
    const foldX = noise.fractal(u, v, 2);
    const foldY = noise.fractal(u + 5.2, v + 1.3, 2);
    const gas = noise.fractal(u + foldX * 1.3, v + foldY * 1.3, 5);
    const dust = noise.ridged(u * 1.4 + foldY, v * 1.4 - foldX, 3);
    const band = (x - width / 2) * tilt - (y - height / 2);
    const lane = 1 / (1 + square(band / (height * 0.3)));
    const dense = smoothstep(-0.32, 0.5, gas + lane * 0.36 - 0.12);
    const core = smoothstep(0.5, 1, dense * (0.5 + 0.6 * lane) + foldX * 0.2);
    const veil = smoothstep(0.42, 0.85, dust) * dense * 0.55;
    const shine = star(x, y, 11 * unit, 0.13, 0.8 * unit) * 0.8 + star(x, y, 61 * unit, 0.22, 1.9 * unit);
    for (let i = 0; i < 3; i += 1) {
      let value = mix(black[i]!, palette.sky[i]!, dense * 0.85);
      value = mix(value, palette.horizon[i]!, smoothstep(0.35, 0.95, dense + foldY * 0.35) * 0.75);
      value = mix(value, palette.accent[i]!, smoothstep(0.1, 0.6, foldX) * dense * 0.45);
      value = mix(value, palette.sun[i]!, core * 0.75);
      value = mix(value, black[i]!, veil);
      out[i] = value + shine * 240;
    }

    const px = (x - planetX) / radius;
    const py = (y - planetY) / radius;
    const rx = px + py * lean;
    const ry = (py - px * lean) / ringTilt;
    const reach = length(rx, ry);
    const ring = ringed
      ? smoothstep(1.32, 1.38, reach) * smoothstep(2.2, 2.1, reach) * (0.5 + 0.5 * noise.at(reach * 14, 3.5))
      : 0;
    const gap = length(px, py);
    const body = clamp((1 - gap) * radius + 0.5);
    if (body > 0) {
      const pz = sqrt(max(0, 1 - gap * gap));
      const bands = noise.fractal(
        px * 0.7 + shiftX,
        (py - px * lean) * 4.2 + noise.at(px * 3, py * 6) * 0.35,
        4,
      );
      const light = clamp(px * -lightX * -1 * 0.9 + py * -0.35 + pz * 0.42 + 0.06);
      const rim = smoothstep(0.55, 0, pz) * light;
      for (let i = 0; i < 3; i += 1) {
        const ground = mix(
          mix(palette.far[i]!, palette.accent[i]!, clamp(0.45 + bands)),
          palette.sun[i]!,
          clamp(bands * 1.2),
        );
        out[i] = mix(out[i]!, ground * (0.05 + light * 1.15) + rim * palette.horizon[i]! * 0.6, body);
      }
    }
    if (ring > 0 && (gap > 1 || ry > 0)) {
      const shaded = gap > 1 && px * lightX < 0 && abs(py) < 0.55 && gap < 1.9 ? 0.45 : 1;
      for (let i = 0; i < 3; i += 1)
        out[i] = mix(out[i]!, mix(palette.sun[i]!, palette.horizon[i]!, 0.5) * shaded, ring * 0.8);
    }
    const air = gap > 1 ? 0.5 / (1 + square((gap - 1) * 11)) : 0;
    for (let i = 0; i < 3; i += 1) out[i] = mix(out[i]!, palette.horizon[i]!, air * clamp(px * lightX + 0.4));
  };
}
