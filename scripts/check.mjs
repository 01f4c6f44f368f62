// Every check that needs no database to be running first. Runs them all, then says which failed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './ensure-installed.mjs';

const modules = join(root, 'node_modules');
const checks = [
  ['format', [join(modules, 'prettier', 'bin', 'prettier.cjs'), '--check', '.']],
  ['lint', [join(modules, 'eslint', 'bin', 'eslint.js'), '.']],
  ['types', [join(modules, 'typescript', 'bin', 'tsc'), '--noEmit', '-p', '.']],
  [
    'boundaries',
    [
      join(modules, 'dependency-cruiser', 'bin', 'dependency-cruise.mjs'),
      'apps',
      'libs',
      'migrations',
      'test',
      'bench',
    ],
  ],
];
const printSchema = join(root, 'scripts', 'print-schema.mjs');
if (existsSync(printSchema)) checks.push(['schema', [printSchema, '--check']]);

const results = checks.map(([name, args]) => {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const output = `${stdout}${stderr}`.trim();
  // A lint warning passes, and is shown.
  if (status !== 0 || name === 'lint') console.log([`── ${name} ──`, output].filter(Boolean).join('\n'));
  return { name, passed: status === 0, seconds: (Date.now() - started) / 1000 };
});

for (const { name, passed, seconds } of results) {
  console.log(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(10)} ${seconds.toFixed(1)} s`);
}
if (results.some(({ passed }) => !passed)) process.exitCode = 1;
