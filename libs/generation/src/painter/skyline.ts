import { cellNoise, clamp, mix, smoothstep, square } from './arithmetic';
import { mixColours, type Colour } from './palette';
import type { Scene } from './scene';
import { createSky, createWater, type Pixel, type Shader } from './sky';

const { abs, ceil, floor, max, min, round } = Math;

interface Building {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  /** Width and height of a window with its frame, in pixels; 0 for none. */
  readonly cellX: number;
  readonly cellY: number;
  readonly lit: number;
  readonly sign: number;
  readonly mast: number;
  readonly tint: number;
}

interface Street {
  readonly nearness: number;
  readonly colour: Colour;
  /** The building of each column, front to back resolved; -1 for none. */
  readonly at: Int32Array;
  readonly buildings: readonly Building[];
}

function buildStreet(scene: Scene, nearness: number, ground: number): Street {
  const { random, palette, width, height, unit, noise } = scene;
  const buildings: Building[] = [];
  const at = new Int32Array(width).fill(-1);
  const shift = random.between(0, 200);
  let x = -random.between(0, 40) * unit;
  while (x < width) {
    const wide = unit * mix(26, 96, nearness) * random.between(0.6, 1.4);
    const bulk = 0.5 + noise.fractal((x / width) * 2.2 + shift, nearness * 5, 2);
    const tower = random.chance(0.14) ? 1.45 : 1;
    const tall = ground * mix(0.42, 0.5, nearness) * (0.35 + bulk * 0.75) * random.between(0.7, 1.1) * tower;
    const building: Building = {
      left: x,
      right: x + wide,
      top: max(height * 0.07, ground - tall),
      cellX: unit * mix(5, 11, nearness) * random.between(0.8, 1.3),
      cellY: unit * mix(7, 15, nearness) * random.between(0.8, 1.3),
      lit: random.between(0.15, 0.7),
      sign: random.chance(0.3) ? random.next() : -1,
      mast: tower > 1 || random.chance(0.12) ? unit * random.between(20, 70) * mix(0.6, 1, nearness) : 0,
      tint: random.between(-0.12, 0.12),
    };
    for (let column = max(0, ceil(x)); column < min(width, x + wide); column += 1)
      at[column] = buildings.length;
    buildings.push(building);
    x += wide + (random.chance(0.25) ? unit * random.between(2, 14) : 0);
  }
  const haze = mixColours(palette.horizon, palette.far, 0.25 + nearness * 0.6);
  return { nearness, colour: mixColours(haze, palette.near, nearness * 0.78), at, buildings };
}

/** Streets of towers in haze, windows and signs alight, and a wet front that mirrors them. */
export function createSkyline(scene: Scene): Shader {
  const { random, noise, palette, width, height, unit, dark, salt } = scene;
  const shore = height * random.between(0.76, 0.84);
  const sky = createSky(scene, shore);
  const evening = dark || scene.has('sunset', 'dusk', 'evening', 'neon', 'cyberpunk');
  const neon = scene.has('neon', 'cyberpunk', 'synthwave', 'tokyo');
  const streets = [1, 0.66, 0.33, 0].map((nearness) => buildStreet(scene, nearness, shore));
  const side = sky.sunX < width / 2 ? -1 : 1;
  const signs: readonly [Colour, Colour, Colour] = [palette.accent, [255, 60, 170], [90, 120, 255]];

  const shadeFront = (street: Street, building: Building, x: number, y: number, out: Pixel): void => {
    const across = (x - building.left) / (building.right - building.left);
    const down = (y - building.top) / (shore - building.top);
    const light =
      building.tint + (across - 0.5) * side * 0.35 + noise.at(x / (9 * unit), y / (60 * unit)) * 0.05;
    const mist = smoothstep(0.1, 1.05, down) * (0.72 - street.nearness * 0.5);
    for (let i = 0; i < 3; i += 1)
      out[i] = mix(street.colour[i]! * (1 + light), palette.horizon[i]!, mist * (dark ? 0.6 : 0.85));

    const column = floor((x - building.left) / building.cellX);
    const row = floor((y - building.top) / building.cellY);
    const u = (x - building.left) / building.cellX - column;
    const v = (y - building.top) / building.cellY - row;
    if (row > 0 && u > 0.24 && u < 0.78 && v > 0.26 && v < 0.76 && across > 0.05 && across < 0.95) {
      const luck = cellNoise(column + building.left * 7, row, salt + round(building.top));
      const on = luck < building.lit * (evening ? 0.75 : 0.16);
      const warmth = cellNoise(column, row, salt + 5);
      const strength = on ? (0.5 + 0.5 * warmth) * mix(0.55, 1, street.nearness) : 0.14;
      for (let i = 0; i < 3; i += 1) {
        const lamp =
          neon && warmth > 0.6 ? palette.accent[i]! : mix([255, 214, 140][i]!, palette.sun[i]!, warmth * 0.5);
        const pane = on ? lamp : mix(palette.sky[i]!, palette.near[i]!, 0.2);
        out[i] = mix(out[i]!, pane, strength);
      }
    }
    if (neon && building.sign >= 0 && street.nearness > 0.3) {
      const colour = signs[floor(building.sign * 3)] ?? signs[0];
      const middle = 0.2 + building.sign * 0.6;
      const gap = abs(across - middle) * (building.right - building.left);
      const inside = smoothstep(0.08, 0.12, down) * smoothstep(0.62, 0.56, down);
      const tube =
        smoothstep(4 * unit, 2.4 * unit, gap) * (0.6 + 0.4 * smoothstep(0.3, 0.5, (y / (26 * unit)) % 1));
      const shine = inside * clamp(tube + 0.45 / (1 + square(gap / (13 * unit))));
      for (let i = 0; i < 3; i += 1) out[i] = mix(out[i]!, colour[i]!, shine);
    }
  };

  const city: Shader = (x, y, out) => {
    const column = clamp(floor(x), 0, width - 1);
    for (const street of streets) {
      const building = street.buildings[street.at[column]!];
      if (building === undefined) continue;
      if (y >= building.top) return shadeFront(street, building, x, y, out);
      const middle = (building.left + building.right) / 2;
      const half = (y - building.top + building.mast) * 0.03 + unit * 0.6;
      if (building.mast > 0 && y > building.top - building.mast && abs(x - middle) < half) {
        const tip = y < building.top - building.mast + 4 * unit && evening;
        for (let i = 0; i < 3; i += 1) out[i] = tip ? [255, 70, 60][i]! : street.colour[i]!;
        return;
      }
    }
    sky.shade(x, y, out);
    const dome = smoothstep(shore * 0.35, shore, y) * (evening ? 0.4 : 0.2);
    for (let i = 0; i < 3; i += 1) out[i] = mix(out[i]!, palette.horizon[i]!, dome);
  };
  const water = createWater(scene, city, shore, sky.sunX);
  return (x, y, out) => {
    if (y >= shore + 3 * unit) return water(x, y, out);
    city(x, min(y, shore - 1), out);
    if (y >= shore) for (let i = 0; i < 3; i += 1) out[i] = palette.near[i]! * 0.8;
  };
}
