import { DEFAULT_MODEL } from '@genledger/jobs';
import { ConfigError } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { GeneratedImage, GenerationFailed, ImageGenerator, ImageRequest, Painter } from './image-generator';
import { PROVIDER_DEFAULT_MODEL } from './provider/image-request';
import { ProviderGenerator } from './provider/provider-generator';

type Provider = Config['imageProvider'];

/**
 * The model that new jobs run with, and are recorded under: the provider's where there is one, else the painter's.
 *
 * @throws ConfigError where the provider's has the painter's name.
 */
export function imageModel(provider: Provider): string {
  if (provider?.model === DEFAULT_MODEL) {
    throw new ConfigError(
      `IMAGE_PROVIDER_MODEL="${DEFAULT_MODEL}" is the built-in painter; allowed: the name of a model of the provider`,
    );
  }
  return provider === undefined ? DEFAULT_MODEL : (provider.model ?? PROVIDER_DEFAULT_MODEL);
}

/**
 * Every job gets the model that it was queued for, whatever is set up by the time that it runs: the books name it. The
 * painter is always there; another model is the provider's to know.
 */
export class GeneratorByModel implements ImageGenerator {
  private readonly painter = new Painter();
  private readonly provider: ImageGenerator | undefined;

  constructor(provider: Provider) {
    this.provider = provider && new ProviderGenerator(provider);
  }

  async generate(request: ImageRequest): Promise<GeneratedImage> {
    const { model } = request.parameters;
    if (model === DEFAULT_MODEL) return this.painter.generate(request);
    if (!this.provider) {
      throw new GenerationFailed(
        'provider_unavailable',
        `No image provider is set up for the model ${model}`,
      );
    }
    return this.provider.generate(request);
  }
}
