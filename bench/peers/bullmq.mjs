/** BullMQ on a Redis of its own, append-only file flushed each second (not on each write). */
import { Queue, Worker } from 'bullmq';
import { assertCount, closedLoop, contest, enter, inChunks, measure } from '../support/contest.mjs';
import { payload, payloads } from '../support/payload.mjs';

const NAME = 'BullMQ';
const QUEUE = 'generate';
const CONCURRENCY = 100;

const { hostname: host, port } = new URL(contest.redisUrl);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue(QUEUE, { connection });
await queue.obliterate({ force: true });

const addBulk = (count) =>
  inChunks(count, (from, length) =>
    queue.addBulk(payloads(from, length).map((data) => ({ name: 'generate', data }))),
  );

const addSingly = (count) =>
  closedLoop(count, contest.callers, (i) => queue.add('generate', payload(i)), contest.maxMs);

/** Ends when the last job's move to `completed` has been answered. */
async function drain(count) {
  let done = 0;
  let allDone;
  const finished = new Promise((resolve) => (allDone = resolve));
  const worker = new Worker(QUEUE, async () => {}, { connection, concurrency: CONCURRENCY });
  worker.on('completed', () => {
    if (++done === count) allDone();
  });
  worker.on('error', (error) => console.error(error));
  await finished;
  return () => worker.close();
}

async function enqueueRow(add) {
  const before = await add(contest.warmUp);
  const { jobs } = await measure(NAME, async () => ({ jobs: await add(contest.jobs) }));
  assertCount('jobs waiting', await queue.getWaitingCount(), before + jobs);
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
    let stop;
    await measure(NAME, async () => {
      stop = await drain(contest.jobs);
    });
    await stop();
    assertCount('jobs completed', await queue.getCompletedCount(), contest.warmUp + contest.jobs);
  },
});
