/** pg-boss at its best: `insert` in bulk; four fetchers of 500, each completing its whole batch at once. */
import { PgBoss } from 'pg-boss';
import {
  assertCount,
  closedLoop,
  contest,
  enter,
  inChunks,
  measure,
  query,
  settle,
} from '../support/contest.mjs';
import { payload, payloads } from '../support/payload.mjs';

const NAME = 'pg-boss';
const QUEUE = 'generate';
const FETCHERS = 4;
const BATCH = 500;

// No maintenance and no cron: neither is part of the work, and both would take time from it.
const boss = new PgBoss({
  connectionString: contest.pgUrl,
  max: contest.connections,
  supervise: false,
  schedule: false,
});
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.createQueue(QUEUE);

const insertBulk = (count) =>
  inChunks(count, (from, length) =>
    boss.insert(
      QUEUE,
      payloads(from, length).map((data) => ({ data })),
    ),
  );

const sendSingly = (count) =>
  closedLoop(count, contest.callers, (i) => boss.send(QUEUE, payload(i)), contest.maxMs);

async function drain() {
  const fetcher = async () => {
    for (;;) {
      const jobs = await boss.fetch(QUEUE, { batchSize: BATCH });
      if (jobs.length === 0) return;
      await boss.complete(
        QUEUE,
        jobs.map((job) => job.id),
      );
    }
  };
  await Promise.all(Array.from({ length: FETCHERS }, fetcher));
}

async function assertInState(state, expected) {
  const [{ count }] = await query('SELECT count(*) FROM pgboss.job WHERE state::text = $1', [state]);
  assertCount(`jobs ${state}`, count, expected);
}

async function enqueueRow(add) {
  const before = await add(contest.warmUp);
  await settle();
  const { jobs } = await measure(NAME, async () => ({ jobs: await add(contest.jobs) }));
  await assertInState('created', before + jobs);
}

await enter({
  P1: () => enqueueRow(insertBulk),
  P2: () => enqueueRow(sendSingly),
  P3: async () => {
    await insertBulk(contest.warmUp);
    await drain();
    await insertBulk(contest.jobs);
    await settle();
    await measure(NAME, drain);
    await assertInState('completed', contest.warmUp + contest.jobs);
  },
});
