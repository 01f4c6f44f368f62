import { createHash } from 'node:crypto';
import type { Actor } from './actor';

interface Entry {
  readonly actor: Actor;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Tokens that were verified, each until its expiry: the least recently used make room. Keyed by SHA-256, so that
 * a dump of the memory shows no token.
 */
export class TokenCache {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly capacity: number) {}

  get(token: string): Actor | undefined {
    const key = digest(token);
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    if (entry.expiresAt <= Date.now()) return undefined;
    // A Map iterates in the order of insertion: the last used is the last one in.
    this.entries.set(key, entry);
    return entry.actor;
  }

  set(token: string, actor: Actor, expiresAt: number): void {
    if (expiresAt <= Date.now()) return;
    const key = digest(token);
    this.entries.delete(key);
    this.entries.set(key, { actor, expiresAt });
    if (this.entries.size <= this.capacity) return;
    const [oldest] = this.entries.keys();
    if (oldest !== undefined) this.entries.delete(oldest);
  }

  get size(): number {
    return this.entries.size;
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
