import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** `file:` URL of a directory, absolute. */
export function fileStorageUrl(directory: string): string {
  return pathToFileURL(directory).href;
}

/**
 * A storage URL in its canonical form: `file:` made absolute against the working directory, `s3://bucket` with
 * its options as given. Undefined where it is neither.
 */
export function canonicalStorageUrl(text: string): string | undefined {
  if (text.startsWith('file:')) return canonicalFileUrl(text);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 's3:' || url.hostname === '') return undefined;
  const endpoint = url.searchParams.get('endpoint');
  return endpoint === null || isUrlOf(endpoint, ['http:', 'https:']) ? text : undefined;
}

function canonicalFileUrl(text: string): string | undefined {
  const path = text.slice('file:'.length);
  if (path === '' || path.includes('\0')) return undefined;
  if (!path.startsWith('//')) return fileStorageUrl(resolve(path));
  try {
    return fileStorageUrl(fileURLToPath(text));
  } catch {
    return undefined;
  }
}

/** Whether the text is an absolute URL of one of these protocols (written with their colon) that names a host. */
export function isUrlOf(text: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return protocols.includes(url.protocol) && url.host !== '';
}

/** Whether an absolute URL names a user or a password. */
export function hasCredentials(text: string): boolean {
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}

/**
 * Whether the text is a PostgreSQL URL. Its host may be empty or a `?host=/run/postgresql`, so that a socket can
 * be named.
 */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text);
}
