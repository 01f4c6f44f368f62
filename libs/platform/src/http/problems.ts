interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds; sent as Retry-After. */
  readonly retryAfter?: number;
}

/** Every problem that the server can answer with: its code, its status, its title. */
const TABLE = {
  'bad-request': { status: 400, title: 'The request cannot be parsed' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'malformed-encoding': { status: 400, title: 'The body is not UTF-8' },
  'malformed-url': { status: 400, title: 'The URL cannot be parsed' },
  'forbidden-key': { status: 400, title: 'The body has a key that is never allowed' },
  'idempotency-key-required': { status: 400, title: 'An Idempotency-Key is required' },
  'authentication-required': { status: 401, title: 'Authentication is required' },
  'invalid-token': { status: 401, title: 'The credentials are not valid' },
  'token-expired': { status: 401, title: 'The token has expired' },
  'budget-exceeded': { status: 402, title: 'The budget is exceeded' },
  forbidden: { status: 403, title: 'This is not allowed to you' },
  csrf: { status: 403, title: 'The request comes from another site' },
  'link-expired': { status: 403, title: 'The link has expired' },
  'invalid-signature': { status: 403, title: 'The link is not genuine' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'not-created-yet': { status: 404, title: 'It did not exist yet' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  'not-acceptable': { status: 406, title: 'No acceptable representation' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  conflict: { status: 409, title: 'The state has changed' },
  'invalid-transition': { status: 409, title: 'The state does not allow this' },
  'job-already-finished': { status: 409, title: 'The job has already ended' },
  'lease-lost': { status: 409, title: 'The lease is no longer held' },
  'ordinal-taken': { status: 409, title: 'The ordinal is taken' },
  'idempotency-in-flight': {
    status: 409,
    title: 'A request with this Idempotency-Key is in flight',
    retryAfter: 1,
  },
  'asset-in-use': { status: 409, title: 'The file is in use' },
  'precondition-failed': { status: 412, title: 'The precondition does not hold' },
  'payload-too-large': { status: 413, title: 'The body is too large' },
  'uri-too-long': { status: 414, title: 'The URL is too long' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported' },
  'unsupported-encoding': { status: 415, title: 'The content encoding is not supported' },
  'type-mismatch': { status: 415, title: 'The content is not of its declared type' },
  'range-not-satisfiable': { status: 416, title: 'The range is outside of the content' },
  'expectation-failed': { status: 417, title: 'The expectation cannot be met' },
  'validation-failed': { status: 422, title: 'The request is not valid' },
  'unknown-property': { status: 422, title: 'The body has an unknown property' },
  'read-only-property': { status: 422, title: 'The body sets a property that cannot be set' },
  'unknown-parameter': { status: 422, title: 'The query has an unknown parameter' },
  'duplicate-parameter': { status: 422, title: 'The query repeats a parameter' },
  'unknown-reference': { status: 422, title: 'The body refers to something that does not exist' },
  'invalid-cursor': { status: 422, title: 'The cursor is not valid' },
  'invalid-value': { status: 422, title: 'A value is not valid' },
  'idempotency-key-invalid': { status: 422, title: 'The Idempotency-Key is not valid' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used with another request' },
  'too-many-items': { status: 422, title: 'There are too many items' },
  'too-many-properties': { status: 422, title: 'An object has too many properties' },
  'key-too-long': { status: 422, title: 'A key is too long' },
  'too-deep': { status: 422, title: 'The body is nested too deeply' },
  'duplicate-key': { status: 422, title: 'An object repeats a key' },
  'invalid-characters': { status: 422, title: 'A string has characters that cannot be stored' },
  'out-of-range': { status: 422, title: 'A number is out of range' },
  'checksum-mismatch': { status: 422, title: 'The content does not have its declared checksum or size' },
  'image-too-large': { status: 422, title: 'The image has too many pixels' },
  'invalid-image': { status: 422, title: 'The image cannot be decoded' },
  'precondition-required': { status: 428, title: 'A precondition is required' },
  'rate-limited': { status: 429, title: 'Too many requests', retryAfter: 1 },
  'quota-exceeded': { status: 429, title: 'The quota is exceeded', retryAfter: 60 },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'internal-error': { status: 500, title: 'Something went wrong here' },
  'service-unavailable': { status: 503, title: 'The service is not available', retryAfter: 1 },
  'storage-exhausted': { status: 503, title: 'The storage is full', retryAfter: 60 },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof TABLE;
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = TABLE;
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** One fault in a request. `pointer` is a JSON pointer in a URI fragment: `#/items/0/prompt`; `#` is the whole. */
export interface ProblemItem {
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

export interface ProblemOptions extends ErrorOptions {
  readonly errors?: readonly ProblemItem[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** RFC 9457 body of an error. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Path of the request, without its query. */
  readonly instance: string;
  readonly code: ProblemCode;
  readonly request_id: string;
  readonly errors?: readonly ProblemItem[];
}

/** An answer that is an error. Thrown anywhere below HTTP, it is sent as application/problem+json. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly errors: readonly ProblemItem[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` is shown to the client: no SQL, no names of tables, nothing about other users. */
  constructor(
    readonly code: ProblemCode,
    detail?: string,
    options: ProblemOptions = {},
  ) {
    super(detail ?? PROBLEMS[code].title, { cause: options.cause });
    const { status, retryAfter } = PROBLEMS[code];
    this.status = status;
    this.errors = options.errors;
    this.headers =
      retryAfter === undefined
        ? { ...options.headers }
        : { 'retry-after': String(retryAfter), ...options.headers };
  }

  toBody(instance: string, requestId: string): ProblemBody {
    return {
      type: `urn:genledger:problem:${this.code}`,
      title: PROBLEMS[this.code].title,
      status: this.status,
      detail: this.message,
      instance,
      code: this.code,
      request_id: requestId,
      ...(this.errors && { errors: this.errors }),
    };
  }
}
