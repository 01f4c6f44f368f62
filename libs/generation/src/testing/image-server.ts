import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the server does with a request, once it has read all of it. */
export type Behaviour = (request: ReceivedRequest, response: ServerResponse) => void;

/** A local server that speaks OpenAI's image protocol, and misbehaves where a test wants it to. */
export class ImageServer {
  readonly requests: ReceivedRequest[] = [];
  /** Of requests to `/v1/images/generations`. */
  generations: Behaviour = answer(500, {});
  /** Of requests to any other path. */
  files: Behaviour = answer(404, {});

  private constructor(private readonly server: Server) {
    server.on('request', (message, response) => void this.serve(message, response));
  }

  static async start(): Promise<ImageServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ImageServer(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** As IMAGE_PROVIDER_URL has it. */
  get url(): string {
    return `${this.origin}/v1`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = message;
    const request = { method, path: url, headers, body: Buffer.concat(chunks).toString() };
    this.requests.push(request);
    const behave = url.startsWith('/v1/images/generations') ? this.generations : this.files;
    behave(request, response);
  }
}

/** Answers with JSON, or with text or bytes as they are. */
export function answer(
  status: number,
  body: object | string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(isRaw ? body : JSON.stringify(body));
  };
}

/** As OpenAI answers where it made an image. */
export function image(bytes: Buffer, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return answer(200, { created: 1, data: [{ b64_json: bytes.toString('base64') }] }, headers);
}

/** As OpenAI answers where it did not. */
export function refusal(
  status: number,
  code: string | null,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  return answer(status, { error: { code, message, type: 'image_error', param: null } }, headers);
}

/** A PNG of a few pixels; others for other shades. */
export function tinyPng(shade = 0): Promise<Buffer> {
  const background = { r: shade, g: 80, b: 160 };
  return sharp({ create: { width: 8, height: 6, channels: 3, background } })
    .png()
    .toBuffer();
}
