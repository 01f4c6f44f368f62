/** Emmett's PostgreSQL event store: one event each, a new stream each. */
import { randomUUID } from 'node:crypto';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import pg from 'pg';
import { assertCount, closedLoop, contest, enter, measure, query, settle } from '../support/contest.mjs';
import { payload } from '../support/payload.mjs';

const pool = new pg.Pool({ connectionString: contest.pgUrl, max: contest.connections });
const eventStore = getPostgreSQLEventStore(contest.pgUrl, { connectionOptions: { pool } });
await eventStore.schema.migrate();

const streamNames = (count) => Array.from({ length: count }, () => `job-${randomUUID()}`);

const append = (streams) =>
  closedLoop(
    streams.length,
    contest.callers,
    (i) => eventStore.appendToStream(streams[i], [{ type: 'JobQueued', data: payload(i) }]),
    contest.maxMs,
  );

await enter({
  P4: async () => {
    const before = await append(streamNames(contest.warmUp));
    const streams = streamNames(contest.jobs);
    await settle();
    const { jobs } = await measure('Emmett', async () => ({ jobs: await append(streams) }));
    const [{ count }] = await query('SELECT count(*) FROM emt_messages');
    assertCount('events', count, before + jobs);
  },
});
