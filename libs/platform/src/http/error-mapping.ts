import { HttpException } from '@nestjs/common';
import { Problem } from './problems';
import type { ProblemCode } from './problems';

/** Any thrown thing as the problem to answer with. Texts of foreign errors never get into it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HttpException) return fromHttpException(error);
  const code = fastifyCode(error) ?? sqlStateCode(error) ?? connectionCode(error) ?? statusCode(error);
  const headers = RETRYABLE.has(sqlState(error) ?? '') ? { 'retry-after': '1' } : undefined;
  return new Problem(code ?? 'internal-error', undefined, { cause: error, headers });
}

/** Lost a race against another transaction: the same request may well succeed. */
const RETRYABLE = new Set(['40001', '40P01', '55P03']);

/** Whether the database refused what validation should have refused before: worth a line in the log. */
export function isValidationGap(error: unknown): boolean {
  const code = sqlStateCode(error);
  return code === 'invalid-value' || (code === 'not-found' && sqlState(error) === '42501');
}

const BY_STATUS: Readonly<Record<number, ProblemCode>> = {
  400: 'bad-request',
  401: 'authentication-required',
  402: 'budget-exceeded',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  406: 'not-acceptable',
  408: 'request-timeout',
  409: 'conflict',
  412: 'precondition-failed',
  413: 'payload-too-large',
  414: 'uri-too-long',
  415: 'unsupported-media-type',
  416: 'range-not-satisfiable',
  417: 'expectation-failed',
  422: 'validation-failed',
  428: 'precondition-required',
  429: 'rate-limited',
  431: 'headers-too-large',
  503: 'service-unavailable',
};

function fromHttpException(error: HttpException): Problem {
  if (error.cause !== undefined) {
    const code = fastifyCode(error.cause);
    if (code !== undefined) return new Problem(code, undefined, { cause: error.cause });
  }
  return new Problem(BY_STATUS[error.getStatus()] ?? 'internal-error', undefined, { cause: error });
}

function fastifyCode(error: unknown): ProblemCode | undefined {
  const code = property(error, 'code');
  if (typeof code !== 'string' || !code.startsWith('FST_')) return undefined;
  if (code === 'FST_ERR_BAD_URL') return 'malformed-url';
  return statusCode(error);
}

function statusCode(error: unknown): ProblemCode | undefined {
  const status = property(error, 'statusCode');
  if (typeof status !== 'number' || status < 400 || status >= 500) return undefined;
  return BY_STATUS[status] ?? 'bad-request';
}

/** SQLSTATE of an error of pg, also inside of TypeORM's wrapper or the event store's. */
function sqlState(error: unknown): string | undefined {
  const source = sourceOf(error);
  const code = property(source, 'code');
  const isServerError = typeof property(source, 'severity') === 'string' && typeof code === 'string';
  return isServerError && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

const BY_SQLSTATE: Readonly<Record<string, ProblemCode>> = {
  '23502': 'invalid-value',
  '23503': 'unknown-reference',
  '23505': 'conflict',
  '23514': 'invalid-value',
  '23P01': 'conflict',
  // Row-level security and privileges: whatever it was, it is not there for this user.
  '42501': 'not-found',
  '40001': 'conflict',
  '40P01': 'conflict',
  '55P03': 'conflict',
  '53100': 'storage-exhausted',
  '53200': 'service-unavailable',
  '53300': 'service-unavailable',
  '57014': 'service-unavailable',
  '57P01': 'service-unavailable',
  '57P02': 'service-unavailable',
  '57P03': 'service-unavailable',
};
const BY_SQLSTATE_CLASS: Readonly<Record<string, ProblemCode>> = {
  '08': 'service-unavailable',
  '22': 'invalid-value',
  '54': 'invalid-value',
};

function sqlStateCode(error: unknown): ProblemCode | undefined {
  const state = sqlState(error);
  return state === undefined ? undefined : (BY_SQLSTATE[state] ?? BY_SQLSTATE_CLASS[state.slice(0, 2)]);
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
]);
// pg gives its pool's and its client's own errors no code.
const CONNECTION_MESSAGES =
  /^(timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end)/;

function connectionCode(error: unknown): ProblemCode | undefined {
  const source = sourceOf(error);
  const code = property(source, 'code');
  if (typeof code === 'string' && CONNECTION_CODES.has(code)) return 'service-unavailable';
  const message = property(source, 'message');
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message) ? 'service-unavailable' : undefined;
}

/** What the driver threw: wrappers have no code of their own. */
function sourceOf(error: unknown): unknown {
  const wrapped = property(error, 'driverError') ?? property(error, 'cause');
  return wrapped === undefined || property(error, 'code') !== undefined ? error : sourceOf(wrapped);
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
