import { environmentWithFile, loadConfig } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { Checkup } from './checkup';
import type { CheckResult } from './checkup';
import { checkDatabase, DATABASE_CHECKS } from './database-checks';
import { checkMachine, checkNode, MACHINE_CHECKS } from './machine-checks';
import { CommandFailed, Terminal } from './terminal';

/** `genledger doctor`: what a server of this environment needs, check by check. Starts, changes and writes nothing. */
export async function doctor(terminal: Terminal, { json }: { json?: true }): Promise<void> {
  const checkup = new Checkup(terminal.interrupted);
  await checkNode(checkup);
  let config: Config | undefined;
  await checkup.check('configuration', () => {
    config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
    return 'every variable is understood';
  });
  if (config) {
    await checkMachine(checkup, config);
    await checkDatabase(checkup, config);
  } else {
    checkup.skip('the configuration comes first', ...MACHINE_CHECKS, ...DATABASE_CHECKS);
  }

  const { holds, results } = checkup;
  terminal.out(json ? `${JSON.stringify({ holds, checks: results })}\n` : results.map(describe).join(''));
  if (holds) return;
  const failed = results.filter(({ status }) => status === 'failed').length;
  throw new CommandFailed(`${failed} of ${results.length} checks do not hold`);
}

const MARKS = { ok: 'ok  ', failed: 'FAIL', skipped: '-   ' } as const;

function describe({ check, status, detail, remedy }: CheckResult): string {
  return `${MARKS[status]} ${check.padEnd(13)}  ${detail}${remedy === undefined ? '' : `: ${remedy}`}\n`;
}
