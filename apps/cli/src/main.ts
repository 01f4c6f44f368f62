import 'reflect-metadata';
import { run } from './cli';
import { processTerminal } from './terminal';

void run(process.argv.slice(2), processTerminal()).then((code) => {
  // Not process.exit: what was written to a pipe would be cut off.
  process.exitCode = code;
});
