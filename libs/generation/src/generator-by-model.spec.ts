import { ConfigError } from '@genledger/platform';
import { imageModel } from './generator-by-model';

describe('the model that new jobs run with', () => {
  const url = 'https://images.example/v1';

  it('is the painter, unless there is a provider', () => {
    expect(imageModel(undefined)).toBe('painter-1');
  });

  it('is the provider’s, by its name or as its choice', () => {
    expect(imageModel({ url, model: 'pixel-2' })).toBe('pixel-2');
    expect(imageModel({ url })).toBe('provider-default');
  });

  it('is nothing of the provider’s that has the painter’s name', () => {
    expect(() => imageModel({ url, model: 'painter-1' })).toThrow(ConfigError);
    expect(() => imageModel({ url, model: 'painter-1' })).toThrow('IMAGE_PROVIDER_MODEL="painter-1"');
  });
});
