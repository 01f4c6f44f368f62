import { clamp, length, mix, smoothstep, square } from './arithmetic';
import { mixColours } from './palette';
import type { Scene } from './scene';
import { createSky, createWater, type Shader } from './sky';

const { abs, floor, max, min, round } = Math;

/** A sailing boat. Measures in pixels; x and y are the middle of its waterline. */
interface Boat {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly lean: number;
  readonly furled: boolean;
  readonly paint: number;
}

function moorBoats(scene: Scene, shore: number): Boat[] {
  const { random, width, height, unit } = scene;
  const harbour = scene.has('harbour', 'harbor', 'port', 'boat', 'ship', 'sail', 'marina');
  const count = harbour ? 5 + random.integer(5) : random.integer(3) + (random.chance(0.5) ? 1 : 0);
  const boats = Array.from({ length: count }, (_, index): Boat => {
    const near = harbour ? square((index + random.between(0.2, 0.8)) / count) : random.between(0, 0.35);
    return {
      x: width * random.between(0.05, 0.95),
      y: shore + (3 * unit + (height - shore) * near * 0.5),
      size: unit * mix(34, 170, near),
      lean: random.between(-0.05, 0.05),
      furled: harbour && random.chance(0.6),
      paint: random.next(),
    };
  });
  return boats.sort((a, b) => b.y - a.y);
}

/** 0 nothing, 1 hull, 2 sail, 3 mast, 4 stripe: what of a boat covers a point. */
function partAt(boat: Boat, x: number, y: number): 0 | 1 | 2 | 3 | 4 {
  const up = (boat.y - y) / boat.size;
  if (up < 0 || up > 1.5) return 0;
  const along = (x - boat.x) / boat.size - boat.lean * up;
  if (up < 0.15) {
    const half = 0.4 + up * 0.75;
    if (along > -half + 0.06 && along < half) return up > 0.105 ? 4 : 1;
    return 0;
  }
  if (boat.furled && up < 0.27 && along > -0.2 && along < 0.12) return 4;
  if (abs(along) < 0.012 && up < 1.48) return 3;
  if (boat.furled) return abs(up - 0.3) < 0.022 && along > -0.38 && along < 0 ? 2 : 0;
  const main = (1.4 - up) / 1.2;
  if (along < -0.02 && along > -0.42 * main * (1.15 - 0.15 * main) && up > 0.22) return 2;
  if (along > 0.02 && along < 0.36 * (1.2 - up) && up > 0.2) return 2;
  return 0;
}

/** Sea to the horizon: headlands, boats, a lane of light. */
export function createSeascape(scene: Scene): Shader {
  const { random, noise, palette, width, height, unit, dark } = scene;
  const shore = height * random.between(0.5, 0.6);
  const sky = createSky(scene, shore);
  const boats = moorBoats(scene, shore);
  const lighthouse = scene.has('lighthouse') || (boats.length === 0 && random.chance(0.6));
  const left = sky.sunX > width / 2;
  const headlands = [0.55, 1].map((nearness, index) => {
    const top = new Float64Array(width);
    const shift = random.between(0, 240);
    const tall = height * random.between(0.07, 0.13) * (0.7 + nearness * 0.5);
    for (let x = 0; x < width; x += 1) {
      const inland = left === (index === 1) ? 1 - x / width : x / width;
      const rise = smoothstep(0.4 + 0.15 * index, 1, inland);
      const relief = 0.55 + 0.6 * noise.fractal((x / height) * 2.4 + shift, 2.5, 5);
      top[x] = shore + 1 - (rise * relief + rise * 0.25) * tall;
    }
    return { top, colour: mixColours(palette.far, palette.near, nearness - 0.4), nearness };
  });
  const towerX = width * (left ? 0.12 : 0.88);
  const towerFoot = headlands[1]!.top[round(towerX)]! + 4 * unit;
  const towerTall = height * 0.19;
  const lamp = { x: towerX, y: towerFoot - towerTall * 1.02 };

  const overSea: Shader = (x, y, out) => {
    sky.shade(x, min(y, shore), out);
    const column = clamp(round(x), 0, width - 1);
    for (const land of headlands) {
      const cover = clamp(y - land.top[column]! + 0.5);
      if (cover === 0) continue;
      const light = noise.fractal(x / (40 * unit), (y - land.top[column]! * 0.5) / (22 * unit), 4) * 0.5;
      const mist = smoothstep(shore - 30 * unit, shore, y) * 0.3;
      for (let i = 0; i < 3; i += 1) {
        const rock = land.colour[i]! * (1 + light * 0.7) + palette.sun[i]! * max(0, light) * 0.22;
        out[i] = mix(out[i]!, mix(rock, palette.horizon[i]!, mist), cover);
      }
    }
    if (lighthouse) {
      const up = (towerFoot - y) / towerTall;
      const half = (0.085 - 0.03 * clamp(up)) * towerTall;
      const cover = up > -0.05 && up < 1 ? clamp(half - abs(x - towerX) + 0.5) : 0;
      const band = floor(clamp(up) * 5) % 2 === 0 ? palette.accent : palette.sun;
      const round = 1 - 0.45 * clamp(((x - towerX) / half) * (left ? -0.5 : 0.5) + 0.5);
      const lampHalf = up >= 1 && up < 1.16 ? half * (up < 1.1 ? 0.75 : (1.16 - up) * 12) : 0;
      const shine = (dark ? 1 : 0.35) / (1 + square(length(x - lamp.x, y - lamp.y) / (9 * unit)));
      for (let i = 0; i < 3; i += 1) {
        out[i] = mix(out[i]!, mix(band[i]!, palette.near[i]!, dark ? 0.6 : 0.2) * round, cover);
        if (abs(x - towerX) < lampHalf) out[i] = palette.near[i]!;
        out[i] = mix(out[i]!, palette.sun[i]!, clamp(shine));
      }
    }
  };

  const water = createWater(scene, overSea, shore, sky.sunX);
  const tintBoat = (boat: Boat, part: 1 | 2 | 3 | 4, y: number, out: Float64Array, share: number): void => {
    const hull = mixColours(palette.near, boat.paint > 0.5 ? palette.accent : palette.far, boat.paint * 0.55);
    const cloth = mixColours(palette.sun, boat.paint > 0.7 ? palette.accent : palette.horizon, 0.4);
    const shadow = dark ? 0.5 : 1;
    for (let i = 0; i < 3; i += 1) {
      const up = clamp((boat.y - y) / boat.size);
      const body =
        part === 1
          ? hull[i]!
          : part === 3
            ? palette.near[i]!
            : part === 4
              ? mix(cloth[i]!, hull[i]!, 0.35)
              : cloth[i]!;
      out[i] = mix(out[i]!, body * shadow * (part === 2 ? 0.78 + 0.25 * up : 1), share);
    }
  };
  return (x, y, out) => {
    if (y < shore) overSea(x, y, out);
    else water(x, y, out);
    for (const boat of boats) {
      if (abs(x - boat.x) > boat.size * 0.75 || abs(y - boat.y) > boat.size * 1.6) continue;
      const part = partAt(boat, x, y);
      if (part !== 0) return tintBoat(boat, part, y, out, 1);
      if (y <= boat.y) continue;
      // Its mirror image, broken by the waves.
      const drift = noise.at(x / (30 * unit), y / (4 * unit)) * (2 + (y - boat.y) * 0.12);
      const mirrored = partAt(boat, x + drift, 2 * boat.y - y + drift * 0.4);
      if (mirrored !== 0)
        return tintBoat(
          boat,
          mirrored,
          2 * boat.y - y,
          out,
          0.5 * (1 - clamp((y - boat.y) / (boat.size * 1.6))),
        );
    }
  };
}
