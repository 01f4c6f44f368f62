import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { newId } from '../ids';
import { closeAfterAnswers, lastWordOn } from './open-answers';
import { Problem, PROBLEM_MEDIA_TYPE } from './problems';
import type { ProblemCode } from './problems';

/**
 * Answers what Node's parser refuses before there is a request: garbage, headers that are too large, a request
 * that does not arrive in time. The socket is closed: nothing on it can be trusted any more. Answers that are due on it
 * go out before that, and in place of this one.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const lastWord = socket.writable ? lastWordOn(socket) : 'none';
  if (lastWord === 'any') socket.end(rawAnswer(new Problem(codeOf(error))));
  else if (lastWord === 'none') socket.destroy(error);
  else closeAfterAnswers(socket);
}

/** CONNECT: nothing here is a tunnel to anywhere. Node would close the connection without a word. */
export function refuseTunnel(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  socket.end(rawAnswer(new Problem('method-not-allowed', undefined, { headers: { allow: '' } })));
}

/** `Expect` with anything but `100-continue`. Node would answer without a body. */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { status, headers, body } = messageOf(new Problem('expectation-failed'));
  response.writeHead(status, headers).end(body);
}

function codeOf(error: NodeJS.ErrnoException): ProblemCode {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request-timeout';
    case 'HPE_HEADER_OVERFLOW':
      return 'headers-too-large';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'payload-too-large';
    default:
      return 'bad-request';
  }
}

function rawAnswer(problem: Problem): string {
  const { status, headers, body } = messageOf(problem);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`, ...lines, '', body].join('\r\n');
}

function messageOf(problem: Problem): { status: number; headers: Record<string, string>; body: string } {
  const requestId = newId();
  const body = JSON.stringify(problem.toBody('', requestId));
  const headers = {
    ...problem.headers,
    'Content-Type': PROBLEM_MEDIA_TYPE,
    'Cache-Control': 'private, no-store',
    'X-Request-Id': requestId,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  return { status: problem.status, headers, body };
}
