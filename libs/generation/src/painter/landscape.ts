import { clamp, mix, smoothstep, wave } from './arithmetic';
import { mixColours, type Colour } from './palette';
import type { Scene } from './scene';
import { createSky, createWater, type Pixel, type Shader } from './sky';

const { abs, ceil, floor, max, min, round, sqrt } = Math;

/** A silhouette with light on it. `top` holds the y of its upper edge for each column. */
interface Ridge {
  readonly top: Float64Array;
  readonly colour: Colour;
  /** 0 far to 1 near. */
  readonly nearness: number;
  readonly kind: 'rock' | 'dune' | 'wood';
}

/** Saw-toothed cones on a ridge: dense and small when far, few and tall when near. */
export function plantTrees(top: Float64Array, scene: Scene, nearness: number): void {
  const { random, unit, width, noise } = scene;
  const ground = top.slice();
  const size = mix(14, 92, nearness * nearness) * unit;
  const step = size * mix(0.34, 0.5, nearness);
  for (let at = -size; at < width + size; at += step * random.between(0.5, 1.5)) {
    if (noise.at(at / (size * 9), nearness * 31) < -0.18) continue;
    const tall = size * random.between(0.5, 1.25);
    const slope = random.between(3.2, 4.6);
    const tiers = random.between(6, 9);
    const crown = (ground[clamp(round(at), 0, width - 1)] ?? 0) - tall;
    const reach = ceil(tall / slope);
    for (let x = max(0, floor(at - reach)); x <= min(width - 1, at + reach); x += 1) {
      const down = abs(x - at) * slope;
      const jag = ((down / tall) * tiers) % 1;
      const edge = crown + down - jag * (tall / tiers) * 0.75;
      if (edge < top[x]!) top[x] = edge;
    }
  }
}

function raiseRidges(scene: Scene, ground: number): Ridge[] {
  const { random, noise, palette, width, height, unit } = scene;
  const desert = scene.has('desert', 'dune', 'sahara', 'sand');
  const rolling = scene.has('hill', 'meadow', 'field', 'farm', 'valley', 'grass');
  const wooded = !desert && !scene.has('canyon', 'volcano', 'glacier');
  const count = 5 + random.integer(2);
  return Array.from({ length: count }, (_, index) => {
    const nearness = index / (count - 1);
    const base = mix(
      ground * 0.86,
      height * (desert ? 0.86 : 0.93),
      nearness * nearness * 0.8 + nearness * 0.2,
    );
    const tall =
      mix(rolling || desert ? 0.13 : 0.4, 0.13, sqrt(nearness)) * height * random.between(0.75, 1.15);
    const grain = mix(1.5, 2.6, nearness) * (width / height);
    const shift = random.between(0, 240);
    const top = new Float64Array(width);
    for (let x = 0; x < width; x += 1) {
      const u = (x / width) * grain + shift;
      const smooth = desert || (rolling && nearness > 0.2) || nearness > 0.75;
      const rise = desert
        ? 1 - abs(noise.fractal(u * 0.8, nearness * 7 + shift, 2)) * 2.4
        : smooth
          ? 0.5 + noise.fractal(u * 1.1, shift, 4)
          : noise.ridged(u * 0.9, shift, 7) * 1.25 - 0.15 + noise.fractal(u * 4, shift + 9, 4) * 0.12;
      top[x] = base - rise * tall;
    }
    if (wooded && nearness > 0.35) plantTrees(top, scene, nearness);
    if (rolling && nearness > 0.9)
      for (let x = 0; x < width; x += 1) top[x]! -= noise.at(x / 2.3, 4) * 5 * unit;
    const haze = mixColours(palette.horizon, palette.far, smoothstep(-0.25, 0.45, nearness));
    const colour = mixColours(haze, palette.near, smoothstep(0.3, 1.05, nearness) * (desert ? 0.62 : 1));
    return { top, colour, nearness, kind: desert ? 'dune' : nearness > 0.35 && wooded ? 'wood' : 'rock' };
  });
}

/** Mountains, dunes or hills in the air's perspective, with a lake that mirrors them when there is room. */
export function createLandscape(scene: Scene): Shader {
  const { random, noise, palette, width, height, unit } = scene;
  const desert = scene.has('desert', 'dune', 'sahara', 'canyon', 'volcano');
  const lake = scene.has('lake', 'water', 'reflection', 'river') || (!desert && random.chance(0.4));
  const horizon = height * random.between(0.56, 0.64);
  const sky = createSky(scene, horizon);
  const shore = lake ? height * random.between(0.7, 0.76) : height * 2;
  const ridges = raiseRidges(scene, horizon).filter((ridge) => !lake || ridge.nearness < 0.7);
  if (lake)
    for (const ridge of ridges)
      for (let x = 0; x < width; x += 1) ridge.top[x]! -= height * 0.06 * ridge.nearness;
  const snowy = scene.has(
    'snow',
    'snowy',
    'winter',
    'alp',
    'alpine',
    'glacier',
    'arctic',
    'ice',
    'mountain',
    'peak',
  );
  const white: Colour = mixColours([246, 249, 255], palette.horizon, 0.3);
  const side = sky.sunX < width / 2 ? -1 : 1;
  const behind: Pixel = new Float64Array(3);

  const shadeRidge = (ridge: Ridge, x: number, y: number, out: Pixel): void => {
    const column = clamp(round(x), 0, width - 1);
    const top = ridge.top[column]!;
    const below = (y - top) / height;
    const rise = ridge.top[min(column + 9, width - 1)]! - ridge.top[max(column - 9, 0)]!;
    const slope = (rise / 18) * side;
    let light = 0;
    if (ridge.kind === 'dune') {
      const bend = noise.fractal(x / (width * 0.22), y / (height * 0.16) + ridge.nearness * 9, 3);
      light = smoothstep(-0.22, 0.3, bend * side - below * 0.6) * 0.6 - 0.24;
      light += wave(y / (7 * unit) + bend * 9 + x / (90 * unit)) * 0.05 * ridge.nearness;
    } else if (ridge.kind === 'rock') {
      // Gullies run down from the crest, away from the light.
      const u = x / (120 * unit) + ridge.nearness * 13;
      const v = y / (150 * unit);
      const bend = noise.fractal(u * 0.7, v * 0.7, 2);
      const facet = noise.ridged(u + bend * 0.8 + (y / height) * 5 * side, v * 0.8 + bend, 4);
      const turned = noise.fractal(u * 1.6 - (y / height) * 7 * side, v * 1.1, 3);
      light = (facet - 0.45) * 0.7 + turned * 0.55 - clamp(slope, -1.2, 1.2) * 0.12;
    } else {
      light =
        noise.fractal(x / (26 * unit), y / (17 * unit), 3) * 0.3 * ridge.nearness +
        (1 - smoothstep(0, 0.05, below)) * 0.1;
    }
    const mist = smoothstep(0.02, 0.24, below) * (1 - ridge.nearness) * 0.62;
    let snow = 0;
    if (snowy && ridge.kind === 'rock') {
      const line = 0.1 + 0.05 * noise.fractal(x / (34 * unit), y / (40 * unit), 3);
      snow = smoothstep(line + 0.035, line - 0.03, below) * smoothstep(-0.3, 0.15, light + 0.12) * 0.9;
    }
    for (let i = 0; i < 3; i += 1) {
      let value = ridge.colour[i]! * (1 + light * 0.6) + palette.sun[i]! * max(0, light) * 0.3;
      value = mix(value, white[i]! * (0.86 + light * 0.4), snow);
      out[i] = mix(value, palette.horizon[i]!, mist);
    }
  };

  const land: Shader = (x, y, out) => {
    const column = clamp(round(x), 0, width - 1);
    for (let i = ridges.length - 1; i >= 0; i -= 1) {
      const ridge = ridges[i]!;
      const cover = y - ridge.top[column]! + 0.5;
      if (cover <= 0) continue;
      shadeRidge(ridge, x, y, out);
      if (cover >= 1) return;
      // The edge's own pixel: what lies behind shows through.
      const next = ridges.slice(0, i).findLast((other) => y - other.top[column]! > 0);
      if (next) shadeRidge(next, x, y, behind);
      else sky.shade(x, y, behind);
      for (let c = 0; c < 3; c += 1) out[c] = mix(behind[c]!, out[c]!, cover);
      return;
    }
    sky.shade(x, y, out);
  };
  if (!lake) return land;
  const water = createWater(scene, land, shore, sky.sunX);
  return (x, y, out) =>
    y < shore + noise.fractal(x / (70 * unit), 8.5, 3) * 5 * unit ? land(x, y, out) : water(x, y, out);
}
