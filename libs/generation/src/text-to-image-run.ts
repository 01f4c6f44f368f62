import type {
  EffectiveParameters,
  JobOutputError,
  RecordedOutput,
  WorkItem,
  WorkResult,
} from '@genledger/jobs';
import { priceInCents } from '@genledger/jobs';
import type { Uploads } from '@genledger/uploads';
import { GeneratedImage, GenerationFailed, ImageGenerator } from './image-generator';

export interface RunReports {
  /** `fraction` in (0, 1). */
  progressed(fraction: number, stage: string): Promise<void>;
}

/**
 * One attempt of a text-to-image job: makes the images one by one, stores them, and says what became of it. The files
 * are durable before anything links to them; those of an attempt that is lost stay unlinked and are swept.
 */
export async function runTextToImage(
  item: WorkItem,
  generator: ImageGenerator,
  uploads: Uploads,
  signal: AbortSignal,
  reports: RunReports,
): Promise<WorkResult> {
  const prompt = item.content?.prompt;
  if (prompt === undefined) {
    return { type: 'failed', code: 'invalid_input', message: 'The prompt is gone', retryable: false };
  }
  const parameters = item.effective as unknown as EffectiveParameters;
  const wanted = parameters.number_of_images;
  const images: { position: number; image: GeneratedImage }[] = [];
  const errors: { position: number; error: GenerationFailed }[] = [];
  for (let position = 1; position <= wanted; position++) {
    signal.throwIfAborted();
    try {
      const negativePrompt = item.content?.negative_prompt ?? null;
      const request = { jobId: item.jobId, prompt, negativePrompt, parameters, position, signal };
      images.push({ position, image: await generator.generate(request) });
    } catch (error) {
      // A passing fault of the whole attempt: what is retried is the job.
      if (!(error instanceof GenerationFailed) || error.retryable) throw error;
      errors.push({ position, error });
    }
    if (position < wanted) await reports.progressed(position / wanted, `image ${position} of ${wanted}`);
  }
  const [first] = errors;
  if (images.length === 0 && first) {
    const { code, message, providerRequestId } = first.error;
    return { type: 'failed', code, message, retryable: false, providerRequestId };
  }
  signal.throwIfAborted();
  const stored = await uploads.storeMany(
    images.map(({ image }) => ({
      userId: item.userId,
      purpose: 'generation_output' as const,
      bytes: image.bytes,
    })),
  );
  const outputs = stored.map((upload, at): RecordedOutput => ({
    position: images[at]!.position,
    upload_id: upload.id,
    mime_type: upload.mimeType,
    size: upload.size,
    sha256: upload.sha256,
    width: upload.width,
    height: upload.height,
    ...providerCall(images[at]!.image.providerRequestId),
  }));
  const outputErrors = errors.map(({ position, error }): JobOutputError => ({
    position,
    code: error.code,
    ...providerCall(error.providerRequestId),
  }));
  return {
    type: 'succeeded',
    outputs,
    outputErrors,
    costCents: priceInCents('text_to_image', outputs.length),
  };
}

function providerCall(requestId: string | undefined): { provider_request_id?: string } {
  return requestId === undefined ? {} : { provider_request_id: requestId };
}
