#!/usr/bin/env node
// The `genledger` command. It runs in this very process, so that signals and the exit code are its own.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ensureBuilt } from './ensure-built.mjs';
import { root } from './ensure-installed.mjs';

try {
  // The demo measures from here on when there was something to install or build.
  if (await ensureBuilt()) performance.mark('genledger built');
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
createRequire(import.meta.url)(join(root, 'dist', 'apps', 'cli', 'src', 'main.js'));
