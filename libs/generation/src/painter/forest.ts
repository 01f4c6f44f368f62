import { clamp, mix, smoothstep } from './arithmetic';
import { mixColours, type Colour } from './palette';
import type { Scene } from './scene';
import type { Shader } from './sky';

const { abs, ceil, max, min, round, sqrt } = Math;

interface Stand {
  /** For each column: 0 no trunk, else the light on its bark, 0 to 1, plus 1. */
  readonly bark: Float64Array;
  readonly colour: Colour;
  readonly nearness: number;
  /** The y of the ground it stands on, for each column. */
  readonly ground: Float64Array;
  /** How far its trunks bend sideways, in pixels, for each row. */
  readonly sway: Float64Array;
  readonly shift: number;
}

function growStand(scene: Scene, nearness: number, sunX: number): Stand {
  const { random, width, height, unit, palette, noise } = scene;
  const bark = new Float64Array(width);
  const count = round(mix(46, 7, sqrt(nearness)) * (width / height));
  for (let i = 0; i < count; i += 1) {
    const thick = unit * mix(5, 62, nearness * nearness) * random.between(0.6, 1.35);
    const at = random.between(-0.02, 1.02) * width;
    // The near ones leave a clearing where the light falls in.
    if (nearness > 0.4 && abs(at - sunX) < width * 0.13) continue;
    for (let x = max(0, ceil(at - thick / 2)); x < min(width, at + thick / 2); x += 1) {
      const across = (x - at) / thick;
      bark[x] = 1 + clamp(0.5 + across * (sunX > at ? 1 : -1));
    }
  }
  const shift = random.between(0, 200);
  const foot = mix(0.66, 0.96, nearness) * height;
  const ground = Float64Array.from(
    bark,
    (_, x) => foot + noise.fractal(x / (150 * unit) + shift, 1.5, 2) * 26 * unit * (0.4 + nearness),
  );
  const sway = Float64Array.from(
    { length: height },
    (_, y) => noise.at(y / (170 * unit), shift) * mix(3, 16, nearness) * unit,
  );
  const haze = mixColours(mixColours(palette.horizon, palette.sun, 0.3), palette.far, nearness * 0.9);
  return {
    bark,
    colour: mixColours(haze, palette.near, smoothstep(0.15, 1, nearness)),
    nearness,
    ground,
    sway,
    shift,
  };
}

/** Inside a wood: stands of trunks in mist, shafts of light from one side, a canopy and a floor of leaves. */
export function createForest(scene: Scene): Shader {
  const { random, noise, palette, width, height, unit } = scene;
  const sunX = width * random.between(0.32, 0.68);
  const sunY = height * random.between(0.2, 0.36);
  const stands = [1, 0.72, 0.46, 0.22, 0].map((nearness) => growStand(scene, nearness, sunX));
  const slant = random.between(0.25, 0.5) * (sunX < width / 2 ? 1 : -1);
  const mood = mixColours(palette.sky, palette.far, 0.45);

  const background = (y: number, i: number, halo: number): number =>
    mix(mix(mood[i]!, palette.horizon[i]!, smoothstep(0, 0.66 * height, y)), palette.sun[i]!, halo);

  return (x, y, out) => {
    const dx = (x - sunX) / (width * 0.34);
    const dy = (y - sunY) / (height * 0.42);
    const halo = 1 / (1 + (dx * dx + dy * dy) * 1.6);
    // Front to back: what is covered is never shaded.
    let open = 1;
    out[0] = out[1] = out[2] = 0;
    for (const { bark, colour, nearness, ground: grounds, sway: sways, shift } of stands) {
      const sway = sways[y]!;
      const column = clamp(round(x + sway), 0, width - 1);
      const ground = grounds[x]!;
      const trunk = bark[column]!;
      const onGround = y > ground;
      const reach = 0.34 - (y / height) * mix(2.6, 1.75, nearness);
      let leaves = 0;
      if (!onGround && reach > -0.55) {
        const wide = mix(60, 150, nearness) * unit;
        leaves = noise.fractal(x / wide + shift, y / (wide * 0.7), 5);
      }
      const canopy = onGround ? 0 : smoothstep(0.02, 0.16, leaves + reach);
      const cover = onGround || trunk > 0 ? 1 : canopy * (0.55 + 0.45 * nearness);
      if (cover === 0) continue;
      let light = 0;
      if (onGround) light = noise.fractal(x / (30 * unit), y / (9 * unit) + shift, 4) * 0.6 + halo * 0.35;
      else if (canopy > 0.5)
        light = leaves * 0.7 + noise.at(x / (9 * unit), y / (7 * unit)) * 0.22 + halo * 0.25;
      else light = (trunk - 1.5) * 0.8 + noise.fractal((x + sway) / (5 * unit), y / (46 * unit), 3) * 0.4;
      const mist = onGround ? (1 - nearness) * 0.55 * smoothstep(90 * unit, 0, y - ground) : 0.12 * halo;
      const leafy = onGround || canopy > 0.5 ? 0.16 * nearness + clamp(light) * 0.34 : 0;
      for (let i = 0; i < 3; i += 1) {
        const lit = colour[i]! * (1 + light * 0.75) + palette.sun[i]! * max(0, light) * 0.2;
        const tinted = mix(lit, palette.accent[i]! * (0.6 + light), leafy);
        out[i]! += mix(tinted, background(y, i, halo), mist) * cover * open;
      }
      open *= 1 - cover;
      if (open < 0.01) break;
    }
    for (let i = 0; i < 3; i += 1) out[i]! += background(y, i, halo * 0.9) * open;
    const ray = noise.at((x - sunX + (y - sunY) * slant * -1) / (52 * unit), 0.5);
    const shaft = smoothstep(0.05, 0.6, ray) * halo * (1 - smoothstep(0.55, 0.95, y / height)) * 0.42;
    for (let i = 0; i < 3; i += 1) out[i] = mix(out[i]!, palette.sun[i]!, shaft);
  };
}
