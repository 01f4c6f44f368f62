import { cellNoise, clamp, glow, length, mix, smoothstep, wave } from './arithmetic';
import type { Scene } from './scene';

const { floor, max } = Math;

/** Three channels, 0 to 255, written by a shader. */
export type Pixel = Float64Array;

/** Writes the colour of the point (x, y), in pixels, to `out`. */
export type Shader = (x: number, y: number, out: Pixel) => void;

export interface Sky {
  readonly shade: Shader;
  readonly sunX: number;
  readonly sunY: number;
}

/** A gradient, a sun or a moon with its glow, clouds lit from its side, stars and, when asked for, aurora. */
export function createSky(scene: Scene, horizon: number): Sky {
  const { width, unit, noise, random, dark, palette, salt } = scene;
  const { zenith, sky, horizon: low, sun } = palette;
  const sunX = width * (random.chance(0.5) ? random.between(0.2, 0.42) : random.between(0.58, 0.8));
  const lowSun = scene.has('sunset', 'sunrise', 'dusk', 'dawn', 'evening', 'golden');
  const sunY = horizon * (lowSun ? random.between(0.74, 0.9) : random.between(0.25, 0.55));
  const radius =
    unit * (lowSun ? random.between(46, 66) : dark ? random.between(30, 44) : random.between(24, 38));
  const overcast = scene.has('storm', 'stormy', 'rain', 'rainy', 'cloudy', 'cloud', 'clouds');
  const cover = overcast ? -0.12 : scene.has('clear') ? 0.5 : random.between(0.06, 0.22);
  const northern = scene.has('aurora', 'northern');
  const shiftX = random.between(0, 200);
  const shiftY = random.between(0, 200);
  const lit: readonly number[] = dark ? [sun[0] * 0.5, sun[1] * 0.52, sun[2] * 0.62] : sun;

  const shade: Shader = (x, y, out) => {
    const t = clamp(y / horizon, 0, 1);
    const lower = smoothstep(0.42, 1, t);
    const upper = smoothstep(0, 0.6, t);
    const distance = length(x - sunX, y - sunY);
    const halo =
      glow(distance, radius * (lowSun ? 3.6 : 2.6)) * (dark ? 0.34 : 0.62) +
      glow(distance, radius * 12) * 0.2;
    const disc = smoothstep(radius + 1.2, radius - 1.2, distance);

    // Clouds flatten toward the horizon, as a ceiling does in perspective.
    const depth = 1.25 - t;
    const u = ((x - width / 2) / (width * 0.5)) * (0.9 / depth) * (width / 900) + shiftX;
    const v = 1.6 / depth + shiftY;
    const bend = noise.at(u * 0.8, v * 1.1) * 0.5;
    const density = noise.fractal(u * 1.3 + bend, v * 2.4 - bend, 4);
    const cloud =
      smoothstep(cover, cover + 0.4, density) * (1 - smoothstep(0.86, 1, t)) * (overcast ? 0.95 : 0.82);
    const toward = clamp((sunX - x) / width, -1, 1) * 0.09;
    const relief =
      cloud === 0
        ? 0
        : clamp(0.5 + (density - noise.fractal(u * 1.3 + bend + toward, v * 2.4 - bend + 0.1, 2)) * 2.2);

    let stars = 0;
    if (dark && cloud < 0.9) {
      const cell = 13 * unit;
      const column = floor(x / cell);
      const row = floor(y / cell);
      const luck = cellNoise(column, row, salt);
      if (luck > 0.86) {
        const starX = (column + 0.2 + 0.6 * cellNoise(column, row, salt + 1)) * cell;
        const starY = (row + 0.2 + 0.6 * cellNoise(column, row, salt + 2)) * cell;
        const size = unit * mix(0.4, 1.5, (luck - 0.86) / 0.14);
        const gap = length(x - starX, y - starY) / size;
        stars = clamp(1.5 / (1 + gap * gap * gap) - 0.04) * (1 - lower) * 230;
      }
    }
    let curtain = 0;
    if (northern) {
      const fold = noise.fractal(x / (width * 0.35) + shiftX, 3.1, 4) * 0.32;
      const foot = 0.62 + fold;
      const height = clamp((foot - t) / 0.5);
      const rays = 0.55 + 0.45 * noise.at(x / (14 * unit) + fold * 30, 0.5);
      curtain =
        (t < foot ? (1 - height) * (1 - height) * smoothstep(0, 0.06, foot - t) : 0) * rays * (1 - cloud);
    }
    for (let i = 0; i < 3; i += 1) {
      const air = mix(mix(zenith[i]!, sky[i]!, upper), low[i]!, lower);
      const bright = mix(lit[i]!, low[i]!, 0.35);
      const dim = mix(mix(sky[i]!, zenith[i]!, 0.45), low[i]!, 0.12 + lower * 0.3);
      let value = air + stars * (1 - cloud);
      value += curtain * (i === 1 ? 190 : i === 2 ? 120 : 40 + 60 * (1 - t));
      value += (sun[i]! - value) * clamp(halo) * (0.85 - 0.2 * cloud);
      value += (sun[i]! - value) * disc * (1 - cloud * 0.5);
      out[i] = mix(value, mix(dim, bright, relief) + halo * 30, cloud);
    }
    if (disc > 0 && dark) {
      // A moon has seas.
      const sea = 0.86 + 0.14 * noise.fractal(x / (radius * 0.7), y / (radius * 0.7), 3) * 2;
      for (let i = 0; i < 3; i += 1) out[i] = mix(out[i]!, out[i]! * sea, disc);
    }
  };
  return { shade, sunX, sunY };
}

/** Darkens and bends what `above` paints, mirrored at `shore`: still water with ripples that widen toward us. */
export function createWater(scene: Scene, above: Shader, shore: number, sunX: number): Shader {
  const { width, height, unit, noise, random, palette } = scene;
  const { near, sun, zenith } = palette;
  const shift = random.between(0, 200);
  const deep = [0, 1, 2].map((i) => mix(near[i]!, zenith[i]!, 0.4));
  return (x, y, out) => {
    const depth = clamp((y - shore) / (height - shore));
    const reach = 1 / (depth + 0.05);
    const u = ((x - width / 2) / (width * 0.5)) * reach;
    const ripple =
      noise.fractal(u * 1.4 + shift, reach * 9, 3) + 0.35 * noise.at(x / (60 * unit), y / (5 * unit) + shift);
    const bent = y + ripple * (4 + 26 * depth) * unit;
    above(clamp(x + ripple * (2 + 14 * depth) * unit, 0, width - 1), max(0, 2 * shore - bent), out);
    const clear = 0.2 + 0.42 * depth + clamp(ripple) * 0.18;
    const lane = glow(x - sunX, (26 + 120 * depth) * unit);
    const glint = smoothstep(0.3, 0.62, ripple + wave(reach * 3 + u) * 0.05) * lane * (0.9 - 0.4 * depth);
    for (let i = 0; i < 3; i += 1) {
      const body = mix(out[i]! * 0.94, deep[i]!, clamp(clear));
      out[i] = mix(body, sun[i]!, clamp(glint));
    }
  };
}
