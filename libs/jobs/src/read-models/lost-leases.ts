import type { Database } from '@genledger/platform';

/** A scheduler takes a lost job back within a second or two; what is older has none to look after it. */
const GRACE_SECONDS = 10;

/** Running jobs whose lease has been over for longer than a scheduler leaves it so: how many, and for how long. */
export async function readLostLeases(database: Database): Promise<{ count: number; oldestSeconds: number }> {
  const [lost] = await database.write<{ count: number; oldest: number }>(
    `select count(*) as count,
            coalesce(floor(max(extract(epoch from clock_timestamp() - s.lease_expires_at))), 0)::int as oldest
       from genledger.job_states s
      where s.status = 'running' and s.lease_expires_at < clock_timestamp() - $1 * interval '1 second'`,
    [GRACE_SECONDS],
  );
  return { count: lost!.count, oldestSeconds: lost!.oldest };
}
