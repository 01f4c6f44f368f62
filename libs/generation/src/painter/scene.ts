import type { PictureSize } from './aspect-ratios';
import { Noise } from './noise';
import { isDark, paletteFor, type Palette } from './palette';
import { hashText, Random } from './random';

const { min } = Math;

export const COMPOSITIONS = ['landscape', 'seascape', 'skyline', 'forest', 'cosmos', 'flow-field'] as const;
export type Composition = (typeof COMPOSITIONS)[number];

const SUBJECTS = new Map<string, Composition>();
const SUBJECT_WORDS: Record<Composition, string> = {
  landscape:
    'landscape mountain alp peak hill valley lake desert dune canyon sahara meadow field volcano glacier farm',
  seascape: 'seascape sea ocean harbour harbor port boat ship sail beach coast wave island lagoon lighthouse',
  skyline:
    'skyline city street building tower town downtown urban tokyo york cyberpunk metropolis bridge castle',
  forest: 'forest wood woodland tree jungle grove pine path deer fox owl',
  cosmos: 'cosmos cosmic space galaxy planet nebula universe asteroid comet astronaut saturn alien',
  'flow-field':
    'abstract pattern flow swirl texture fluid marble dream music energy portrait fantasy silk smoke',
};
for (const composition of COMPOSITIONS) {
  for (const word of SUBJECT_WORDS[composition].split(' ')) SUBJECTS.set(word, composition);
}

/** Everything that a composition needs to know of the picture that it paints. */
export interface Scene extends PictureSize {
  /** One pixel of a picture whose shorter side is 768. */
  readonly unit: number;
  readonly composition: Composition;
  readonly palette: Palette;
  readonly dark: boolean;
  readonly random: Random;
  readonly noise: Noise;
  /** Salt for cellNoise. */
  readonly salt: number;
  has(...words: string[]): boolean;
}

/** The picture's words, in order: lower case, ASCII letters only, with each plural's singular. */
function wordsOf(text: string): string[] {
  const found = text.toLowerCase().match(/[a-z]+/g) ?? [];
  return found.flatMap((word) => {
    if (!word.endsWith('s') || word.length < 4) return [word];
    return [word.slice(0, -1), ...(word.endsWith('es') ? [word.slice(0, -2)] : []), word];
  });
}

export interface PaintRequest {
  readonly prompt: string;
  readonly seed: number;
  /** The picture's place in its job, from 1: pictures of a job share a subject and colours, not a view. */
  readonly position: number;
  /** More words, such as `vivid`, `noir`, `pastel`, `sepia`. */
  readonly style?: string | undefined;
}

export function composeScene(request: PaintRequest, size: PictureSize): Scene {
  const text = `${request.prompt} ${request.style ?? ''}`;
  const words = wordsOf(text);
  const jobHash = hashText(`${text}|${request.seed}`);
  const random = new Random(hashText(`${jobHash}|${request.position}`));
  const palette = paletteFor(words, jobHash);
  const subject = words.map((word) => SUBJECTS.get(word)).find((found) => found !== undefined);
  const set = new Set(words);
  return {
    ...size,
    unit: min(size.width, size.height) / 768,
    composition: subject ?? new Random(jobHash).pick(COMPOSITIONS),
    palette,
    dark: isDark(palette),
    random,
    noise: new Noise(random),
    salt: random.integer(0x7fffffff),
    has: (...wanted) => wanted.some((word) => set.has(word)),
  };
}
