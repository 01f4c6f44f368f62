import type { EffectiveParameters } from '@genledger/jobs';
import { paint } from './painter/paint';

export interface ImageRequest {
  /** For logs. */
  readonly jobId: string;
  readonly prompt: string;
  readonly negativePrompt: string | null;
  readonly parameters: EffectiveParameters;
  /** 1, 2 … number_of_images. */
  readonly position: number;
  /** Aborted when the lease is lost or a cancel was asked for: what is made from then on is thrown away. */
  readonly signal: AbortSignal;
}

export interface GeneratedImage {
  readonly bytes: Buffer;
  readonly mimeType: string;
  /** Under what the provider that made it keeps its own record. */
  readonly providerRequestId?: string;
}

/** Makes one image, or throws GenerationFailed. Anything else that it throws counts as a passing fault. */
export interface ImageGenerator {
  generate(request: ImageRequest): Promise<GeneratedImage>;
}
export const IMAGE_GENERATOR = Symbol('IMAGE_GENERATOR');

export type GenerationFailure =
  'content_policy_violation' | 'invalid_input' | 'rate_limited' | 'provider_unavailable';

/** `message` is for the job's owner. */
export class GenerationFailed extends Error {
  override readonly name = 'GenerationFailed';
  readonly retryAfterMs: number | undefined;
  readonly providerRequestId: string | undefined;

  constructor(
    readonly code: GenerationFailure,
    message: string,
    { retryAfterMs, providerRequestId }: { retryAfterMs?: number; providerRequestId?: string } = {},
  ) {
    super(message);
    this.retryAfterMs = retryAfterMs;
    this.providerRequestId = providerRequestId;
  }

  get retryable(): boolean {
    return this.code === 'rate_limited' || this.code === 'provider_unavailable';
  }
}

/** The generator that is built in: prompt, aspect ratio, seed and position decide the picture, byte for byte. */
export class Painter implements ImageGenerator {
  async generate({ prompt, parameters, position }: ImageRequest): Promise<GeneratedImage> {
    const { aspect_ratio: aspectRatio, seed } = parameters;
    return paint({ prompt, aspectRatio, seed, position });
  }
}
