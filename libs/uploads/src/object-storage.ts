import type { Readable } from 'node:stream';

export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** Another content is stored under the key. */
export class ObjectConflictError extends Error {
  constructor(readonly key: string) {
    super('another content is stored under this key');
  }
}

export class InvalidStorageKeyError extends Error {
  constructor() {
    super('not a storage key');
  }
}

/**
 * Where bytes are kept; knows no database. Every method refuses a key that `isStorageKey` refuses
 * (InvalidStorageKeyError).
 */
export abstract class ObjectStorage {
  /**
   * Durable when it returns; a reader sees all of it or nothing. The same content again is a no-op.
   * @throws ObjectConflictError for another content under the key: nothing is ever overwritten.
   */
  abstract put(key: string, bytes: Buffer): Promise<void>;
  /** Undefined where there is none. A stream that is not read to its end has to be destroyed. */
  abstract get(key: string): Promise<(StoredObject & { readonly stream: Readable }) | undefined>;
  abstract stat(key: string): Promise<StoredObject | undefined>;
  /** False where there was none. */
  abstract delete(key: string): Promise<boolean>;
  /** In no order; `prefix` is '' or a user id. */
  abstract list(prefix?: string): AsyncIterable<StoredObject>;
  /** Removes what interrupted `put`s left before that moment, and returns how many. */
  abstract discardUnfinished(before: Date): Promise<number>;
  /** For people: an absolute path, or a URL without credentials. */
  abstract location(key: string): string;
}
