import { Logger } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import sharp from 'sharp';
import type { EffectiveParameters } from '@genledger/jobs';
import { GenerationFailed } from '../image-generator';
import type { GeneratedImage } from '../image-generator';
import { answer, Behaviour, image, ImageServer, refusal, tinyPng } from '../testing/image-server';
import { ProviderGenerator } from './provider-generator';

const KEY = 'sk-test_5f2e8a.never-to-be-seen';
/** Of the tests that wait for it: long enough for an exchange that does not hang. */
const SHORT_MS = 300;
const REQUEST_ID = { 'x-request-id': 'req_41' };
const PARAMETERS: EffectiveParameters = {
  number_of_images: 1,
  aspect_ratio: '1:1',
  seed: 7,
  model: 'pixel-2',
};

const lines: string[] = [];
const record = (...entry: unknown[]): void => void lines.push(JSON.stringify(entry));
let server: ImageServer;
let elsewhere: ImageServer;
let png: Buffer;

beforeAll(async () => {
  Logger.overrideLogger({ log: record, warn: record, error: record });
  [server, elsewhere, png] = await Promise.all([ImageServer.start(), ImageServer.start(), tinyPng()]);
});
afterAll(async () => {
  Logger.overrideLogger(false);
  await Promise.all([server.close(), elsewhere.close()]);
});
beforeEach(() => {
  lines.length = 0;
  server.requests.length = 0;
  elsewhere.requests.length = 0;
});
afterEach(() => {
  expect(lines.join('\n')).not.toContain(KEY);
});

interface Given {
  readonly url?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function generate({ url = server.url, timeoutMs, signal }: Given = {}): Promise<GeneratedImage> {
  return new ProviderGenerator({ url, key: KEY }, timeoutMs).generate({
    jobId: 'job-1',
    prompt: 'A harbour',
    negativePrompt: null,
    parameters: PARAMETERS,
    position: 1,
    signal: signal ?? new AbortController().signal,
  });
}

async function failure(behaviour: Behaviour, given?: Given): Promise<GenerationFailed> {
  server.generations = behaviour;
  const error = await generate(given).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GenerationFailed)) throw new Error(`not a GenerationFailed: ${String(error)}`);
  expect(error.message).not.toContain(KEY);
  return error;
}

/** The head, and a part of a body that was announced as larger. */
function startOf(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000', ...REQUEST_ID });
  return new Promise((written) => response.write('{"data":[{"b64_json":"', () => written()));
}

describe('an image', () => {
  it('is taken from b64_json, with its type by its bytes and the provider’s id of the request', async () => {
    const webp = await sharp(png).webp({ lossless: true }).toBuffer();
    for (const [bytes, mimeType] of [
      [png, 'image/png'],
      [webp, 'image/webp'],
    ] as const) {
      server.generations = image(bytes, REQUEST_ID);
      expect(await generate()).toEqual({ bytes, mimeType, providerRequestId: 'req_41' });
    }
  });

  it('is asked for under the address, with the key and as JSON', async () => {
    server.generations = image(png);
    await generate({ url: `${server.url}/?api-version=2` });
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/v1/images/generations?api-version=2',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      },
    ]);
    expect(JSON.parse(server.requests[0]!.body)).toEqual({
      model: 'pixel-2',
      prompt: 'A harbour',
      n: 1,
      size: '1024x1024',
    });
  });

  it.each(['absolute', 'relative'])('is fetched from an %s url, without the key', async (kind) => {
    const url = kind === 'absolute' ? `${elsewhere.origin}/made/1.png?sig=a` : '/made/1.png?sig=a';
    const host = kind === 'absolute' ? elsewhere : server;
    server.generations = answer(200, { data: [{ url }] }, REQUEST_ID);
    host.files = answer(200, png, { 'content-type': 'image/png', 'x-request-id': 'of-the-file' });
    expect(await generate()).toEqual({ bytes: png, mimeType: 'image/png', providerRequestId: 'req_41' });
    const fetched = host.requests.at(-1)!;
    expect(fetched).toMatchObject({ method: 'GET', path: '/made/1.png?sig=a', body: '' });
    expect(fetched.headers).not.toHaveProperty('authorization');
  });

  it('leaves a line in the log that names the job and the provider’s id of the request', async () => {
    server.generations = image(png, REQUEST_ID);
    await generate();
    expect(lines.at(-1)).toMatch(/made an image.*"job_id":"job-1".*"provider_request_id":"req_41"/);
  });
});

const POLICY = 'Your request was rejected by our safety system.';

describe('an answer that is a refusal', () => {
  it.each<[string, Behaviour, GenerationFailed['code'], string | RegExp]>([
    [
      'content policy',
      refusal(400, 'content_policy_violation', POLICY, REQUEST_ID),
      'content_policy_violation',
      POLICY,
    ],
    [
      'moderation',
      refusal(400, 'moderation_blocked', POLICY, REQUEST_ID),
      'content_policy_violation',
      POLICY,
    ],
    ['other 400', refusal(400, 'invalid_size', 'No such size', REQUEST_ID), 'invalid_input', 'No such size'],
    ['400 without words', answer(400, {}, REQUEST_ID), 'invalid_input', /refuses the request/],
    ['400 with text', answer(400, { error: 'too\u0000 odd\n' }, REQUEST_ID), 'invalid_input', 'too odd'],
    [
      '404 model',
      refusal(404, 'model_not_found', 'No such model', REQUEST_ID),
      'invalid_input',
      'No such model',
    ],
    [
      '401',
      refusal(401, 'invalid_api_key', `Incorrect key: ${KEY}`, REQUEST_ID),
      'provider_unavailable',
      /not available/,
    ],
    [
      '403',
      refusal(403, null, 'Your organization must be verified', REQUEST_ID),
      'provider_unavailable',
      /not available/,
    ],
    [
      'out of credit',
      refusal(400, 'billing_hard_limit_reached', 'Pay', REQUEST_ID),
      'provider_unavailable',
      /not available/,
    ],
    ['408', refusal(408, null, 'late', REQUEST_ID), 'provider_unavailable', /not available/],
    ['500', refusal(500, 'server_error', 'oops', REQUEST_ID), 'provider_unavailable', /not available/],
    [
      '502 HTML',
      answer(502, '<html>Bad gateway</html>', REQUEST_ID),
      'provider_unavailable',
      /not available/,
    ],
    ['413 HTML', answer(413, '<html>Too large</html>', REQUEST_ID), 'provider_unavailable', /not available/],
  ])('%s', async (_name, behaviour, code, message) => {
    const error = await failure(behaviour);
    expect(error).toMatchObject({ code, providerRequestId: 'req_41', retryAfterMs: undefined });
    expect(error.message).toMatch(message);
  });

  it.each<[Record<string, string>, number | undefined]>([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after-ms': '1250' }, 1_250],
    [{}, undefined],
  ])('429 with %j is rate_limited', async (headers, retryAfterMs) => {
    const error = await failure(refusal(429, 'rate_limit_exceeded', 'of organization org-1', headers));
    expect(error).toMatchObject({ code: 'rate_limited', retryAfterMs });
    expect(error.message).not.toContain('org-1');
  });

  it('429 with a date is rate_limited until then', async () => {
    const in90s = new Date(Date.now() + 90_000).toUTCString();
    const { code, retryAfterMs } = await failure(refusal(429, null, '', { 'retry-after': in90s }));
    expect(code).toBe('rate_limited');
    expect(retryAfterMs).toBeGreaterThan(60_000);
    expect(retryAfterMs).toBeLessThanOrEqual(90_000);
  });

  it('503 is provider_unavailable for as long as it says', async () => {
    const error = await failure(refusal(503, null, '', { 'retry-after': '30' }));
    expect(error).toMatchObject({ code: 'provider_unavailable', retryAfterMs: 30_000 });
  });

  it.each([401, 403])('%d tells the operator what to see to', async (status) => {
    await failure(refusal(status, 'invalid_api_key', `Incorrect key: ${KEY}`, REQUEST_ID));
    expect(lines.at(-1)).toContain('see to IMAGE_PROVIDER_KEY');
  });

  it('says back the key wherever it likes: it is not passed on', async () => {
    const echoes = { 'x-request-id': KEY };
    const message = `${'x'.repeat(490)}${KEY}`;
    const error = await failure(refusal(400, KEY, message, echoes));
    expect(error).toMatchObject({ code: 'invalid_input', providerRequestId: undefined });
    expect(error.message).toBe(`${'x'.repeat(490)}[key]`);
    expect(lines.at(-1)).toContain('[key]');
  });

  it.each([301, 302, 307, 308])('%d is followed nowhere', async (status) => {
    elsewhere.generations = image(png);
    const location = `${elsewhere.url}/images/generations`;
    const error = await failure(answer(status, '', { location, ...REQUEST_ID }));
    expect(error).toMatchObject({ code: 'provider_unavailable', providerRequestId: 'req_41' });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('an answer that is none', () => {
  const broken = (text: string): Behaviour => answer(200, text, REQUEST_ID);
  const data = (...images: unknown[]): Behaviour => answer(200, { data: images }, REQUEST_ID);

  it.each<[string, Behaviour]>([
    ['nothing', broken('')],
    ['HTML', broken('<html>Sign in</html>')],
    ['truncated JSON', broken('{"data":[{"b64_json":"iVBORw0KGgo')],
    ['JSON that is no object', broken('7')],
    ['null', broken('null')],
    ['an error under 200', answer(200, { error: { message: 'oops' } }, REQUEST_ID)],
    ['no data', data()],
    ['data that is no list', answer(200, { data: 'x' }, REQUEST_ID)],
    ['neither form', data({ revised_prompt: 'x' })],
    ['null for an image', data(null)],
    ['bad base64', data({ b64_json: 'not base64!' })],
    ['empty base64', data({ b64_json: '' })],
    ['bytes that are no image', data({ b64_json: Buffer.from('%PDF-1.7 …').toString('base64') })],
    ['a file url', data({ url: 'file:///etc/hostname' })],
    ['a url with a login', data({ url: 'http://user:word@127.0.0.1/1.png' })],
  ])('%s is provider_unavailable', async (_name, behaviour) => {
    expect(await failure(behaviour)).toMatchObject({
      code: 'provider_unavailable',
      providerRequestId: 'req_41',
    });
  });

  it('is an image cut short', async () => {
    const whole = await sharp({ create: { width: 256, height: 256, channels: 3, background: '#123456' } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    const { code } = await failure(image(whole.subarray(0, whole.length / 2)));
    expect(code).toBe('provider_unavailable');
    expect(lines.at(-1)).toContain('no image: invalid-image');
  });

  it('is a download that fails, that redirects, or that is no image', async () => {
    const location = `${elsewhere.origin}/1.png`;
    elsewhere.files = answer(200, png);
    for (const files of [answer(404, {}), answer(302, '', { location }), answer(200, '<html>')]) {
      server.files = files;
      const { code } = await failure(data({ url: '/1.png' }));
      expect(code).toBe('provider_unavailable');
    }
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('a connection', () => {
  it('that is refused is provider_unavailable', async () => {
    const gone = await ImageServer.start();
    const { url } = gone;
    await gone.close();
    expect(await failure(image(png), { url })).toMatchObject({ code: 'provider_unavailable' });
    expect(lines.at(-1)).toContain('ECONNREFUSED');
  });

  it('that is reset in the middle of the body is provider_unavailable', async () => {
    const error = await failure((_request, response) => {
      void startOf(response).then(() => response.socket?.resetAndDestroy());
    });
    expect(error).toMatchObject({ code: 'provider_unavailable', providerRequestId: 'req_41' });
  });

  it.each<[string, Behaviour]>([
    ['slow headers', () => undefined],
    ['a slow body', (_request, response) => void startOf(response)],
  ])('of %s is given up after the time limit', async (_name, behaviour) => {
    const { code } = await failure(behaviour, { timeoutMs: SHORT_MS });
    expect(code).toBe('provider_unavailable');
    expect(lines.at(-1)).toContain(`no image within ${SHORT_MS} ms`);
  });

  it('of a slow download shares that time limit', async () => {
    server.files = () => undefined;
    await failure(answer(200, { data: [{ url: '/1.png' }] }), { timeoutMs: SHORT_MS });
    expect(lines.at(-1)).toContain(`no image within ${SHORT_MS} ms`);
  });

  it('of an endless body is closed at the limit of bytes', async () => {
    const chunk = Buffer.alloc(1024 * 1024, '[');
    let written = 0;
    let closed: () => void;
    const hungUp = new Promise<void>((resolve) => (closed = resolve));
    const error = await failure((_request, response) => {
      response.on('close', () => closed());
      const pour = (): void => {
        while (!response.destroyed && response.write(chunk)) written += chunk.length;
      };
      response.on('drain', () => {
        written += chunk.length;
        pour();
      });
      pour();
    });
    expect(error.code).toBe('provider_unavailable');
    await hungUp;
    expect(lines.at(-1)).toContain('the answer has more than');
    expect(written).toBeLessThan(60 * 1024 * 1024);
  });

  it.each<[string, Behaviour]>([
    ['before the headers', () => undefined],
    ['in the body', (_request, response) => void startOf(response)],
  ])('is closed when the job is aborted %s, for the job’s reason', async (_name, behaviour) => {
    const job = new AbortController();
    const reason = new Error('the lease was lost');
    const hungUp = new Promise<void>((closed) => {
      server.generations = (request, response) => {
        response.on('close', closed);
        behaviour(request, response);
        job.abort(reason);
      };
    });
    await expect(generate({ signal: job.signal })).rejects.toBe(reason);
    await hungUp;
  });

  it('is not made for a job that is aborted already', async () => {
    const reason = new Error('canceled');
    await expect(generate({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });
});
