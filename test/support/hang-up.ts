import { request } from 'node:http';
import type { Caller } from './app';

/** A GET that the client can break off by closing its connection. */
export function breakableGet(
  base: string,
  { token }: Caller,
  path: string,
  headers: Readonly<Record<string, string>>,
): { readonly hangUp: () => void } {
  const sent = request(new URL(path, base), { headers: { ...headers, authorization: `Bearer ${token}` } });
  sent.on('error', () => undefined);
  sent.end();
  return { hangUp: () => sent.destroy() };
}
