import { Client } from 'pg';
import { createTestDatabase } from './support/test-database';

it('clones the migrated schema into a database of its own and drops it under open connections', async () => {
  const database = await createTestDatabase();
  const client = new Client({ connectionString: database.url });
  client.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  await client.connect();
  const { rows } = await client.query<{ login: string; migrations: number }>(
    `select session_user as login, (select count(*)::int from genledger.migrations) as migrations`,
  );
  expect(rows[0]?.login).toBe('genledger_server');
  expect(rows[0]?.migrations).toBeGreaterThan(0);

  await database.drop();

  await ended;
  const gone = new Client({ connectionString: database.adminUrl });
  await expect(gone.connect()).rejects.toMatchObject({ code: '3D000' });
});
