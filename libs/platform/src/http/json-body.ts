import { isUtf8 } from 'node:buffer';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problems';
import { scanJson } from './json-scan';

export interface JsonBodyOptions {
  /** Bytes. */
  readonly bodyLimit: number;
  /** Routes (as registered, `/v1/jobs/batch`) with a limit of their own, in bytes. */
  readonly bodyLimits: Readonly<Record<string, number>>;
  /** Routes that read JSON also where it is labelled application/x-www-form-urlencoded, as plain `curl -d` does. */
  readonly formLabelledJsonRoutes: ReadonlySet<string>;
}

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPES = ['application/json', /^application\/[\w!#$&^.-]+\+json(;|$)/] as const;

/**
 * Parses a JSON body strictly: UTF-8, I-JSON (RFC 7493), and within {@link scanJson}'s caps.
 *
 * @throws Problem 400 for what is not JSON or has a forbidden key, 422 for what is JSON and cannot be kept as sent.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) throw new Problem('malformed-json', 'The body is empty');
  if (!isUtf8(bytes)) throw new Problem('malformed-encoding');
  const text = bytes.toString('utf8');
  const { fault, hasNegativeZero } = scanJson(text);
  const value = parse(text, hasNegativeZero);
  if (fault !== undefined) throw fault;
  if (typeof value !== 'object' || value === null) {
    const errors = [{ pointer: '#', code: 'type', detail: 'An object is expected' }];
    throw new Problem('validation-failed', undefined, { errors });
  }
  return value;
}

/** JSON.parse also refuses a byte order mark, comments, NaN and trailing commas. */
function parse(text: string, hasNegativeZero: boolean): unknown {
  try {
    return hasNegativeZero ? JSON.parse(text, withoutNegativeZero) : JSON.parse(text);
  } catch {
    throw new Problem('malformed-json');
  }
}

function withoutNegativeZero(_key: string, value: unknown): unknown {
  return value === 0 ? 0 : value;
}

/** Replaces every body parser of the adapter by the strict one; what else arrives is 415. */
export function installJsonBody(adapter: FastifyAdapter, options: JsonBodyOptions): void {
  const { bodyLimit } = options;
  const fastify = adapter.getInstance();
  fastify.removeContentTypeParser('text/plain');
  for (const type of JSON_TYPES) {
    adapter.useBodyParser(type, false, { bodyLimit }, (_request, body: Buffer, done) =>
      done(null, parseJsonBody(body)),
    );
  }
  adapter.useBodyParser(FORM, false, { bodyLimit }, (request: FastifyRequest, body: Buffer, done) => {
    if (!options.formLabelledJsonRoutes.has(request.routeOptions.url ?? ''))
      throw new Problem('unsupported-media-type');
    done(null, parseJsonBody(body));
  });
  fastify.addHook('onRoute', (route) => {
    route.bodyLimit = options.bodyLimits[route.url] ?? route.bodyLimit;
  });
}

// One media type, nothing after it but parameters in their proper form.
const CONTENT_TYPE =
  /^[\w!#$&^.+-]+\/([\w!#$&^.+-]+)((?:[ \t]*;[ \t]*[\w!#$&^.+-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"\\\r\n]*"))*)$/;
const JSON_SUBTYPE = /^(json|[\w!#$&^.-]+\+json)$/i;
const UTF8_ONLY = /^(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i;

/**
 * Refuses a body that is not labelled as what the parsers read. Fastify's own reading of Content-Type is more
 * generous, and has been got round before (CVE-2025-32442 and its three successors).
 *
 * @throws Problem 415.
 */
export function checkContentHeaders(request: FastifyRequest): void {
  const { headers } = request;
  const hasBody =
    headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] !== undefined && headers['content-length'] !== '0');
  if (!hasBody) return;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new Problem('unsupported-encoding');
  const type = headers['content-type'];
  const match = type === undefined ? null : CONTENT_TYPE.exec(type);
  if (match === null || countHeader(request, 'content-type') > 1) throw new Problem('unsupported-media-type');
  const [, subtype = '', parameters = ''] = match;
  if (JSON_SUBTYPE.test(subtype) && !UTF8_ONLY.test(parameters)) throw new Problem('unsupported-media-type');
}

/** How often a header was sent: of some, Node keeps the first one and hides the others. */
export function countHeader(request: FastifyRequest, name: string): number {
  const { rawHeaders } = request.raw;
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at];
    if (candidate?.length === name.length && candidate.toLowerCase() === name) count++;
  }
  return count;
}
