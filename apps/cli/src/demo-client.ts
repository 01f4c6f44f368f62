import { createHash, randomUUID } from 'node:crypto';
import type { HistoryEvent, JobOutputResource, JobResource, JobStatistic } from '@genledger/jobs';
import { CommandFailed } from './terminal';

export interface TextToImageOrder {
  readonly prompt: string;
  readonly number_of_images: number;
  readonly aspect_ratio: string;
}

/** Looked at so often while a job runs. */
const POLL_MS = 40;

/** The server as any client sees it: over HTTP, with a bearer token. */
export class DemoClient {
  constructor(
    private readonly address: string,
    private readonly token: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Sent with a key, and once more with the same: a client that lost the answer gets the same job. */
  async queue(order: TextToImageOrder): Promise<JobResource> {
    const headers = { 'idempotency-key': randomUUID() };
    const job = await this.call<JobResource>('POST', '/v1/jobs', order, headers);
    const again = await this.call<JobResource>('POST', '/v1/jobs', order, headers);
    if (again.id !== job.id)
      throw new CommandFailed(`the same Idempotency-Key made two jobs: ${job.id} and ${again.id}`);
    return job;
  }

  job(id: string): Promise<JobResource> {
    return this.call('GET', `/v1/jobs/${id}`);
  }

  async history(id: string): Promise<readonly HistoryEvent[]> {
    return (await this.call<{ data: HistoryEvent[] }>('GET', `/v1/jobs/${id}/events`)).data;
  }

  async statistics(): Promise<readonly JobStatistic[]> {
    return (await this.call<{ data: JobStatistic[] }>('GET', '/v1/statistics')).data;
  }

  /** Waits for the end of a job, and tells each event as it comes. */
  async follow(id: string, timeoutMs: number, onEvent: (event: HistoryEvent) => void): Promise<JobResource> {
    const deadline = Date.now() + timeoutMs;
    for (let told = 0; ;) {
      const job = await this.job(id);
      if (job.version > told) {
        for (const event of await this.history(id)) if (event.version > told) onEvent(event);
        told = job.version;
      }
      if (job.completed_at !== null) return job;
      if (Date.now() > deadline)
        throw new CommandFailed(`job ${id} is still ${job.status} after ${timeoutMs / 1000} s`);
      await this.pause();
    }
  }

  /** Downloads an output through its signed URL, without credentials, and holds it against what was recorded. */
  async check(output: JobOutputResource): Promise<void> {
    const answer = await fetch(output.url, { signal: this.signal });
    if (!answer.ok) throw new CommandFailed(`output ${output.position}: its URL answers ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length !== output.size || sha256 !== output.sha256)
      throw new CommandFailed(`output ${output.position}: its bytes are not those that were recorded`);
  }

  async storageKey(uploadId: string): Promise<string> {
    return (await this.call<{ storage_key: string }>('GET', `/v1/uploads/${uploadId}`)).storage_key;
  }

  private async call<T>(method: string, path: string, body?: object, headers: object = {}): Promise<T> {
    const answer = await fetch(this.address + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body && JSON.stringify(body),
      signal: this.signal,
    });
    if (answer.ok) return (await answer.json()) as T;
    const problem = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string };
    throw new CommandFailed(
      `${method} ${path} answers ${answer.status}: ${problem.detail ?? problem.title ?? 'no reason given'}`,
    );
  }

  private pause(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const timer = setTimeout(done, POLL_MS);
      signal.addEventListener('abort', stop, { once: true });
      function done(): void {
        signal.removeEventListener('abort', stop);
        resolve();
      }
      function stop(): void {
        clearTimeout(timer);
        reject(signal.reason as Error);
      }
    });
  }
}
