import { ProviderFault, unavailable } from './provider-fault';

export interface FetchedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export interface FetchLimits {
  /** Aborted with what is then thrown. */
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** Called when status and headers are there, also if the body never comes whole. */
  readonly onHead?: (status: number, headers: Headers) => void;
}

/**
 * One HTTP exchange with a server that may do anything. Redirects are answers like any other: what is sent goes where it
 * was meant to go and nowhere else. The body is read up to a limit, after decompression. A connection that does not
 * come about within 10 s fails: that is fetch's own limit, TLS included; all other time is the signal's.
 *
 * @throws ProviderFault `provider_unavailable`, or the reason of the signal.
 */
export async function boundedFetch(
  url: URL,
  init: Pick<RequestInit, 'method' | 'headers' | 'body'>,
  { signal, maxBytes, onHead }: FetchLimits,
): Promise<FetchedAnswer> {
  try {
    const response = await fetch(url, { ...init, signal, redirect: 'manual' });
    const { status, headers } = response;
    onHead?.(status, headers);
    return { status, headers, body: await readAtMost(response, maxBytes) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof ProviderFault ? error : unavailable(networkReason(error));
  }
}

async function readAtMost({ body }: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the stream, and with it the connection.
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw unavailable(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** A code such as ECONNREFUSED. Messages are left out: some quote what was sent. */
function networkReason(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? 'the connection failed' : networkReason(cause);
}
