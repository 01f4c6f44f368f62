// Writes migrations/schema.sql from a freshly migrated embedded database; with --check, compares and changes nothing.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureBuilt } from './ensure-built.mjs';
import { root } from './ensure-installed.mjs';
import { schemaText } from './schema-text.mjs';

const file = join(root, 'migrations', 'schema.sql');
const SHOWN_LINES = 20;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

async function main(args) {
  if (args.some((arg) => arg !== '--check')) {
    console.error('usage: node scripts/print-schema.mjs [--check]');
    return 2;
  }
  await ensureBuilt();
  const printed = await print();
  if (args.length === 0) {
    await writeFile(file, printed);
    console.log(`wrote ${file}`);
    return 0;
  }
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept === printed) return 0;
  console.error(
    'migrations/schema.sql is not what the migrations make. First differing lines (- kept, + made):',
  );
  for (const line of firstDifference(kept.split('\n'), printed.split('\n'))) console.error(line);
  console.error('After a wanted change of the migrations: node scripts/print-schema.mjs');
  return 1;
}

async function print() {
  const require = createRequire(import.meta.url);
  const { migrateDatabase, startEmbeddedPostgres } = require(
    join(root, 'dist', 'libs', 'platform', 'src', 'index.js'),
  );
  const { Client } = require('pg');
  const home = await mkdtemp(join(tmpdir(), 'genledger-schema-'));
  let folder;
  try {
    // Run by root, the server is another user's, who has to pass.
    await chmod(home, 0o711);
    const server = await startEmbeddedPostgres({ home, settings: { fsync: 'off' } });
    folder = dirname(server.dataDirectory);
    try {
      await migrateDatabase(server.url);
      const client = new Client({ connectionString: server.url });
      await client.connect();
      try {
        return await schemaText(client);
      } finally {
        await client.end();
      }
    } finally {
      await server.stop();
    }
  } finally {
    // The cluster is elsewhere than in the home when the temporary folder is closed to its account.
    for (const path of [home, folder]) if (path) await rm(path, { recursive: true, force: true });
  }
}

/** From the first line that differs on, up to where three lines are alike again. */
function firstDifference(kept, made) {
  let at = 0;
  while (at < kept.length && kept[at] === made[at]) at++;
  const alike = (a, b) => [0, 1, 2].every((next) => kept[at + a + next] === made[at + b + next]);
  let [gone, come] = [SHOWN_LINES, SHOWN_LINES];
  for (let sum = 0; sum < SHOWN_LINES && gone === SHOWN_LINES; sum++)
    for (let a = 0; a <= sum; a++) if (alike(a, sum - a)) [gone, come] = [a, sum - a];
  return [
    `line ${at + 1}:`,
    ...kept.slice(at, at + gone).map((line) => `- ${line}`),
    ...made.slice(at, at + come).map((line) => `+ ${line}`),
  ];
}
