import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What is not over on each connection, oldest first: pipelined requests wait for one another, and some are answered early. */
const open = new WeakMap<Socket, Set<Exchange>>();

/**
 * To be called once for each request, as it arrives. False where the connection ends with an earlier answer: whatever
 * comes after that must not be carried out (RFC 9112 §9.6), and Node hands it on all the same.
 */
export function trackAnswer(request: IncomingMessage, response: ServerResponse): boolean {
  const { socket } = request;
  const exchanges = open.get(socket) ?? new Set();
  open.set(socket, exchanges);
  let isLate = false;
  for (const earlier of exchanges) isLate ||= !earlier.response.shouldKeepAlive;
  const exchange = { request, response };
  exchanges.add(exchange);
  const settle = (): void => {
    if (request.complete && response.closed) exchanges.delete(exchange);
  };
  request.once('end', settle);
  response.once('close', settle);
  return !isLate;
}

/** What can still be said to a client whose connection has turned out to be of no use. */
export type LastWord = 'any' | 'answers that are due' | 'none';

/**
 * Only a request that has not arrived completely can be the one that is at fault: where the connection owes answers to
 * others, another answer would be taken for one of theirs; where its own has begun or been given, it has had one.
 */
export function lastWordOn(socket: Socket): LastWord {
  const exchanges = [...(open.get(socket) ?? [])];
  if (exchanges.some(({ request }) => request.complete)) return 'answers that are due';
  return exchanges.some(({ response }) => response.headersSent) ? 'none' : 'any';
}

/** Closes the connection behind the answers to its complete requests. */
export function closeAfterAnswers(socket: Socket): void {
  const last = [...(open.get(socket) ?? [])].filter(({ request }) => request.complete).at(-1)?.response;
  if (last === undefined || !last.shouldKeepAlive) return;
  last.shouldKeepAlive = false;
  last.once('finish', () => socket.destroySoon());
}
