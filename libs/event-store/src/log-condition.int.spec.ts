import { Client, Pool } from 'pg';
import { newId } from '@genledger/platform';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { Watermark } from './feed';
import { readLogCondition } from './log-condition';

let database: TestDatabase;
let pool: Pool;
let writer: Client;
beforeEach(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.url });
  writer = new Client({ connectionString: database.url });
  await writer.connect();
});
afterEach(async () => {
  await writer.end();
  await pool.end();
  await database.drop();
});

it('tells who holds the log up, and how far that leaves the watermark behind', async () => {
  await appendRaw(writer, { streamId: newId(), version: 1 });
  await writer.query('begin');
  await appendRaw(writer, { streamId: newId(), version: 1 });
  const { rows } = await writer.query<{ pid: number }>('select pg_backend_pid() as pid');

  const held = await readLogCondition(pool, new Watermark(pool), ['sums']);
  expect(held).toMatchObject({ watermark: 1, head: 2, announcers: [{ pid: rows[0]!.pid }] });
  expect(held.projections).toEqual([{ name: 'sums', position: 0, behindSeconds: expect.any(Number) }]);

  await writer.query('commit');
  await writer.query(`insert into genledger.checkpoints (name, position) values ('sums', 2)`);
  expect(await readLogCondition(pool, new Watermark(pool), ['sums'])).toEqual({
    watermark: 2,
    head: 2,
    announcers: [],
    projections: [{ name: 'sums', position: 2, behindSeconds: 0 }],
    missingPartitions: [],
    monthsAhead: 13,
  });
});
