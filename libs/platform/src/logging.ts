import { types } from 'node:util';
import type { LoggerService } from '@nestjs/common';
import pino from 'pino';
import type { DestinationStream, Level, Logger } from 'pino';
import type { LogLevel } from './config-variables';
import { currentRequestId } from './http/request-context';

/**
 * The log: one line of JSON an entry, with the request's id where there is a request. Credentials are blanked in
 * the finished line, so wherever they came in: by a field, a message, a stack or a URL.
 *
 * @param destination standard output where not given.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    // As `err`, which pino knows by itself: an Error's message and stack are not enumerable.
    serializers: { error: pino.stdSerializers.err },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => {
      const requestId = currentRequestId();
      return requestId === undefined ? {} : { request_id: requestId };
    },
    hooks: { streamWrite: redact },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

const SECRET_FIELD =
  /"((?:[\w-]*_)?(?:authorization|cookie|set-cookie|password|passwd|secret|token|api[_-]?key|x-api-key|private_key))":"(?:[^"\\]|\\.)*"/gi;
const BEARER = /\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi;
const JWT = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:@/"\\]*):[^\s@/"\\]+@/gi;

/** A finished line of the log without credentials. */
export function redact(line: string): string {
  return line
    .replace(SECRET_FIELD, '"$1":"[redacted]"')
    .replace(BEARER, '$1 [redacted]')
    .replace(JWT, '[redacted]')
    .replace(URL_PASSWORD, '$1:[redacted]@');
}

/** Nest's logger on top of {@link createLogger}. */
export class JsonLogger implements LoggerService {
  constructor(private readonly pino: Logger) {}

  log(message: unknown, ...rest: readonly unknown[]): void {
    this.write('info', message, rest);
  }

  error(message: unknown, ...rest: readonly unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: readonly unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: readonly unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: readonly unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: readonly unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest passes the context as the last string, a stack before it, and objects that belong to the entry. */
  private write(level: Level, message: unknown, rest: readonly unknown[]): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const texts = rest.filter((item): item is string => typeof item === 'string');
    const context = texts.at(-1);
    const stack = texts.length > 1 ? texts[0] : undefined;
    const fields: Record<string, unknown> = {
      ...(context !== undefined && { context }),
      ...(stack !== undefined && { stack }),
    };
    for (const item of rest) addFields(fields, item);
    addFields(fields, message);
    const own = fields['message'];
    delete fields['message'];
    this.pino[level](fields, typeof message === 'string' ? message : typeof own === 'string' ? own : '');
  }
}

function addFields(fields: Record<string, unknown>, item: unknown): void {
  if (types.isNativeError(item)) {
    fields['err'] = item;
    fields['message'] ??= item.message;
  } else if (typeof item === 'object' && item !== null) {
    Object.assign(fields, item);
  }
}
