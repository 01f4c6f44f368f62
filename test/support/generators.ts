import sharp from 'sharp';
import { GenerationFailed } from '@genledger/generation';
import type { GeneratedImage, ImageGenerator, ImageRequest } from '@genledger/generation';

/** Makes pictures of a few pixels, so that tests about jobs do not paint. A prompt with "forbidden" fails image 2. */
export class TinyGenerator implements ImageGenerator {
  async generate({ prompt, position }: ImageRequest): Promise<GeneratedImage> {
    if (prompt.includes('forbidden') && position === 2)
      throw new GenerationFailed('content_policy_violation', 'The prompt breaks the rules');
    const background = { r: position * 20, g: 80, b: 160 };
    const bytes = await sharp({ create: { width: 8, height: 6, channels: 3, background } })
      .png()
      .toBuffer();
    return { bytes, mimeType: 'image/png' };
  }
}

/** Holds every image back while the gate is shut, then hands over to another generator. */
export class GatedGenerator implements ImageGenerator {
  private opened: Promise<void> = Promise.resolve();
  private openNow: () => void = () => undefined;
  private arrived: () => void = () => undefined;

  constructor(private readonly next: ImageGenerator) {}

  /** Resolves when an image is asked for at the shut gate. */
  shut(): Promise<void> {
    this.opened = new Promise((resolve) => (this.openNow = resolve));
    return new Promise((resolve) => (this.arrived = resolve));
  }

  open(): void {
    this.openNow();
  }

  async generate(request: ImageRequest): Promise<GeneratedImage> {
    this.arrived();
    const { signal } = request;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      void this.opened.then(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
    });
    return this.next.generate(request);
  }
}
