// Installs the dependencies when package-lock.json is not the one that they were installed from.
// Needs nothing but node and npm. Everything is said on stderr, so that the output of what follows stays clean.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Shared with the build. Not in node_modules or dist: those are removed while it is held. */
export const lockFile = join(root, '.genledger', 'build.lock');
const stampFile = join(root, 'node_modules', '.install-stamp');

/** True when it had to install. */
export async function ensureInstalled() {
  refuseOldNode();
  const wanted = installStamp();
  if (readOr(stampFile) === wanted) return false;
  // Imported late: an old node should get the sentence above, not a syntax error.
  const { exclusively } = await import('./exclusively.mjs');
  return exclusively(lockFile, () => {
    if (readOr(stampFile) === wanted) return false;
    install();
    writeFileSync(stampFile, wanted);
    return true;
  });
}

/** Below these, CommonJS cannot require() the ES modules that Nest consists of. */
function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  if (fits) return;
  throw new Error(`Node ${process.versions.node} does not fit Genledger: install 20.19, 22.12 or newer.`);
}

function install() {
  console.error('Installing dependencies (npm ci)');
  // npm names itself to its scripts; without it, PATH knows.
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm ? [process.execPath, npm] : ['npm'];
  const args = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: !npm && process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm ci failed (${error?.message ?? `code ${status}`}): see above.`);
}

function installStamp() {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  return `${hash.digest('hex')} ${process.platform}-${process.arch}\n`;
}

function readOr(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  try {
    await ensureInstalled();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
