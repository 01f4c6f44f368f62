/** Drain: claim with leases, decide, record the result; statistics folded meanwhile and caught up at the end. */
import { assertCount, contest, inChunks, measure, query, settle } from '../support/contest.mjs';
import { assertAccepted, jobs, queueBulk, start } from './context.mjs';

const FETCHERS = 3;
const BATCH = 500;

const { app, commands } = await start(['projector']);
const projector = app.get(jobs.JobProjector, { strict: false });
const enqueue = (count) => inChunks(count, (from, length) => queueBulk(commands, from, length));

async function drain() {
  const fetcher = async (_, n) => {
    const workerId = `bench-${n}`;
    for (;;) {
      const items = await commands.execute(new jobs.ClaimJobs(workerId, ['text_to_image'], BATCH));
      if (items.length === 0) return;
      const results = items.map(({ jobId, leaseToken }) => ({
        jobId,
        leaseToken,
        result: { type: 'succeeded', outputs: [], costCents: 8 },
      }));
      assertAccepted(await commands.execute(new jobs.RecordResults(workerId, results)));
    }
  };
  await Promise.all(Array.from({ length: FETCHERS }, fetcher));
}

await enqueue(contest.warmUp);
await drain();
await enqueue(contest.jobs);
await projector.drain();
await settle();
await measure('ours', async () => {
  await drain();
  const drained = performance.now();
  await projector.drain();
  return { note: `statistics ${(performance.now() - drained).toFixed(0)} ms behind` };
});
const [{ count }] = await query(
  `select sum(count) from genledger.job_statistics where status = 'succeeded'`,
).then((rows) => rows.map((row) => ({ count: row.sum })));
assertCount('jobs succeeded', count, contest.warmUp + contest.jobs);
process.exit(0);
