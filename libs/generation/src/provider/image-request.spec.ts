import { ASPECT_RATIOS } from '@genledger/jobs';
import { IMAGE_SIZES, imageRequestBody } from './image-request';

const REQUEST = {
  jobId: 'a job',
  prompt: 'A harbour',
  negativePrompt: null,
  parameters: { number_of_images: 3, aspect_ratio: '16:9', seed: 7, model: 'pixel-2' },
  position: 2,
  signal: new AbortController().signal,
} as const;

it.each(ASPECT_RATIOS)('has a size for %s: within 2 %% of it, both sides multiples of 16', (ratio) => {
  const [width, height] = IMAGE_SIZES[ratio].split('x').map(Number) as [number, number];
  const [across, down] = ratio.split(':').map(Number) as [number, number];
  expect(Math.abs(width / height / (across / down) - 1)).toBeLessThan(0.02);
  expect([width % 16, height % 16]).toEqual([0, 0]);
});

it('asks for one image, with nothing that OpenAI would refuse', () => {
  expect(imageRequestBody(REQUEST)).toEqual({
    model: 'pixel-2',
    prompt: 'A harbour',
    n: 1,
    size: '1792x1024',
  });
});

it('leaves the choice of the model to a provider that was set up without one', () => {
  const parameters = { ...REQUEST.parameters, model: 'provider-default' };
  expect(imageRequestBody({ ...REQUEST, parameters })).not.toHaveProperty('model');
});

it('says a negative prompt in words', () => {
  expect(imageRequestBody({ ...REQUEST, negativePrompt: 'people' })).toMatchObject({
    prompt: 'A harbour\n\nAvoid: people',
  });
  expect(imageRequestBody({ ...REQUEST, negativePrompt: ' ' })).toMatchObject({ prompt: 'A harbour' });
});
