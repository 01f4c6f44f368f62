import { appendFile, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import sharp from 'sharp';
import { Database, newId, serverUrls } from '@genledger/platform';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { LocalDiskStorage } from './local-disk-storage';
import { SWEEP_GRACE } from './upload-sweeper';
import { verifyStoredObjects } from './stored-objects';
import { Uploads } from './uploads';

const alice = '11111111-1111-4111-8111-111111111111';

let testDatabase: TestDatabase;
let superuser: Client;
let database: Database;
let root: string;
let storage: LocalDiskStorage;
let uploadId: string;
let key: string;
let jobId: string;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  superuser = new Client({ connectionString: testDatabase.adminUrl });
  await superuser.connect();
  database = new Database(serverUrls(testDatabase.adminUrl));
  await database.connect();
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await superuser.end();
  await testDatabase.drop();
});

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'genledger-verify-'));
  storage = new LocalDiskStorage(root);
  const png = await sharp({ create: { width: 30, height: 20, channels: 3, background: '#3070c0' } })
    .png()
    .toBuffer();
  const upload = await new Uploads(database, storage).store({
    userId: alice,
    purpose: 'generation_output',
    bytes: png,
  });
  ({ id: uploadId, storageKey: key } = upload);
  jobId = newId();
  await superuser.query(
    `insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
     select $1, 1, user_id, id, mime_type, size, sha256, width, height from genledger.uploads`,
    [jobId],
  );
});
afterEach(async () => {
  await superuser.query('truncate genledger.uploads, genledger.job_outputs');
  await rm(root, { recursive: true, force: true });
});

async function offenders(): Promise<string[][]> {
  const results = await verifyStoredObjects(database, storage);
  return results.flatMap(({ invariant, examples }) => examples.map(({ id }) => [invariant, id]));
}

async function age(path: string): Promise<void> {
  const old = new Date(Date.now() - SWEEP_GRACE - 1_000);
  await utimes(path, old, old);
}

it('finds nothing where every file is as it was recorded, and says how far it is', async () => {
  await age(storage.location(key));
  const steps: unknown[] = [];
  const results = await verifyStoredObjects(database, storage, (progress) => steps.push(progress));
  expect(results.map(({ invariant, holds, checked }) => [invariant, holds, checked])).toEqual([
    ['outputs_have_uploads', true, 1],
    ['objects_stored', true, 1],
    ['objects_recorded', true, 1],
  ]);
  expect(steps).toEqual([{ step: 'files', done: 1, total: 1 }]);
});

it('finds a file that is missing', async () => {
  await rm(storage.location(key));
  expect(await offenders()).toEqual([['objects_stored', uploadId]]);
});

it('finds a file of another size', async () => {
  await appendFile(storage.location(key), 'more');
  expect(await offenders()).toEqual([['objects_stored', uploadId]]);
});

it('finds a file of the same size whose bytes are others', async () => {
  const { size } = (await storage.stat(key))!;
  await writeFile(storage.location(key), Buffer.alloc(size));
  expect(await offenders()).toEqual([['objects_stored', uploadId]]);
});

it('finds an output whose upload is gone, and one that is recorded otherwise', async () => {
  await superuser.query(`update genledger.job_outputs set width = 31`);
  expect(await offenders()).toEqual([['outputs_have_uploads', jobId]]);
  await superuser.query(`delete from genledger.uploads`);
  expect(await offenders()).toEqual([['outputs_have_uploads', jobId]]);
});

it('finds an object without an upload once it is older than the grace of the sweeper', async () => {
  await superuser.query('truncate genledger.uploads, genledger.job_outputs');
  expect(await offenders()).toEqual([]);
  await age(storage.location(key));
  expect(await offenders()).toEqual([['objects_recorded', key]]);
});
