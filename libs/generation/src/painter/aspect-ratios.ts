/** A picture's size in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The ratios that are painted and their sizes: about one megapixel each, every side a multiple of 8,
 * width / height within 2 % of the ratio (a test holds both).
 */
export const ASPECT_RATIOS = {
  '1:1': { width: 1024, height: 1024 },
  '16:9': { width: 1344, height: 768 },
  '9:16': { width: 768, height: 1344 },
  '4:3': { width: 1152, height: 864 },
  '3:4': { width: 864, height: 1152 },
  '3:2': { width: 1248, height: 832 },
  '2:3': { width: 832, height: 1248 },
  '21:9': { width: 1536, height: 656 },
} as const satisfies Record<string, PictureSize>;

export type AspectRatio = keyof typeof ASPECT_RATIOS;

export function isAspectRatio(text: string): text is AspectRatio {
  return Object.hasOwn(ASPECT_RATIOS, text);
}
