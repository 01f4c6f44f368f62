/** graphile-worker at its best: `addJobs` in bulk; a local queue of 500 and batched completion to drain. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
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

const NAME = 'graphile-worker';
const JOBS_LEFT = 'SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS left_over';

// By default each job writes a line to the console, which would cost it more than the job.
const logger = new Logger(() => () => {});

const utils = await makeWorkerUtils({
  connectionString: contest.pgUrl,
  maxPoolSize: contest.connections,
  logger,
});
await utils.migrate();

const addBulk = (count) =>
  inChunks(count, (from, length) =>
    utils.addJobs(payloads(from, length).map((job) => ({ identifier: 'generate', payload: job }))),
  );

const addSingly = (count) =>
  closedLoop(count, contest.callers, (i) => utils.addJob('generate', payload(i)), contest.maxMs);

/** Ends when all rows are gone: graphile-worker deletes a job that is done. */
async function drain(count) {
  const pool = new pg.Pool({ connectionString: contest.pgUrl, max: contest.connections });
  pool.on('error', (error) => console.error(error));
  pool.on('connect', (client) => client.on('error', (error) => console.error(error)));
  let done = 0;
  let allRan;
  const ran = new Promise((resolve) => (allRan = resolve));
  const generate = async () => {
    if (++done === count) allRan();
  };
  const runner = await run({
    pgPool: pool,
    // Two connections fewer than the pool has, as its own documentation asks.
    concurrency: contest.connections - 2,
    logger,
    noHandleSignals: true,
    taskList: { generate },
    preset: {
      worker: {
        maxPoolSize: contest.connections,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  await ran;
  while ((await pool.query(JOBS_LEFT)).rows[0].left_over) {
    // The last batches of completions are on their way.
  }
  return async () => {
    await runner.stop();
    await pool.end();
    assertCount('jobs run', done, count);
  };
}

async function enqueueRow(add) {
  const before = await add(contest.warmUp);
  await settle();
  const { jobs } = await measure(NAME, async () => ({ jobs: await add(contest.jobs) }));
  const [{ count }] = await query('SELECT count(*) FROM graphile_worker._private_jobs');
  assertCount('jobs queued', count, before + jobs);
}

await enter({
  P1: () => enqueueRow(addBulk),
  P2: () => enqueueRow(addSingly),
  P3: async () => {
    await addBulk(contest.warmUp);
    await (
      await drain(contest.warmUp)
    )();
    await addBulk(contest.jobs);
    await settle();
    let stop;
    await measure(NAME, async () => {
      stop = await drain(contest.jobs);
    });
    await stop();
  },
});
