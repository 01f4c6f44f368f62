import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import sharp from 'sharp';
import { Database, loadConfig, newId, newIdAt, serverUrls, type Actor } from '@genledger/platform';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { LocalDiskStorage } from './local-disk-storage';
import { UploadSweeper } from './upload-sweeper';
import { UploadConflictError, Uploads, type NewUpload } from './uploads';

const HOUR = 3_600_000;
const alice: Actor = { userId: '11111111-1111-4111-8111-111111111111', role: 'user' };
const bob: Actor = { userId: '22222222-2222-4222-8222-222222222222', role: 'user' };
const auditor: Actor = { userId: '33333333-3333-4333-8333-333333333333', role: 'auditor' };
const admin: Actor = { userId: '44444444-4444-4444-8444-444444444444', role: 'admin' };

let testDatabase: TestDatabase;
let superuser: Client;
let database: Database;
let root: string;
let storage: LocalDiskStorage;
let uploads: Uploads;
let png: Buffer;
let webp: Buffer;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  const { writerUrl, readerUrl } = serverUrls(testDatabase.adminUrl);
  database = new Database({ writerUrl, readerUrl });
  await database.connect();
  root = await mkdtemp(join(tmpdir(), 'genledger-uploads-'));
  storage = new LocalDiskStorage(root);
  uploads = new Uploads(database, storage);
  const picture = sharp({ create: { width: 30, height: 20, channels: 3, background: '#3070c0' } });
  [png, webp] = await Promise.all([picture.clone().png().toBuffer(), picture.clone().webp().toBuffer()]);
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await superuser.end();
  await testDatabase.drop();
  await rm(root, { recursive: true, force: true });
});
afterEach(async () => {
  await superuser.query('truncate genledger.uploads, genledger.job_outputs, genledger.assets');
  for await (const { key } of storage.list()) await storage.delete(key);
});

const input = (more: Partial<NewUpload> = {}): NewUpload => ({
  userId: alice.userId,
  purpose: 'input',
  bytes: png,
  ...more,
});
const output = (more: Partial<NewUpload> = {}): NewUpload => input({ purpose: 'generation_output', ...more });

async function link(uploadIds: readonly string[], userId = alice.userId): Promise<void> {
  await superuser.query(
    `insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
     select $1, row_number() over (), user_id, id, mime_type, size, sha256, width, height
       from genledger.uploads where id = any ($2::uuid[]) and user_id = $3`,
    [newId(), uploadIds, userId],
  );
}

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of storage.list()) found.push(key);
  return found.sort();
}

describe('Uploads', () => {
  it('stores the bytes and what is known of them', async () => {
    const upload = await uploads.store(input({ declaredMimeType: 'image/png' }));
    expect(upload).toMatchObject({
      userId: alice.userId,
      purpose: 'input',
      mimeType: 'image/png',
      size: png.length,
      width: 30,
      height: 20,
    });
    expect(upload.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await keys()).toEqual([upload.storageKey]);
    expect((await storage.stat(upload.storageKey))?.size).toBe(png.length);
    expect(await uploads.get(alice, upload.id)).toEqual(upload);
    expect(await uploads.find(upload.id)).toEqual(upload);
  });

  it('has neither object nor row of a file that it refuses', async () => {
    const set = [output(), output({ bytes: Buffer.from('<html>') })];
    await expect(uploads.storeMany(set)).rejects.toMatchObject({ code: 'unsupported-media-type' });
    expect((await superuser.query('select from genledger.uploads')).rowCount).toBe(0);
    await expect(uploads.store(input({ bytes: Buffer.alloc(0) }))).rejects.toMatchObject({
      code: 'invalid-image',
    });
  });

  it('stores a set in its order, with one moment for all', async () => {
    const stored = await uploads.storeMany([output(), output({ bytes: webp }), output()]);
    expect(stored.map((upload) => upload.mimeType)).toEqual(['image/png', 'image/webp', 'image/png']);
    expect(await uploads.storeMany([])).toEqual([]);
  });

  it('returns the same upload for the same id and bytes, and refuses other bytes or another user', async () => {
    const id = newId();
    const first = await uploads.store(output({ id }));
    expect(await uploads.store(output({ id }))).toEqual(first);
    await expect(uploads.store(output({ id, bytes: webp }))).rejects.toThrow(UploadConflictError);
    await expect(uploads.store(output({ id, userId: bob.userId }))).rejects.toThrow(UploadConflictError);
    expect(await uploads.find(id)).toEqual(first);
  });

  it('shows an output once a job links it, and never to others', async () => {
    const [one, two] = await uploads.storeMany([output(), output()]);
    expect(await uploads.get(alice, one!.id)).toBeUndefined();
    expect((await uploads.list(alice, { purpose: 'generation_output', limit: 10 })).uploads).toEqual([]);
    await link([one!.id, two!.id]);
    expect((await uploads.list(alice, { purpose: 'generation_output', limit: 10 })).uploads).toEqual([
      two,
      one,
    ]);
    expect(await uploads.get(alice, one!.id)).toEqual(one);
    expect(await uploads.get(auditor, one!.id)).toEqual(one);
    expect(await uploads.get(bob, one!.id)).toBeUndefined();
    expect((await uploads.list(bob, { limit: 10 })).uploads).toEqual([]);
    expect((await uploads.list(auditor, { limit: 10 })).uploads).toEqual([]);
  });

  it('lists newest first, page by page, both purposes merged', async () => {
    const stored = [];
    for (let i = 0; i < 5; i += 1) stored.push(await uploads.store(i % 2 === 0 ? input() : output()));
    await link(stored.filter((upload) => upload.purpose === 'generation_output').map((upload) => upload.id));
    const newest = [...stored].reverse();
    const first = await uploads.list(alice, { limit: 3 });
    expect(first).toEqual({ uploads: newest.slice(0, 3), hasMore: true });
    const rest = await uploads.list(alice, { limit: 3, before: first.uploads.at(-1)!.id });
    expect(rest).toEqual({ uploads: newest.slice(3), hasMore: false });
    const inputs = await uploads.list(alice, { purpose: 'input', limit: 3 });
    expect(inputs).toEqual({
      uploads: newest.filter((upload) => upload.purpose === 'input'),
      hasMore: false,
    });
  });

  it('deletes row and object', async () => {
    const upload = await uploads.store(input());
    expect(await uploads.delete(bob, upload.id)).toBe('absent');
    expect(await uploads.delete(auditor, upload.id)).toBe('absent');
    expect(await uploads.delete(alice, upload.id)).toBe('deleted');
    expect(await uploads.delete(alice, upload.id)).toBe('absent');
    expect(await uploads.find(upload.id)).toBeUndefined();
    expect(await keys()).toEqual([]);
    const another = await uploads.store(input());
    expect(await uploads.delete(admin, another.id)).toBe('deleted');
    expect(await uploads.delete(alice, 'not an id')).toBe('absent');
  });

  it('keeps what a job or an asset uses', async () => {
    const linked = await uploads.store(output());
    await link([linked.id]);
    const used = await uploads.store(input());
    await superuser.query('insert into genledger.assets (id, user_id, upload_id) values ($1, $2, $3)', [
      newId(),
      alice.userId,
      used.id,
    ]);
    for (const { id, storageKey } of [linked, used]) {
      expect(await uploads.delete(alice, id)).toBe('in_use');
      expect(await storage.stat(storageKey)).toBeDefined();
    }
  });

  it('cannot be written through a reading login, whoever asks', async () => {
    const upload = await uploads.store(input());
    for (const actor of [alice, auditor]) {
      const erase = database.read(actor, (query) =>
        query('delete from genledger.uploads where id = $1', [upload.id]),
      );
      await expect(erase).rejects.toMatchObject({ code: expect.stringMatching(/42501|25006/) as string });
    }
  });
});

describe('UploadSweeper', () => {
  const config = loadConfig({ GENLEDGER_ROLES: 'scheduler' });
  const sweeper = (): UploadSweeper => new UploadSweeper(database, storage, config);
  /** The clock moves, not the files: everything stored now is two hours old then. */
  const later = (): Date => new Date(Date.now() + 2 * HOUR);

  it('removes outputs that no job linked, and keeps linked ones and inputs', async () => {
    const [linked, lost] = await uploads.storeMany([output(), output()]);
    const sent = await uploads.store(input());
    await link([linked!.id]);
    expect(await sweeper().sweep(later(), HOUR)).toEqual({ rows: 1, objects: 1, unfinished: 0 });
    expect(await keys()).toEqual([linked!.storageKey, sent.storageKey].sort());
    expect(await uploads.find(lost!.id)).toBeUndefined();
  });

  it('removes objects without a row', async () => {
    const kept = await uploads.store(input());
    const stray = `${bob.userId}/2026-11/${newIdAt(Date.UTC(2026, 10, 20))}.png`;
    await storage.put(stray, png);
    expect(await sweeper().sweep(later(), HOUR)).toEqual({ rows: 0, objects: 1, unfinished: 0 });
    expect(await keys()).toEqual([kept.storageKey]);
  });

  it('leaves alone what is younger than the grace', async () => {
    const young = await uploads.store(output());
    await storage.put(`${bob.userId}/2026-11/${newId()}.png`, png);
    expect(await sweeper().sweep(new Date(), HOUR)).toEqual({ rows: 0, objects: 0, unfinished: 0 });
    expect(await uploads.find(young.id)).toEqual(young);
    expect(await keys()).toHaveLength(2);
  });

  it('finds nothing left the second time', async () => {
    await uploads.storeMany([output(), output(), output()]);
    expect(await sweeper().sweep(later(), HOUR)).toEqual({ rows: 3, objects: 3, unfinished: 0 });
    expect(await sweeper().sweep(later(), HOUR)).toEqual({ rows: 0, objects: 0, unfinished: 0 });
  });

  it('does not run while another sweep does', async () => {
    await uploads.store(output());
    await database.transaction(async (query) => {
      await query(`select pg_advisory_xact_lock(hashtext('genledger.upload_sweeper'))`);
      expect(await sweeper().sweep(later(), HOUR)).toBeUndefined();
    });
    expect(await sweeper().sweep(later(), HOUR)).toMatchObject({ rows: 1 });
  });
});
