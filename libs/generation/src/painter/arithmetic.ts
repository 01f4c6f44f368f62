/**
 * Arithmetic whose result is the same bit for bit on every machine: only the operations that IEEE 754
 * rounds exactly (+ − × ÷ √) and 32-bit integers. Math.sin, Math.exp and Math.pow are left to each
 * engine's judgement and are therefore not used by the painter.
 *
 * The painter's modules bind what they use of Math to constants: as a global it is looked up at each call, which in
 * a sandboxed realm (a test runner's) costs more than the painting.
 */
const { abs, floor, imul, sqrt } = Math;

export function clamp(value: number, low = 0, high = 1): number {
  return value < low ? low : value > high ? high : value;
}

export function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** 0 below `low`, 1 above `high`, an S-curve between them. `low` may be above `high`. */
export function smoothstep(low: number, high: number, value: number): number {
  const t = clamp((value - low) / (high - low));
  return t * t * (3 - 2 * t);
}

/** A sine of `turns` whole turns (not radians), by two parabolas: within 0.1 % of the real one. */
export function wave(turns: number): number {
  const t = turns - floor(turns) - 0.5;
  const y = -8 * t + 16 * t * abs(t);
  const sine = 0.775 * y + 0.225 * y * abs(y);
  return sine;
}

export function square(value: number): number {
  return value * value;
}

/** 1 at distance 0, one half at `radius`, and a long tail: the shape of a glow. */
export function glow(distance: number, radius: number): number {
  const ratio = distance / radius;
  return 1 / (1 + ratio * ratio);
}

export function length(x: number, y: number): number {
  return sqrt(x * x + y * y);
}

/** A number in [0, 1) from two integers and a salt. */
export function cellNoise(x: number, y: number, salt: number): number {
  let h = imul(x, 0x27d4eb2d) ^ imul(y, 0x165667b1) ^ imul(salt, 0x9e3779b1);
  h = imul(h ^ (h >>> 15), 0x85ebca6b);
  h = imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}
