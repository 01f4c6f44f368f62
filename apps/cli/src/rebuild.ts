import { rebuildReadModel } from '@genledger/jobs';
import type { ReadModel, RebuildFinding, RebuildOutcome } from '@genledger/jobs';
import { environmentWithFile, loadConfig } from '@genledger/platform';
import type { Database } from '@genledger/platform';
import { count, progressOn } from './progress';
import { connectMigrated, openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';

interface RebuildCommand {
  readonly check?: boolean;
  readonly json?: true;
}

/** `genledger rebuild`: makes a read model what the log says, while the server runs, and names what it has mended. */
export async function rebuild(terminal: Terminal, model: ReadModel, options: RebuildCommand): Promise<void> {
  const config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  const target = await openTargetDatabase(config, (line) => terminal.err(`${line}\n`));
  try {
    const database = await connectMigrated(target);
    try {
      await rebuildOn(database, terminal, model, options);
    } finally {
      await database.onApplicationShutdown();
    }
  } finally {
    await target.close();
  }
}

async function rebuildOn(
  database: Database,
  terminal: Terminal,
  model: ReadModel,
  { check = false, json }: RebuildCommand,
): Promise<void> {
  const progress = progressOn(terminal);
  const findings: RebuildFinding[] = [];
  let outcome: RebuildOutcome | null = null;
  try {
    outcome = await rebuildReadModel(database, model, {
      check,
      onFinding: (finding) => {
        findings.push(finding);
        if (json) return;
        progress.clear();
        terminal.out(`${finding.fate.padEnd(14)} ${finding.id}  ${finding.detail}\n`);
      },
      report: (step) => {
        // What is done by now is remembered.
        terminal.interrupted.throwIfAborted();
        progress.report(step);
      },
    });
  } finally {
    progress.clear();
    // What was mended is told of, even if the rest was not reached.
    if (json) terminal.out(`${JSON.stringify(result(model, check, outcome, findings))}\n`);
  }
  conclude(terminal, outcome, findings, json);
}

function result(
  model: ReadModel,
  check: boolean,
  outcome: RebuildOutcome | null,
  findings: readonly RebuildFinding[],
): object {
  return {
    model,
    check,
    finished: outcome !== null,
    equal: outcome !== null && findings.every(({ fate }) => fate === 'mended'),
    unit: outcome?.unit ?? null,
    done: outcome?.done ?? null,
    resumed_after: outcome?.resumedAfter ?? null,
    findings,
  };
}

function conclude(
  terminal: Terminal,
  { unit, done, resumedAfter }: RebuildOutcome,
  findings: readonly RebuildFinding[],
  json: true | undefined,
): void {
  const mended = findings.filter(({ fate }) => fate === 'mended').length;
  const left = findings.length - mended;
  const before = resumedAfter > 0 ? `, ${count(resumedAfter)} of them by a run before` : '';
  const read = `${count(done)} ${unit} read${before}`;
  if (left > 0)
    throw new CommandFailed(
      `${read}: ${count(left)} not as the events say` + (mended > 0 ? `, ${count(mended)} mended` : ''),
    );
  if (json) return;
  terminal.out(`${read}: ${mended === 0 ? 'all is as the events say' : `${count(mended)} mended`}\n`);
}
