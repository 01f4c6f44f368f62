/** Bulk enqueue: event, content, request and state of each job, references checked. */
import { assertCount, contest, inChunks, measure, query, settle } from '../support/contest.mjs';
import { queueBulk, start } from './context.mjs';

const { commands } = await start();
const enqueue = (count) => inChunks(count, (from, length) => queueBulk(commands, from, length));

await enqueue(contest.warmUp);
await settle();
await measure('ours', async () => ({ jobs: await enqueue(contest.jobs) }));
const [{ count }] = await query(`select count(*) from genledger.generation_jobs where status = 'queued'`);
assertCount('jobs queued', count, contest.warmUp + contest.jobs);
process.exit(0);
