import type { AspectRatio } from '@genledger/jobs';
import type { ImageRequest } from '../image-generator';

/** What jobs are recorded under where a provider is set up without naming a model: whichever it runs by default. */
export const PROVIDER_DEFAULT_MODEL = 'provider-default';

/**
 * Within 2 % of the ratio, both sides multiples of 16, OpenAI's own sizes where it has one. A model that cannot make the
 * size says so, and the job fails: another shape than the one asked for is nothing that we choose.
 */
export const IMAGE_SIZES: Readonly<Record<AspectRatio, string>> = {
  '1:1': '1024x1024',
  '16:9': '1792x1024',
  '9:16': '1024x1792',
  '4:3': '1152x864',
  '3:4': '864x1152',
  '3:2': '1536x1024',
  '2:3': '1024x1536',
  '21:9': '1536x656',
};

/**
 * The body of `POST /images/generations`, one image. Only what every server takes: OpenAI refuses a `seed`, and its newer
 * models a `response_format`. It has no field for a negative prompt either, so that is said in words.
 */
export function imageRequestBody({ prompt, negativePrompt, parameters }: ImageRequest): object {
  const { model, aspect_ratio: aspectRatio } = parameters;
  return {
    ...(model === PROVIDER_DEFAULT_MODEL ? undefined : { model }),
    prompt: negativePrompt?.trim() ? `${prompt}\n\nAvoid: ${negativePrompt}` : prompt,
    n: 1,
    size: IMAGE_SIZES[aspectRatio],
  };
}
