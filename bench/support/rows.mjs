/**
 * What is measured: each row's contestants, how much work each gets, and which peers its goal looks at.
 * Rates are compared, so the slow ones may be given fewer jobs, or end when their time is up (MAX_MS). Ours is `ours/<row>.mjs`; it must be given
 * nothing that its peers are not.
 */

/**
 * `newNode`: does not run on the oldest Node that the product runs on. `redis`: runs on Redis, not on PostgreSQL.
 */
const peers = {
  'graphile-worker': { program: 'peers/graphile-worker.mjs', newNode: true },
  'pg-boss': { program: 'peers/pg-boss.mjs', newNode: true },
  BullMQ: { program: 'peers/bullmq.mjs', redis: true },
  Emmett: { program: 'peers/emmett.mjs' },
};

export const OURS = 'ours';

const everyone = (jobs, bullmq = jobs) => ({
  [OURS]: jobs,
  'graphile-worker': jobs,
  'pg-boss': jobs,
  BullMQ: bullmq,
});

/**
 * `jobs`: contestant → jobs a round; `maxMs`: at most so long; both quick and full. `warmUp`: jobs before that, as
 * many for everyone (where there is a `maxMs`, as long), as a process gets faster with what it has done. `goals`: the entries that the row yields, each with the
 * peers whose fastest is its yardstick. `env`: see contest.mjs.
 */
export const rows = [
  {
    id: 'P1',
    title: 'bulk enqueue, chunks of 1,000, one caller',
    unit: 'jobs/s',
    env: { CHUNK: 1000, LANES: 1 },
    warmUp: 10_000,
    jobs: { quick: everyone(20_000, 10_000), full: everyone(50_000) },
    goals: [{ id: 'P1', goal: 0.8, yardstick: ['graphile-worker', 'pg-boss'] }],
  },
  {
    id: 'P1x4',
    title: 'bulk enqueue, chunks of 1,000, four callers',
    unit: 'jobs/s',
    row: 'P1',
    fullOnly: true,
    env: { CHUNK: 1000, LANES: 4 },
    warmUp: 4_000,
    jobs: { quick: everyone(20_000, 10_000), full: everyone(50_000) },
    goals: [{ id: 'P1x4', goal: 0.8, yardstick: ['graphile-worker', 'pg-boss'] }],
  },
  {
    id: 'P2',
    title: 'single enqueue, 64 callers',
    unit: 'jobs/s',
    env: { CALLERS: 64 },
    warmUp: 15_000,
    maxMs: { quick: 2_000, full: 10_000 },
    jobs: {
      quick: { [OURS]: 15_000, 'graphile-worker': 3_000, 'pg-boss': 3_000, BullMQ: 15_000 },
      full: { [OURS]: 50_000, 'graphile-worker': 10_000, 'pg-boss': 10_000, BullMQ: 50_000 },
    },
    goals: [
      { id: 'P2', goal: 1, yardstick: ['BullMQ'] },
      { id: 'P2-pgboss', goal: 10, yardstick: ['pg-boss'] },
      { id: 'P2-graphile', goal: 10, yardstick: ['graphile-worker'] },
    ],
  },
  {
    id: 'P3',
    title: 'drain: claim and finish, no-op jobs',
    unit: 'jobs/s',
    env: { CHUNK: 1000 },
    warmUp: 10_000,
    jobs: { quick: everyone(20_000, 10_000), full: everyone(50_000) },
    goals: [{ id: 'P3', goal: 1.25, yardstick: ['graphile-worker', 'pg-boss'] }],
  },
  {
    id: 'P4',
    title: 'event append, 64 callers, one event and one new stream each',
    unit: 'appends/s',
    env: { CALLERS: 64 },
    warmUp: 15_000,
    maxMs: { quick: 2_000, full: 10_000 },
    jobs: { quick: { [OURS]: 15_000, Emmett: 6_000 }, full: { [OURS]: 50_000, Emmett: 20_000 } },
    goals: [{ id: 'P4', goal: 5, yardstick: ['Emmett'] }],
  },
];

/** How a contestant is started in a row: `{ name, program, newNode?, redis? }`, program relative to bench/. */
export function contestants(row) {
  const ours = { name: OURS, program: `ours/${(row.row ?? row.id).toLowerCase()}.mjs` };
  return Object.keys(row.jobs.quick).map((name) => (name === OURS ? ours : { name, ...peers[name] }));
}
