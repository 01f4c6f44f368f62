import { unavailable } from './provider-fault';

/** Where the image is: in the answer itself, or at an address. */
export type ImageSource = { readonly bytes: Buffer } | { readonly url: URL };

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads `{ "data": [{ "b64_json": … } | { "url": … }] }`. Whether the bytes are an image is not known yet.
 *
 * @param base what a relative `url` is relative to.
 * @throws ProviderFault `provider_unavailable`
 */
export function readImageAnswer(body: Buffer, base: URL): ImageSource {
  const answer = parseJson(body);
  if (answer === undefined) throw unavailable('the answer is no JSON');
  const [image] = listOf(member(answer, 'data'));
  if (image === undefined) throw unavailable('the answer has no image');
  const encoded = member(image, 'b64_json');
  if (typeof encoded === 'string') {
    if (!BASE64.test(encoded)) throw unavailable('b64_json is no base64');
    return { bytes: Buffer.from(encoded, 'base64') };
  }
  return { url: webUrl(member(image, 'url'), base) };
}

/** Undefined where it is no JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function webUrl(text: unknown, base: URL): URL {
  const url = typeof text === 'string' && URL.canParse(text, base.href) ? new URL(text, base) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || !isWeb || url.username !== '' || url.password !== '')
    throw unavailable('the answer has neither b64_json nor a url of the web');
  return url;
}
