/** Single enqueue: each with an idempotency key of its own, references checked, an outcome of its own. */
import { assertCount, closedLoop, contest, measure, query, settle } from '../support/contest.mjs';
import { actorOf, assertAccepted, jobRequest, jobs, start } from './context.mjs';

const { commands } = await start();
let made = 0;

async function enqueueOne(i) {
  const actor = actorOf(i);
  const request = jobRequest(i);
  const key = jobs.idempotencyKey(actor.userId, `bench-${made++}`, JSON.stringify(request));
  const [{ outcome }] = await commands.execute(new jobs.QueueJobs(actor, [{ request, key }]));
  assertAccepted([outcome]);
}

const before = await closedLoop(contest.warmUp, contest.callers, enqueueOne, contest.maxMs);
await settle();
const { jobs: measured } = await measure('ours', async () => ({
  jobs: await closedLoop(contest.jobs, contest.callers, enqueueOne, contest.maxMs),
}));
const [{ count }] = await query(`select count(*) from genledger.generation_jobs where status = 'queued'`);
assertCount('jobs queued', count, before + measured);
process.exit(0);
