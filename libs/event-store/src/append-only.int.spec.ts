import { Client } from 'pg';
import { newIdAt } from '@genledger/platform';
import { appendRaw } from '../../../test/support/raw-append';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';

jest.setTimeout(60_000);

const CHANGES = [
  ['UPDATE', (table: string) => `update genledger.${table} set data = '{"changed":true}'`],
  ['DELETE', (table: string) => `delete from genledger.${table}`],
  ['TRUNCATE', (table: string) => `truncate genledger.${table}`],
] as const;

let database: TestDatabase;
let admin: Client;
let server: Client;
let partitions: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new Client({ connectionString: database.adminUrl });
  server = new Client({ connectionString: database.url });
  await Promise.all([admin.connect(), server.connect()]);
  const { rows } = await admin.query<{ name: string }>(
    `select inhrelid::regclass::name as name from pg_inherits where inhparent = 'genledger.events'::regclass order by 1`,
  );
  partitions = rows.map(({ name }) => name.replace('genledger.', ''));
  for (const name of partitions) await appendRaw(server, { streamId: idIn(name), version: 1 });
});

afterAll(async () => {
  await Promise.all([admin.end(), server.end()]);
  await database.drop();
});

/** A stream that the partition takes. */
function idIn(partition: string): string {
  const month = /^events_(\d{4})_(\d{2})$/.exec(partition);
  return month
    ? newIdAt(Date.UTC(Number(month[1]), Number(month[2]) - 1, 15))
    : 'f0000000-0000-7000-8000-000000000001';
}

describe('the event log', () => {
  it('has a partition for each of the coming twelve months, one for long-lived streams, and an event in each', async () => {
    expect(partitions).toContain('events_permanent');
    expect(partitions.length).toBeGreaterThanOrEqual(14);
    for (const name of partitions) {
      expect((await admin.query(`select 1 from only genledger.${name}`)).rowCount).toBe(1);
    }
  });

  it.each(CHANGES)(
    'refuses %s by the server for want of a grant, on the table and on each partition',
    async (_what, sql) => {
      for (const name of ['events', ...partitions]) {
        await expect(server.query(sql(name))).rejects.toMatchObject({ code: '42501' });
      }
    },
  );

  it.each(CHANGES)('refuses %s by a superuser, on the table and on each partition', async (what, sql) => {
    for (const name of ['events', ...partitions]) {
      await expect(admin.query(sql(name))).rejects.toMatchObject({
        code: '42501',
        message: `genledger.events is append-only: ${what} refused`,
      });
    }
  });

  it.each(CHANGES)('refuses %s by its owner, who has lifted row-level security', async (what, sql) => {
    for (const name of ['events', ...partitions]) {
      await admin.query(
        `begin; set local role genledger_owner; alter table genledger.${name} disable row level security`,
      );
      await expect(admin.query(sql(name))).rejects.toMatchObject({
        message: `genledger.events is append-only: ${what} refused`,
      });
      await admin.query('rollback');
    }
  });

  it('has lost nothing to any of these', async () => {
    const { rows } = await admin.query(
      `select count(*)::int as kept from genledger.events where data::text = '{}'`,
    );
    expect(rows).toEqual([{ kept: partitions.length }]);
  });

  it('guards a partition that is made later, too', async () => {
    await server.query(`select genledger.ensure_partitions('2001-01-01', '2001-01-31')`);
    await appendRaw(server, { streamId: newIdAt(Date.UTC(2001, 0, 15)), version: 1 });
    for (const [what, sql] of CHANGES) {
      await expect(admin.query(sql('events_2001_01'))).rejects.toMatchObject({
        message: `genledger.events is append-only: ${what} refused`,
      });
      await expect(server.query(sql('events_2001_01'))).rejects.toMatchObject({ code: '42501' });
    }
  });
});
