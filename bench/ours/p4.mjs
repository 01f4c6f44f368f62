/** Event append: one event to a new stream each, expecting none there. */
import { assertCount, closedLoop, contest, measure, query, settle } from '../support/contest.mjs';
import { payload } from '../support/payload.mjs';
import { assertAccepted, eventStore, platform, start } from './context.mjs';

const { app } = await start();
const streams = app.get(eventStore.StreamStore, { strict: false });

async function appendOne(i) {
  const data = payload(i);
  const outcome = await streams.append({
    streams: [
      {
        streamId: platform.newId(),
        userId: data.userId,
        expected: 'none',
        events: [{ type: 'JobQueued', data }],
      },
    ],
    meta: { actor: `user:${data.userId}` },
  });
  assertAccepted([{ ...outcome, status: outcome.status === 'appended' ? 'accepted' : outcome.status }]);
}

const before = await closedLoop(contest.warmUp, contest.callers, appendOne, contest.maxMs);
await settle();
const { jobs: measured } = await measure('ours', async () => ({
  jobs: await closedLoop(contest.jobs, contest.callers, appendOne, contest.maxMs),
}));
const [{ count }] = await query('select count(*) from genledger.events');
assertCount('events', count, before + measured);
process.exit(0);
