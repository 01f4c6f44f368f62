import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { newId } from '../ids';

/** What is known of the request that the current code runs for. */
export interface RequestContext {
  readonly requestId: string;
  /** Scheme and host that the client used: links in the answer start with it. */
  readonly baseUrl?: string;
}

const storage = new AsyncLocalStorage<RequestContext>();
const SAFE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The client's X-Request-Id where it is safe to log and to echo, else a new UUIDv7. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SAFE_ID.test(given) ? given : newId();
}

export function runInRequestContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

/** Undefined outside of a request. */
export function currentRequestId(): string | undefined {
  return storage.getStore()?.requestId;
}

/** Empty outside of a request: links are paths there. */
export function currentBaseUrl(): string {
  return storage.getStore()?.baseUrl ?? '';
}
