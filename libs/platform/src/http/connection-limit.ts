import type { Server } from 'node:http';

/** Looking for idle connections walks all of them: a flood must not make it the server's main work. */
const SWEEP_EVERY_MS = 100;

/**
 * Holds at most `limit` connections. One that comes to a full house is closed at once, and so are those that are kept
 * open between requests: they make room for whoever tries again, and their clients can connect anew.
 */
export function limitConnections(server: Server, limit: number): void {
  server.maxConnections = limit;
  let sweptAt = -Infinity;
  server.on('drop', () => {
    const now = performance.now();
    if (now - sweptAt < SWEEP_EVERY_MS) return;
    sweptAt = now;
    server.closeIdleConnections();
  });
}
