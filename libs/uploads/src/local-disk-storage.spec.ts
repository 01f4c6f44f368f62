import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { LocalDiskStorage } from './local-disk-storage';
import { InvalidStorageKeyError, ObjectConflictError } from './object-storage';
import { storageKeyOf } from './storage-key';

const USER = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
const UPLOAD = '01a1fb4d-c159-733f-b725-8bbcfa792ce3';
const KEY = `${USER}/2026-11/${UPLOAD}.png`;

let root: string;
let storage: LocalDiskStorage;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'genledger-storage-'));
  storage = new LocalDiskStorage(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function keys(prefix?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const object of storage.list(prefix)) found.push(object.key);
  return found.sort();
}

describe('LocalDiskStorage', () => {
  it('gives back what was put', async () => {
    await storage.put(KEY, Buffer.from('picture'));
    const object = await storage.get(KEY);
    expect(object).toMatchObject({ key: KEY, size: 7 });
    expect((await buffer(object!.stream)).toString()).toBe('picture');
    expect(await storage.stat(KEY)).toMatchObject({
      key: KEY,
      size: 7,
    });
    expect(isAbsolute(storage.location(KEY))).toBe(true);
    expect(await readFile(storage.location(KEY), 'utf8')).toBe('picture');
  });

  it('keeps objects from other users of the machine', async () => {
    await storage.put(KEY, Buffer.from('picture'));
    expect((await stat(storage.location(KEY))).mode & 0o077).toBe(0);
  });

  it('has no draft left after a put', async () => {
    await storage.put(KEY, Buffer.from('picture'));
    expect(await readdir(join(root, '.unfinished'))).toEqual([]);
  });

  it('takes the same content again and never another', async () => {
    await storage.put(KEY, Buffer.from('picture'));
    await storage.put(KEY, Buffer.from('picture'));
    await expect(storage.put(KEY, Buffer.from('another'))).rejects.toThrow(ObjectConflictError);
    expect(await readFile(storage.location(KEY), 'utf8')).toBe('picture');
    expect(await readdir(join(root, '.unfinished'))).toEqual([]);
  });

  it('lets one of two concurrent writers win, whole', async () => {
    const contents = ['a', 'b'].map((letter) => Buffer.alloc(300_000, letter));
    const outcomes = await Promise.allSettled(contents.map((bytes) => storage.put(KEY, bytes)));
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
    const winner = outcomes.findIndex((outcome) => outcome.status === 'fulfilled');
    expect((await readFile(storage.location(KEY))).equals(contents[winner]!)).toBe(true);
  });

  it('shows nothing of a put that a crash cut short, and removes its rest later', async () => {
    const draft = join(root, '.unfinished', UPLOAD);
    await mkdir(join(root, '.unfinished'));
    await writeFile(draft, 'half a pict');
    expect(await keys()).toEqual([]);
    expect(await storage.stat(KEY)).toBeUndefined();
    expect(await storage.get(KEY)).toBeUndefined();

    await utimes(draft, 1000, 1000);
    expect(await storage.discardUnfinished(new Date(1_000_000))).toBe(0);
    expect(await storage.discardUnfinished(new Date(1_000_001))).toBe(1);
    expect(await readdir(join(root, '.unfinished'))).toEqual([]);
  });

  it('leaves no object and no draft where a put fails after its draft was written', async () => {
    await writeFile(join(root, USER), 'a file where the folder should be');
    await expect(storage.put(KEY, Buffer.from('picture'))).rejects.toThrow();
    expect(await keys()).toEqual([]);
    expect(await readdir(join(root, '.unfinished'))).toEqual([]);
  });

  it('deletes, once', async () => {
    await storage.put(KEY, Buffer.from('picture'));
    expect(await storage.delete(KEY)).toBe(true);
    expect(await storage.delete(KEY)).toBe(false);
    expect(await storage.stat(KEY)).toBeUndefined();
  });

  it('lists what is stored, by user too, and no stranger files', async () => {
    const others = `${OTHER}/2026-12/${UPLOAD}.webp`;
    await storage.put(KEY, Buffer.from('picture'));
    await storage.put(others, Buffer.from('picture'));
    await writeFile(join(root, USER, '2026-11', 'notes.txt'), 'of a stranger');
    await writeFile(join(root, '.DS_Store'), '');
    expect(await keys()).toEqual([KEY, others]);
    expect(await keys(OTHER)).toEqual([others]);
  });

  it('lists nothing before anything was stored', async () => {
    expect(await keys()).toEqual([]);
    expect(await storage.discardUnfinished(new Date())).toBe(0);
  });

  it.each([
    '../../etc/passwd',
    `${USER}/2026-11/../../../x.png`,
    `${USER}/2026-11/%2e%2e.png`,
    `${USER}\\2026-11\\${UPLOAD}.png`,
    `/${KEY}`,
    `C:\\${UPLOAD}.png`,
    `${USER}/2026-13/${UPLOAD}.png`,
    `${USER}/2026-11/${UPLOAD}.svg`,
    `${USER}/2026-11/${UPLOAD}.png\n`,
    `${USER}/2026-11/${UPLOAD}.png\0`,
    `${USER}/2026-11/${UPLOAD.toUpperCase()}.png`,
    `.unfinished/2026-11/${UPLOAD}.png`,
    '.htaccess',
    'con',
    '-rf',
    'a'.repeat(300),
    '😀',
    '',
  ])('refuses the key %j', async (key) => {
    expect(() => storage.location(key)).toThrow(InvalidStorageKeyError);
    await expect(storage.put(key, Buffer.from('x'))).rejects.toThrow(InvalidStorageKeyError);
    await expect(storage.get(key)).rejects.toThrow(InvalidStorageKeyError);
    await expect(storage.stat(key)).rejects.toThrow(InvalidStorageKeyError);
    await expect(storage.delete(key)).rejects.toThrow(InvalidStorageKeyError);
    expect(await readdir(root)).toEqual([]);
  });
});

describe('storageKeyOf', () => {
  it('is made of the user, the month in the id and the id', () => {
    expect(storageKeyOf(USER, UPLOAD, 'image/jpeg')).toBe(`${USER}/2026-11/${UPLOAD}.jpg`);
  });

  it('is refused for ids that are not canonical UUIDs', () => {
    expect(() => storageKeyOf('../x', UPLOAD, 'image/png')).toThrow();
    expect(() => storageKeyOf(USER, '../x', 'image/png')).toThrow();
  });
});
