/**
 * The benchmark: `npm run bench`, or `npm run bench -- --full`.
 *
 *   --full           more jobs, at least five rounds, and the rows left out of the quick profile
 *   --only P1,P3     some rows only
 *   --rounds N       so many rounds
 *   --json FILE      the entries, as JSON: [{ id, ratio, goal, ours, peers, yardstick, rounds, spread, … }]
 *   --database URL   a superuser's URL of a durable PostgreSQL to use instead of an embedded one
 *
 * Each contestant runs in a process of its own, on a fresh database of the same PostgreSQL server, in turns.
 * What a contestant is given and answers: support/contest.mjs. What is measured: support/rows.mjs. All
 * results also go to bench/results/<date>.json. Exit code 0; 1 when a contestant failed; 2 for wrong use.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { absence, compete } from './support/arena.mjs';
import { installPeers, newNode, nodeVersion, versions } from './support/install.mjs';
import { heading, rowTable } from './support/report.mjs';
import { entries, median } from './support/results.mjs';
import { contestants, rows } from './support/rows.mjs';
import { postmaster, startPostgres, startRedis } from './support/servers.mjs';

const directory = dirname(fileURLToPath(import.meta.url));
const root = dirname(directory);
const progress = (text) => process.stderr.write(`${text}\n`);

function options() {
  try {
    const { values } = parseArgs({
      options: {
        full: { type: 'boolean', default: false },
        only: { type: 'string' },
        rounds: { type: 'string' },
        json: { type: 'string' },
        database: { type: 'string' },
      },
    });
    const only = values.only?.split(',').map((id) => id.trim().toUpperCase());
    const unknown = only?.filter((id) => !rows.some((row) => row.id.toUpperCase() === id)) ?? [];
    if (unknown.length)
      throw new Error(`no such row: ${unknown.join(', ')} (${rows.map((row) => row.id).join(', ')})`);
    const rounds = Number(values.rounds ?? (values.full ? 5 : 3));
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds ${values.rounds}: a number from 1 on`);
    const chosen = rows.filter((row) =>
      only ? only.includes(row.id.toUpperCase()) : values.full || !row.fullOnly,
    );
    return { ...values, rounds, rows: chosen };
  } catch (error) {
    progress(error.message);
    process.exit(2);
  }
}

/** Not durable: not comparable. Returns what the heading and the arena need to know of the server. */
async function inspect(admin) {
  const show = async (name) => (await admin.query(`SHOW ${name}`)).rows[0][name];
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const value = await show(name);
    if (value !== 'on') throw new Error(`PostgreSQL has ${name}=${value}: the benchmark wants it on`);
  }
  await admin.query('DROP TABLE IF EXISTS bench_commit');
  await admin.query('CREATE TABLE bench_commit (n int)');
  const times = [];
  for (let n = 0; n < 100; n++) {
    const start = performance.now();
    await admin.query('INSERT INTO bench_commit VALUES ($1)', [n]);
    times.push(performance.now() - start);
  }
  await admin.query('DROP TABLE bench_commit');
  return {
    version: (await show('server_version')).split(' ')[0],
    pid: postmaster(await show('data_directory')),
    commitMs: median(times),
  };
}

/** All rounds of a row: `{ rounds, notes, failed }`. The order turns by one each round. */
async function runRow(row, count, arena) {
  const everyone = contestants(row);
  const notes = {};
  const rounds = [];
  for (const contestant of everyone) {
    const reason = absence(contestant, arena);
    if (reason) notes[contestant.name] = reason;
  }
  let failed = false;
  for (let round = 0; round < count; round++) {
    const results = {};
    const turn = round % everyone.length;
    for (const contestant of [...everyone.slice(turn), ...everyone.slice(0, turn)]) {
      const { name } = contestant;
      if (notes[name]) continue;
      const where = `${row.id} round ${round + 1}/${count} ${name}`;
      try {
        results[name] = await compete(row, contestant, arena);
        progress(`${where}: ${Math.round(results[name].rate).toLocaleString('en-US')} ${row.unit}`);
      } catch (error) {
        arena.signal.throwIfAborted();
        failed = true;
        notes[name] = `failed: ${error.message.split('\n')[0]}`;
        progress(`${where}: ${error.message}`);
      }
    }
    rounds.push(results);
  }
  return { rounds, notes, failed };
}

const chosen = options();
const profile = chosen.full ? 'full' : 'quick';
installPeers(directory);
const { default: pg } = await import('pg');

// Beside the product's own data and not in the system's temporary directory, which may be memory.
mkdirSync(join(root, '.genledger'), { recursive: true });
const home = mkdtempSync(join(root, '.genledger', 'bench-'));
const stops = [() => rmSync(home, { recursive: true, force: true })];
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => interruption.abort(new Error('interrupted')));
}

try {
  const postgres = await startPostgres(root, home, chosen.database);
  stops.push(() => postgres.stop());
  const redis = await startRedis(home);
  if (redis) stops.push(() => redis.stop());
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  stops.push(() => admin.end());
  const { version, pid, commitMs } = await inspect(admin);
  interruption.signal.throwIfAborted();
  const arena = {
    directory,
    profile,
    admin,
    postgres: { url: postgres.url, pid },
    redis,
    newNode: newNode(directory),
    signal: interruption.signal,
  };
  const about = {
    date: new Date().toISOString(),
    profile,
    machine: {
      cpus: os.cpus().length,
      model: os.cpus()[0]?.model.trim() ?? 'unknown',
      memory_gib: Math.round(os.totalmem() / 2 ** 30),
    },
    versions: {
      Node: nodeVersion(arena.newNode ?? process.execPath),
      PostgreSQL: version,
      ...(redis ? { Redis: redis.version } : {}),
      ...versions(directory, ['graphile-worker', 'pg-boss', 'bullmq', '@event-driven-io/emmett-postgresql']),
    },
    commit_ms: commitMs,
  };
  console.log(`${heading(about)}\n`);
  const all = [];
  for (const row of chosen.rows) {
    const { rounds, notes, failed } = await runRow(row, chosen.rounds, arena);
    const rowEntries = entries(row, rounds, notes);
    all.push(...rowEntries);
    if (failed) process.exitCode = 1;
    console.log(`${rowTable(row, rounds, notes, rowEntries)}\n`);
  }
  const file = join(directory, 'results', `${about.date.replaceAll(':', '-').slice(0, 19)}Z.json`);
  writeFileSync(file, `${JSON.stringify({ ...about, entries: all }, null, 2)}\n`);
  if (chosen.json) writeFileSync(chosen.json, `${JSON.stringify(all, null, 2)}\n`);
  progress(`written: ${file}`);
} catch (error) {
  process.exitCode = 1;
  progress(interruption.signal.aborted ? 'interrupted' : error.stack);
} finally {
  while (stops.length) await stops.pop()();
}
