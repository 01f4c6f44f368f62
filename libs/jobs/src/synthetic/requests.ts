import type { JobRequest } from '../admission';
import { ASPECT_RATIOS, MAX_SEED } from '../text-to-image';
import type { SyntheticUser } from './cast';
import type { Chance } from './chance';
import { negativePrompt, prompt } from './prompts';

const EXTERNAL_MODES = { lifestyle: 5, upscale: 3, background_removal: 3, video: 1 } as const;
const IMAGES = { 1: 5, 2: 3, 4: 2 } as const;
const TAGS = ['draft', 'final', 'print', 'web'] as const;

/** Whether somebody's next job is for the workers here; the others are done elsewhere. */
export function isPainted(chance: Chance): boolean {
  return chance.happens(0.75);
}

export function paintedRequest(user: SyntheticUser, chance: Chance): JobRequest {
  return {
    kind: 'text_to_image',
    ...common(user, chance),
    textToImage: {
      prompt: prompt(chance),
      ...(chance.happens(0.15) ? { negative_prompt: negativePrompt(chance) } : undefined),
      number_of_images: Number(chance.weighted(IMAGES)),
      aspect_ratio: chance.pick(ASPECT_RATIOS),
      // One that is left open would be made up anew each time.
      seed: chance.integer(0, MAX_SEED - 1),
    },
  };
}

export function externalRequest(user: SyntheticUser, chance: Chance): JobRequest {
  return { kind: 'external', ...common(user, chance), mode: chance.weighted(EXTERNAL_MODES) };
}

function common({ projects }: SyntheticUser, chance: Chance): Omit<JobRequest, 'kind'> {
  const project = chance.happens(0.85) ? projects[chance.integer(0, projects.length - 1)] : undefined;
  return {
    projectId: project?.id ?? null,
    priority: chance.happens(0.08) ? 10 : 0,
    ...(chance.happens(0.2) ? { tags: [chance.pick(TAGS)] } : undefined),
  };
}
