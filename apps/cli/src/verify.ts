import { verifyLedger } from '@genledger/jobs';
import { environmentWithFile, loadConfig } from '@genledger/platform';
import type { ReportProgress, VerificationResult } from '@genledger/platform';
import { openStorage, verifyStoredObjects } from '@genledger/uploads';
import { count, progressOn } from './progress';
import { connectMigrated, openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';

/** `genledger verify`: every invariant, whether it holds, and whom it does not hold for. */
export async function verify(terminal: Terminal, { json }: { json?: true }): Promise<void> {
  const config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  const storage = openStorage(config);
  const target = await openTargetDatabase(config, (line) => terminal.err(`${line}\n`));
  const progress = progressOn(terminal);
  const report: ReportProgress = (step) => {
    terminal.interrupted.throwIfAborted();
    progress.report(step);
  };
  const results: VerificationResult[] = [];
  try {
    const database = await connectMigrated(target);
    try {
      results.push(...(await verifyLedger(database, report)));
      results.push(...(await verifyStoredObjects(database, storage, report)));
    } finally {
      progress.clear();
      await database.onApplicationShutdown();
    }
  } finally {
    await target.close();
  }

  const failed = results.filter(({ holds }) => !holds);
  if (json) terminal.out(`${JSON.stringify({ holds: failed.length === 0, results })}\n`);
  else terminal.out(results.map(describe).join(''));
  if (failed.length > 0)
    throw new CommandFailed(`${failed.length} of ${results.length} invariants do not hold`);
  if (!json) terminal.out(`All ${results.length} invariants hold.\n`);
}

function describe({ invariant, statement, holds, checked, offenders, examples }: VerificationResult): string {
  const head = `${holds ? 'ok  ' : 'FAIL'} ${invariant.padEnd(26)} ${count(checked).padStart(12)} checked\n`;
  if (holds) return head;
  const shown = examples.map(({ id, detail }) => `       ${id}  ${detail}\n`).join('');
  const rest = offenders - examples.length;
  return `${head}     ${statement}. Not so for ${count(offenders)}:\n${shown}${rest > 0 ? `       and ${count(rest)} more\n` : ''}`;
}
