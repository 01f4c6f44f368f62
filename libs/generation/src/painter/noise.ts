import type { Random } from './random';

const { abs, floor, sqrt } = Math;

const SIZE = 256;
const DIAGONAL = sqrt(0.5);
const GRADIENT_X = Float64Array.of(1, DIAGONAL, 0, -DIAGONAL, -1, -DIAGONAL, 0, DIAGONAL);
const GRADIENT_Y = Float64Array.of(0, DIAGONAL, 1, DIAGONAL, 0, -DIAGONAL, -1, -DIAGONAL);

/** Gradient noise on a lattice that repeats every 256 cells. */
export class Noise {
  private readonly table = new Uint8Array(SIZE * 2);

  constructor(random: Random) {
    for (let i = 0; i < SIZE; i += 1) this.table[i] = i;
    for (let i = SIZE - 1; i > 0; i -= 1) {
      const j = random.integer(i + 1);
      const held = this.table[i]!;
      this.table[i] = this.table[j]!;
      this.table[j] = held;
    }
    this.table.copyWithin(SIZE, 0, SIZE);
  }

  /** About −1 to 1, smooth, 0 at lattice points. */
  at(x: number, y: number): number {
    const floorX = floor(x);
    const floorY = floor(y);
    const column = floorX & 255;
    const row = floorY & 255;
    const dx = x - floorX;
    const dy = y - floorY;
    const table = this.table;
    const left = table[column]! + row;
    const right = table[column + 1]! + row;
    const a = table[left]! & 7;
    const b = table[right]! & 7;
    const c = table[left + 1]! & 7;
    const d = table[right + 1]! & 7;
    const u = dx * dx * dx * (dx * (dx * 6 - 15) + 10);
    const v = dy * dy * dy * (dy * (dy * 6 - 15) + 10);
    const top = GRADIENT_X[a]! * dx + GRADIENT_Y[a]! * dy;
    const topRight = GRADIENT_X[b]! * (dx - 1) + GRADIENT_Y[b]! * dy;
    const low = GRADIENT_X[c]! * dx + GRADIENT_Y[c]! * (dy - 1);
    const lowRight = GRADIENT_X[d]! * (dx - 1) + GRADIENT_Y[d]! * (dy - 1);
    const upper = top + (topRight - top) * u;
    const lower = low + (lowRight - low) * u;
    return (upper + (lower - upper) * v) * 1.5;
  }

  /** Octaves of `at`, each twice as fine and half as strong: about −1 to 1. */
  fractal(x: number, y: number, octaves: number): number {
    let sum = 0;
    let strength = 0.5;
    let u = x;
    let v = y;
    for (let i = 0; i < octaves; i += 1) {
      sum += this.at(u, v) * strength;
      strength *= 0.5;
      u = u * 2 + 17.3;
      v = v * 2 + 9.7;
    }
    return sum;
  }

  /** Sharp crests with smooth valleys: 0 to about 1. */
  ridged(x: number, y: number, octaves: number): number {
    let sum = 0;
    let strength = 0.55;
    let weight = 1;
    let u = x;
    let v = y;
    for (let i = 0; i < octaves; i += 1) {
      const crest = 1 - abs(this.at(u, v));
      const height = crest * crest * weight;
      sum += height * strength;
      weight = height;
      strength *= 0.5;
      u = u * 2.03 + 31.1;
      v = v * 2.03 + 5.9;
    }
    return sum;
  }
}
