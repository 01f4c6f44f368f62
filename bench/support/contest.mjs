/**
 * What a contestant is given and what it answers. A contestant is a program of its own, started afresh for
 * each round, by environment:
 *
 *   PG_URL       superuser URL of an empty database, dropped afterwards
 *   REDIS_URL    an empty Redis (BullMQ only)
 *   SERVER_PID   the server's main process, for its CPU time
 *   ROW          P1 … P4
 *   N            jobs to measure (appends in P4); at most, where MAX_MS is given
 *   MAX_MS       milliseconds after which to begin no more of them (P2, P4: some are slow)
 *   WARM_UP      jobs to do beforehand, in the same way, not measured; equal for all in a row
 *   CALLERS      concurrent callers (P2, P4)
 *   CHUNK        jobs a bulk call (P1, and to fill the queue of P3)
 *   LANES        bulk calls in flight (P1)
 *   CONNECTIONS  most connections to PostgreSQL
 *
 * Its last line on stdout is one JSON object; the CPU times are totals over all measured jobs:
 *
 *   { contestant, row, jobs, ms, rate, client_cpu_us, server_cpu_us, note? }
 *
 * `measure` prints it. Whatever else is said belongs on stderr. A count that is wrong at the end is an error,
 * so that nobody is measured for work not done.
 */
import pg from 'pg';
import { clientCpu, serverCpu } from './cpu.mjs';

const number = (name, fallback) => Number(process.env[name] ?? fallback);

export const contest = {
  pgUrl: process.env.PG_URL,
  redisUrl: process.env.REDIS_URL,
  serverPid: number('SERVER_PID', 0),
  row: process.env.ROW,
  jobs: number('N', 20_000),
  maxMs: number('MAX_MS', Infinity),
  warmUp: number('WARM_UP', 1_000),
  callers: number('CALLERS', 64),
  chunk: number('CHUNK', 1_000),
  lanes: number('LANES', 1),
  connections: number('CONNECTIONS', 16),
};

/**
 * Does `work`, and prints the result line. `work` may return `{ jobs, note }`: how many it did, when that is
 * not `contest.jobs`, and words to stand beside the figures. Returns the result.
 */
export async function measure(contestant, work) {
  const server = serverCpu(contest.serverPid);
  const client = clientCpu();
  const start = performance.now();
  const outcome = await work();
  const ms = performance.now() - start;
  const jobs = outcome?.jobs ?? contest.jobs;
  const line = {
    contestant,
    row: contest.row,
    jobs,
    ms,
    rate: jobs / (ms / 1000),
    client_cpu_us: clientCpu() - client,
    server_cpu_us: server === null ? null : serverCpu(contest.serverPid) - server,
    ...(outcome?.note ? { note: outcome.note } : {}),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return line;
}

/**
 * `callers` loops, each of which takes the next number below `count` as soon as its last one is done, and
 * none after `maxMs`. How many were done.
 */
export async function closedLoop(count, callers, call, maxMs = Infinity) {
  const deadline = performance.now() + maxMs;
  let next = 0;
  const loop = async () => {
    while (next < count && performance.now() < deadline) await call(next++);
  };
  await Promise.all(Array.from({ length: callers }, loop));
  return next;
}

/** Bulk calls of `contest.chunk` jobs, `contest.lanes` in flight: `call(from, length)`. Returns `count`. */
export async function inChunks(count, call) {
  const { chunk, lanes } = contest;
  await closedLoop(Math.ceil(count / chunk), lanes, (k) =>
    call(k * chunk, Math.min(chunk, count - k * chunk)),
  );
  return count;
}

/** One query on a connection of its own; its rows. */
export async function query(text, values) {
  const client = new pg.Client({ connectionString: contest.pgUrl });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Before measuring: no checkpoint due, no statistics stale. The same for everyone on PostgreSQL. */
export async function settle() {
  await query('VACUUM (ANALYZE)');
  await query('CHECKPOINT');
}

/** The contestant's rows, by name; the one asked for is run, and the process ends. */
export async function enter(rows) {
  const row = rows[contest.row];
  if (!row) throw new Error(`no such row here: ${contest.row}`);
  await row();
  process.exit(0);
}

export function assertCount(what, actual, expected) {
  if (Number(actual) !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`);
}
