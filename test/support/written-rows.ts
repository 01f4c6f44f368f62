import type { Client } from 'pg';

/** How many rows there are of what a request can write, and the log's last position: what no refused one may change. */
export async function writtenRows(superuser: Client): Promise<unknown> {
  const { rows } = await superuser.query(
    `select (select count(*) from genledger.events) as events, (select count(*) from genledger.job_states) as jobs,
            (select count(*) from genledger.idempotency_keys) as keys, (select count(*) from genledger.uploads) as uploads,
            (select count(*) from genledger.contents) as contents, (select count(*) from genledger.projects) as projects,
            (select count(*) from genledger.assets) as assets, (select last_value from genledger.event_position) as position`,
  );
  return rows[0];
}
