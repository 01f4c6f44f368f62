import { clamp, mix } from './arithmetic';
import { Random } from './random';

const { floor, min } = Math;

/** Red, green, blue: 0 to 255 each. */
export type Colour = readonly [number, number, number];

/** The colours of a scene, from the top of its sky to its foreground. */
export interface Palette {
  readonly zenith: Colour;
  readonly sky: Colour;
  readonly horizon: Colour;
  readonly sun: Colour;
  readonly far: Colour;
  readonly near: Colour;
  readonly accent: Colour;
}

const TONES = ['zenith', 'sky', 'horizon', 'sun', 'far', 'near', 'accent'] as const;

/** What an hour, a season or a weather does to the light: stronger than a place's own colours. */
const MOODS: Record<string, string> = {
  sunset: '2b1b4d 9b3f78 ff9a5a fff0c0 8a4a7a 1a1030 ff5e5b',
  dusk: '1d2250 5d4a8c f0a08a ffe2c4 54487f 120f28 ff8c61',
  sunrise: '4a6fb5 d58fb0 ffd3a3 fff4d2 8d7fae 22203f ff9770',
  night: '040714 0e1a40 2c4080 f4f1de 1a2853 03050d ffd97a',
  moonlight: '060b1f 16305c 5079a8 f6f3e4 24406c 050a16 cfe3ff',
  storm: '23303f 4a5a69 a3b1b4 e6eaea 4d5d69 121a21 e0b252',
  mist: '8b9fae b7c3c6 e8e4d8 fffbee 96a6ab 33444c c97b63',
  snow: '6488bd b2cbe8 f6efe9 fffaf0 9cb1cc 2a3b56 d1495b',
  autumn: '5f7f9c c9b79c f6d9a4 fff2cf b5773f 3a1d12 d1431f',
  spring: '6fb1e0 b9dcea fdeef0 fffbe6 93b889 27502f f28ab2',
  neon: '0b0221 2a0a5e d01f80 ff7ad1 44207f 07010f 00f0ff',
  aurora: '02040f 0a2145 1d5a6a e8fff4 123350 02060c 5cffb1',
  pastel: '9fb7e3 d3c4ea fde0d8 fffdf2 b6a6d0 6d6490 f7a9a8',
};

const PLACES: Record<string, string> = {
  ocean: '1261a0 6bb3dc f4e6cb fff8e2 4588b0 07263e ffd166',
  harbour: '2f5680 8fb0cb f6dcb3 fff3d3 617f9c 132435 e4572e',
  forest: '5d9a9a b4d4b2 f3f0cc fff9d8 6c9a78 0d2a1b e0a458',
  desert: '3a78ad 9cc0cc ffdcab fff4d6 dc9a58 6d2d18 c8553d',
  city: '22325c 7a6a9c f6b183 ffe0ad 5b567f 0d1122 ffcf6b',
  mountain: '2f6bb0 8fbfe6 f5e9d8 fff8e4 7791b5 1f2f45 e8893c',
  meadow: '4b94d8 a9d6ee fbf3d4 fffbe0 8db67c 234a24 f4c542',
  volcano: '160a12 4a1622 d24a1f ffc36b 4d2430 0b0508 ff6a00',
  space: '03020c 1a1145 63308f ffe9c9 35206b 020108 3fd0ff',
  tropical: '0b86b8 5fcfd6 fff1c9 fffbe0 2fa58f 06403a ff7f51',
  lavender: '5a6fc0 b5a6e2 fbdcd2 fff5dc 9a7fc4 3a2668 f2a65a',
  gold: '3b2a1a 9c6b30 f7d774 fff7d0 8a6231 1f130a ffb703',
};

const SYNONYMS: Record<string, string> = {
  evening: 'dusk', twilight: 'dusk', golden: 'sunset', dawn: 'sunrise', morning: 'sunrise',
  midnight: 'night', dark: 'night', starry: 'night', moon: 'moonlight', moonlit: 'moonlight',
  stormy: 'storm', rain: 'storm', rainy: 'storm', thunder: 'storm', grey: 'storm', gray: 'storm',
  fog: 'mist', foggy: 'mist', misty: 'mist', haze: 'mist', winter: 'snow', snowy: 'snow', ice: 'snow',
  arctic: 'snow', glacier: 'snow', fall: 'autumn', blossom: 'spring', sakura: 'spring', cherry: 'spring',
  cyberpunk: 'neon', synthwave: 'neon', vaporwave: 'neon', northern: 'aurora', soft: 'pastel',
  sea: 'ocean', seascape: 'ocean', wave: 'ocean', water: 'ocean', coast: 'ocean', lake: 'ocean',
  harbor: 'harbour', port: 'harbour', boat: 'harbour', ship: 'harbour', wood: 'forest', tree: 'forest',
  jungle: 'forest', pine: 'forest', dune: 'desert', sand: 'desert', canyon: 'desert', sahara: 'desert',
  skyline: 'city', town: 'city', street: 'city', urban: 'city', alp: 'mountain', peak: 'mountain',
  field: 'meadow', grass: 'meadow', hill: 'meadow', green: 'meadow', valley: 'meadow', lava: 'volcano',
  fire: 'volcano', galaxy: 'space', nebula: 'space', cosmos: 'space', cosmic: 'space', planet: 'space',
  beach: 'tropical', island: 'tropical', palm: 'tropical', purple: 'lavender', violet: 'lavender',
  luxury: 'gold', treasure: 'gold', amber: 'gold',
}; // prettier-ignore

function eachTone(colourOf: (tone: keyof Palette, index: number) => Colour): Palette {
  const entries = TONES.map((tone, index): [string, Colour] => [tone, colourOf(tone, index)]);
  return Object.fromEntries(entries) as unknown as Palette;
}

/** Seven hexadecimal colours in the order of TONES. */
function parse(text: string): Palette {
  const colours = text.split(' ').map((hex): Colour => {
    const value = Number.parseInt(hex, 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  });
  return eachTone((_, index) => colours[index]!);
}

export function mixColours(from: Colour, to: Colour, share: number): Colour {
  return [mix(from[0], to[0], share), mix(from[1], to[1], share), mix(from[2], to[2], share)];
}

function mixPalettes(from: Palette, to: Palette, share: number): Palette {
  return eachTone((tone) => mixColours(from[tone], to[tone], share));
}

/** `hue` in turns, saturation and lightness 0 to 1. */
function fromHue(hue: number, saturation: number, lightness: number): Colour {
  const reach = saturation * min(lightness, 1 - lightness);
  const channel = (offset: number): number => {
    const k = (offset + (hue - floor(hue)) * 12) % 12;
    return 255 * (lightness - reach * clamp(min(k - 3, 9 - k), -1, 1));
  };
  return [channel(0), channel(8), channel(4)];
}

/** A palette for words that none of the named ones speaks of: a hue, its neighbour and its opposite. */
function hashedPalette(hash: number): Palette {
  const random = new Random(hash);
  const hue = random.next();
  const turn = random.between(0.06, 0.16) * (random.chance(0.5) ? 1 : -1);
  const dark = random.chance(0.35);
  return {
    zenith: fromHue(hue, 0.6, dark ? 0.1 : 0.36),
    sky: fromHue(hue + turn * 0.6, 0.5, dark ? 0.3 : 0.64),
    horizon: fromHue(hue + turn * 3, 0.7, dark ? 0.62 : 0.82),
    sun: fromHue(hue + turn * 3.4, 0.9, 0.93),
    far: fromHue(hue + turn, 0.3, dark ? 0.32 : 0.5),
    near: fromHue(hue - turn, 0.5, 0.1),
    accent: fromHue(hue + random.between(0.42, 0.58), 0.6, 0.58),
  };
}

/** The colours of a prompt: its first mood over its first place; without either, from the words' hash. */
export function paletteFor(words: readonly string[], hash: number): Palette {
  const names = words.map((word) => (Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word]! : word));
  const mood = names.find((name) => Object.hasOwn(MOODS, name));
  const place = names.find((name) => Object.hasOwn(PLACES, name));
  const own = hashedPalette(hash);
  const moodColours = mood === undefined ? undefined : parse(MOODS[mood] ?? '');
  const placeColours = place === undefined ? undefined : parse(PLACES[place] ?? '');
  if (moodColours && placeColours) return mixPalettes(moodColours, placeColours, 0.22);
  const named = moodColours ?? placeColours;
  return named === undefined ? own : mixPalettes(named, own, 0.1);
}

/** Whether the sky is so dark that stars and lit windows show. */
export function isDark(palette: Palette): boolean {
  const [red, green, blue] = palette.zenith;
  return red * 0.3 + green * 0.59 + blue * 0.11 < 42;
}
