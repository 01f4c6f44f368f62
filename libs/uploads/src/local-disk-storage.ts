import { randomUUID } from 'node:crypto';
import { link, mkdir, open, opendir, readFile, rm, stat, unlink, utimes } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Problem } from '@genledger/platform';
import {
  InvalidStorageKeyError,
  ObjectConflictError,
  ObjectStorage,
  type StoredObject,
} from './object-storage';
import { isStorageKey } from './storage-key';

/** Beside the users' folders, on the same file system; no key begins so. */
const UNFINISHED = '.unfinished';

/**
 * Objects as files under one folder.
 *
 * put: write and fsync a file in `.unfinished`, link it to its name (which fails where the name is taken, so that
 * nothing is overwritten), fsync the folders that changed. A crash before the link leaves no object, only a file
 * that `discardUnfinished` removes.
 */
export class LocalDiskStorage extends ObjectStorage {
  private readonly root: string;

  constructor(root: string) {
    super();
    this.root = resolve(root);
  }

  override location(key: string): string {
    if (!isStorageKey(key)) throw new InvalidStorageKeyError();
    return join(this.root, key);
  }

  override async put(key: string, bytes: Buffer): Promise<void> {
    const path = this.location(key);
    const draft = join(this.root, UNFINISHED, randomUUID());
    try {
      await this.makeFolder(dirname(draft));
      await writeDurably(draft, bytes);
      await this.makeFolder(dirname(path));
      await link(draft, path);
      await syncFolder(dirname(path));
    } catch (error) {
      if (isCode(error, 'ENOSPC', 'EDQUOT'))
        throw new Problem('storage-exhausted', undefined, { cause: error });
      if (!isCode(error, 'EEXIST')) throw error;
      if (!(await readFile(path)).equals(bytes)) throw new ObjectConflictError(key);
      // As new as a new one: a sweep that spares young objects must spare this.
      await utimes(path, new Date(), new Date());
      await syncFolder(dirname(path));
    } finally {
      await rm(draft, { force: true });
    }
  }

  override async get(key: string): ReturnType<ObjectStorage['get']> {
    const path = this.location(key);
    return orUndefined(async () => {
      const file = await open(path, 'r');
      const { size, mtime } = await file.stat();
      return { key, size, modifiedAt: mtime, stream: file.createReadStream() };
    });
  }

  override async stat(key: string): Promise<StoredObject | undefined> {
    const path = this.location(key);
    return orUndefined(async () => {
      const { size, mtime } = await stat(path);
      return { key, size, modifiedAt: mtime };
    });
  }

  override async delete(key: string): Promise<boolean> {
    const path = this.location(key);
    return (await orUndefined(() => unlink(path).then(() => true))) ?? false;
  }

  override async *list(prefix = ''): AsyncIterable<StoredObject> {
    for await (const user of namesIn(this.root)) {
      if (prefix !== '' && user !== prefix) continue;
      for await (const month of namesIn(join(this.root, user))) {
        for await (const name of namesIn(join(this.root, user, month))) {
          const key = `${user}/${month}/${name}`;
          const found = isStorageKey(key) ? await this.stat(key) : undefined;
          if (found) yield found;
        }
      }
    }
  }

  override async discardUnfinished(before: Date): Promise<number> {
    const folder = join(this.root, UNFINISHED);
    let discarded = 0;
    for await (const name of namesIn(folder)) {
      const path = join(folder, name);
      const found = await orUndefined(() => stat(path));
      if (!found || found.mtime >= before) continue;
      await rm(path, { force: true });
      discarded += 1;
    }
    return discarded;
  }

  /** A new folder is durable once the folders above it are. */
  private async makeFolder(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    const top = dirname(resolve(first));
    for (let at = path; at !== top; at = dirname(at)) await syncFolder(at);
    await syncFolder(top);
  }
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder; its file system journals names by itself.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function* namesIn(folder: string): AsyncIterable<string> {
  try {
    for await (const entry of await opendir(folder)) yield entry.name;
  } catch (error) {
    // Not a folder, or gone in the meantime: nothing of ours in it.
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
}

async function orUndefined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.some((code) => code === (error as { readonly code?: unknown }).code);
}
