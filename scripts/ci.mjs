// What CI runs, in its order, up to the first failure.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './ensure-installed.mjs';

const steps = ['check', 'test'];
if (existsSync(join(root, 'jest.services.config.js'))) steps.push('test:services');
steps.push('demo');

const npm = process.env.npm_execpath;
for (const step of steps) {
  console.log(`\n══ npm run ${step} ══`);
  const [program, ...first] = npm ? [process.execPath, npm] : ['npm'];
  const { status } = spawnSync(program, [...first, 'run', step], {
    cwd: root,
    stdio: 'inherit',
    shell: !npm && process.platform === 'win32',
  });
  if (status !== 0) {
    console.log(`\nnpm run ${step} failed; what comes after it was not run.`);
    process.exit(1);
  }
}
console.log(`\nAll passed: ${steps.join(', ')}.`);
