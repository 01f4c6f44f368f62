// Installs and builds when something changed since the last time. Everything is said on stderr.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, lockFile, root } from './ensure-installed.mjs';
import { exclusively } from './exclusively.mjs';

const stampFile = join(root, 'dist', '.build-stamp');

/** True when it had to build. */
export async function ensureBuilt() {
  await ensureInstalled();
  if (isBuilt(sourceHash())) return false;
  return exclusively(lockFile, () => {
    // Of the sources before the build: what changes meanwhile is built the next time.
    const hash = sourceHash();
    if (isBuilt(hash)) return false;
    build();
    writeFileSync(stampFile, hash);
    return true;
  });
}

function isBuilt(hash) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash;
}

function build() {
  console.error('Building (nest build server)');
  const nest = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const { status, error } = spawnSync(process.execPath, [nest, 'build', 'server'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error(`The build failed (${error?.message ?? `code ${status}`}): see above.`);
}

/** Of everything that a build reads, names included. */
function sourceHash() {
  const hash = createHash('sha256');
  const single = readdirSync(root).filter((name) => /^(tsconfig.*|nest-cli|package-lock)\.json$/.test(name));
  const files = [
    ...single,
    ...filesIn('apps', () => true),
    ...filesIn('libs', () => true),
    ...filesIn('migrations', (name) => name.endsWith('.ts')),
    ...filesIn('bench', (name) => name.endsWith('.ts')),
  ];
  for (const file of files.filter((name) => !name.endsWith('.spec.ts')).sort()) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return `${hash.digest('hex')}\n`;
}

function filesIn(folder, wanted) {
  const found = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== 'node_modules') found.push(...filesIn(path, wanted));
    else if (entry.isFile() && wanted(entry.name)) found.push(path);
  }
  return found;
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  try {
    await ensureBuilt();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
