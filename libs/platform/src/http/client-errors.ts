import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { newId } from '../ids';
import { Problem, PROBLEM_MEDIA_TYPE } from './problems';
import type { ProblemCode } from './problems';

/**
 * Answers what Node's parser refuses before there is a request: garbage, headers that are too large, a request
 * that does not arrive in time. The socket is closed: nothing on it can be trusted any more.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (!socket.writable) {
    socket.destroy(error);
    return;
  }
  socket.end(rawAnswer(codeOf(error)));
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

function rawAnswer(code: ProblemCode): string {
  const requestId = newId();
  const problem = new Problem(code);
  const body = JSON.stringify(problem.toBody('', requestId));
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
    'Cache-Control: private, no-store',
    `X-Request-Id: ${requestId}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
