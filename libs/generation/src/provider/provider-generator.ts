import { Logger } from '@nestjs/common';
import type { Config } from '@genledger/platform';
import { MAX_UPLOAD_BYTES, readImageFacts, UploadRefused } from '@genledger/uploads';
import { GeneratedImage, GenerationFailed, ImageGenerator, ImageRequest } from '../image-generator';
import { boundedFetch } from './bounded-fetch';
import { readImageAnswer } from './image-answer';
import { imageRequestBody } from './image-request';
import { ProviderFault, unavailable } from './provider-fault';
import { refusalOf } from './refusal';
import { TimeLimit } from './time-limit';

/** For one image, its download included: the slowest models take two minutes. */
const TIMEOUT_MS = 180_000;
/** An image as base64, and room for what is said beside it. */
const MAX_ANSWER_BYTES = Math.ceil((MAX_UPLOAD_BYTES * 4) / 3) + 1024 * 1024;

/** What is known of a call, for the log and for the books. */
interface Call {
  status?: number;
  requestId?: string;
}

/**
 * Images from any server that speaks OpenAI's `POST {url}/images/generations`. It does not retry: what may pass is the
 * job's next attempt. Nothing that the provider sends is believed: time and size are bounded, redirects are not followed,
 * the image is decoded before it counts as one. The key goes to that address alone, never into a log, an error or an event.
 */
export class ProviderGenerator implements ImageGenerator {
  private readonly logger = new Logger(ProviderGenerator.name);
  private readonly endpoint: URL;
  private readonly key: string | undefined;

  constructor(
    { url, key }: NonNullable<Config['imageProvider']>,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {
    this.endpoint = new URL(url);
    this.endpoint.pathname = `${this.endpoint.pathname.replace(/\/+$/, '')}/images/generations`;
    this.key = key;
    this.logger.log({ message: 'images come from a provider', origin: this.endpoint.origin });
  }

  async generate(request: ImageRequest): Promise<GeneratedImage> {
    const startedAt = performance.now();
    const limit = new TimeLimit(request.signal, this.timeoutMs);
    const call: Call = {};
    const entry = (message: string): object => ({
      message,
      job_id: request.jobId,
      position: request.position,
      model: request.parameters.model,
      status: call.status,
      provider_request_id: call.requestId,
      duration_ms: Math.round(performance.now() - startedAt),
    });
    try {
      const bytes = await this.fetchImage(request, limit.signal, call);
      const { mimeType } = await readImageFacts(bytes);
      this.logger.log({ ...entry('the image provider made an image'), size: bytes.length });
      return { bytes, mimeType, providerRequestId: call.requestId };
    } catch (error) {
      request.signal.throwIfAborted();
      const fault = error instanceof UploadRefused ? unavailable(`no image: ${error.code}`) : error;
      if (!(fault instanceof ProviderFault)) throw error;
      const { code, forOperator, retryAfterMs, reason } = fault;
      const line = { ...entry(forOperator ?? 'the image provider made no image'), code, reason };
      if (forOperator === undefined) this.logger.warn(line);
      else this.logger.error(line);
      const providerRequestId = call.requestId;
      throw new GenerationFailed(code, fault.message, { retryAfterMs, providerRequestId });
    } finally {
      limit.end();
    }
  }

  private async fetchImage(request: ImageRequest, signal: AbortSignal, call: Call): Promise<Buffer> {
    const answer = await boundedFetch(
      this.endpoint,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(this.key === undefined ? undefined : { authorization: `Bearer ${this.key}` }),
        },
        body: JSON.stringify(imageRequestBody(request)),
      },
      {
        signal,
        maxBytes: MAX_ANSWER_BYTES,
        onHead: (status, headers) => {
          call.status = status;
          call.requestId = this.requestIdOf(headers);
        },
      },
    );
    if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, (text) => this.withoutKey(text));
    const source = readImageAnswer(answer.body, this.endpoint);
    return 'bytes' in source ? source.bytes : download(source.url, signal);
  }

  private requestIdOf(headers: Headers): string | undefined {
    const id = headers.get('x-request-id') ?? '';
    return /^[\w.:-]{1,128}$/.test(id) && id === this.withoutKey(id) ? id : undefined;
  }

  /** A provider may say the key back. */
  private withoutKey(text: string): string {
    return this.key === undefined ? text : text.replaceAll(this.key, '[key]');
  }
}

/** Without the key: the file may lie anywhere. */
async function download(url: URL, signal: AbortSignal): Promise<Buffer> {
  const { status, body } = await boundedFetch(url, {}, { signal, maxBytes: MAX_UPLOAD_BYTES });
  if (status !== 200) throw unavailable(`the download of the image answered with status ${status}`);
  return body;
}
