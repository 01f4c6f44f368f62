import type { Chance } from './chance';

const SUBJECTS = [
  'A lighthouse on a cliff',
  'A harbour full of fishing boats',
  'A city of glass towers',
  'A pine forest',
  'A mountain lake',
  'A winding river',
  'A desert with red dunes',
  'An island with palm trees',
  'A snowy village',
  'A field of lavender',
  'A galaxy above the hills',
  'A market street',
] as const;
const TIMES = ['at dawn', 'at noon', 'at sunset', 'at dusk', 'at night', 'in the blue hour'] as const;
const WEATHERS = [
  'under a clear sky',
  'in thick fog',
  'after the rain',
  'in a snowstorm',
  'in soft light',
] as const;
const STYLES = ['watercolour', 'oil on canvas', 'pencil sketch', 'wide-angle photograph', 'woodcut'] as const;
const UNWANTED = ['people', 'text, watermark', 'blur', 'cars, power lines'] as const;

/** From a small vocabulary that the built-in painter understands. */
export function prompt(chance: Chance): string {
  const words = [chance.pick(SUBJECTS), chance.pick(TIMES), chance.pick(WEATHERS)].join(' ');
  return chance.happens(0.6) ? `${words}, ${chance.pick(STYLES)}` : words;
}

export function negativePrompt(chance: Chance): string {
  return chance.pick(UNWANTED);
}
