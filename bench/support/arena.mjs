/** Runs one contestant in a process of its own, on a database of its own, and reads its result line. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const TIMEOUT_MS = 300_000;
const CONNECTIONS = 16;

function start(command, args, env, signal) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env,
      signal,
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let complaints = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (complaints = (complaints + data).slice(-4000)));
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve(output);
      else reject(new Error(`ended with ${code ?? killedBy}\n${complaints || output.slice(-4000)}`));
    });
  });
}

function resultLine(output) {
  const line = output
    .trimEnd()
    .split('\n')
    .findLast((candidate) => candidate.startsWith('{'));
  if (!line) throw new Error(`printed no result:\n${output.slice(-4000)}`);
  const result = JSON.parse(line);
  if (!(result.rate > 0)) throw new Error(`printed no rate: ${line}`);
  return result;
}

/**
 * Why this contestant cannot take part here, or null. Ours that is missing is an error instead, as it is
 * never for the machine's sake.
 */
export function absence({ newNode, redis }, arena) {
  if (newNode && !arena.newNode) return 'needs Node 22.18 or newer';
  if (redis && !arena.redis) return 'no Redis found';
  return null;
}

/**
 * One round of `contestant` in `row`. `arena`: `{ directory, profile ('quick' or 'full'), admin (a pg client),
 * postgres: { url, pid }, redis: { url, pid } or null, newNode (a program, or null), signal (ends it) }`.
 */
export async function compete(row, contestant, arena) {
  const program = join(arena.directory, contestant.program);
  if (!existsSync(program)) throw new Error(`bench/${contestant.program} does not exist`);
  const database = `bench_${row.id}_${contestant.name}`.toLowerCase().replaceAll(/\W/g, '_');
  const server = contestant.redis ? arena.redis : arena.postgres;
  const env = {
    ...process.env,
    ...Object.fromEntries(Object.entries(row.env).map(([name, value]) => [name, String(value)])),
    ROW: row.row ?? row.id,
    N: String(row.jobs[arena.profile][contestant.name]),
    WARM_UP: String(row.warmUp),
    ...(row.maxMs ? { MAX_MS: String(row.maxMs[arena.profile]) } : {}),
    CONNECTIONS: String(CONNECTIONS),
    SERVER_PID: String(server.pid ?? 0),
  };
  if (contestant.redis) env.REDIS_URL = arena.redis.url;
  else {
    await arena.admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await arena.admin.query(`CREATE DATABASE ${database}`);
    env.PG_URL = Object.assign(new URL(arena.postgres.url), { pathname: `/${database}` }).href;
  }
  try {
    // One Node for all, or its version would be measured, too.
    const node = arena.newNode ?? process.execPath;
    return resultLine(await start(node, [program], env, arena.signal));
  } finally {
    if (!contestant.redis) await arena.admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  }
}
