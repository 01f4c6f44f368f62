import { randomInt } from 'node:crypto';

/** What a text-to-image job may ask for, and what it gets where it does not ask. */

export const ASPECT_RATIOS = ['1:1', '16:9', '9:16', '4:3', '3:4', '3:2', '2:3', '21:9'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

export const MAX_IMAGES = 10;
export const MAX_SEED = 2_147_483_647;
/** The built-in painter: what jobs run with where no other model is set up. */
export const DEFAULT_MODEL = 'painter-1';
/** Injection token of the one model that new jobs run with. */
export const IMAGE_MODEL = Symbol('IMAGE_MODEL');
/** Longest prompt, in UTF-16 units: what the largest image APIs take. */
export const MAX_PROMPT = 32_000;

export interface TextToImageRequest {
  readonly prompt: string;
  readonly negative_prompt?: string;
  readonly number_of_images?: number;
  readonly aspect_ratio?: AspectRatio;
  readonly seed?: number;
  readonly model?: string;
}

/** What was asked for, as it was sent, without the texts (those are erasable content). */
export type RequestedParameters = Omit<TextToImageRequest, 'prompt' | 'negative_prompt'>;

export interface EffectiveParameters {
  readonly number_of_images: number;
  readonly aspect_ratio: AspectRatio;
  readonly seed: number;
  readonly model: string;
}

/** What is asked for, and a default for what is not: one image, square, a seed of our choosing, the server's model. */
export function effectiveParameters(request: RequestedParameters, imageModel: string): EffectiveParameters {
  return {
    number_of_images: request.number_of_images ?? 1,
    aspect_ratio: request.aspect_ratio ?? '1:1',
    seed: request.seed ?? randomInt(MAX_SEED),
    model: request.model ?? imageModel,
  };
}
