import { rebuildJobs } from '@genledger/jobs';
import type { JobFinding, RebuildOutcome } from '@genledger/jobs';
import { environmentWithFile, loadConfig } from '@genledger/platform';
import type { Database } from '@genledger/platform';
import { count, progressOn } from './progress';
import { connectMigrated, openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';

export const READ_MODELS = ['generation_jobs', 'job_statistics', 'generation_job_summary'] as const;
export type ReadModel = (typeof READ_MODELS)[number];

interface RebuildCommand {
  readonly check?: boolean;
  readonly json?: true;
}

/** `genledger rebuild`: makes a read model what the log says, while the server runs, and names what it has mended. */
export async function rebuild(terminal: Terminal, model: ReadModel, options: RebuildCommand): Promise<void> {
  if (model !== 'generation_jobs')
    throw new CommandFailed(
      `${model} cannot be rebuilt yet; "genledger verify" holds it against the jobs`,
      2,
    );
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
  const findings: JobFinding[] = [];
  let outcome: RebuildOutcome | null = null;
  try {
    outcome = await rebuildJobs(database, {
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
  findings: readonly JobFinding[],
): object {
  return {
    model,
    check,
    finished: outcome !== null,
    equal: outcome !== null && findings.every(({ fate }) => fate === 'mended'),
    streams: outcome?.streams ?? null,
    resumed_after: outcome?.resumedAfter ?? null,
    findings,
  };
}

function conclude(
  terminal: Terminal,
  { streams, resumedAfter }: RebuildOutcome,
  findings: readonly JobFinding[],
  json: true | undefined,
): void {
  const mended = findings.filter(({ fate }) => fate === 'mended').length;
  const left = findings.length - mended;
  const looked = resumedAfter > 0 ? `, ${count(resumedAfter)} of them by a run before` : '';
  if (left > 0)
    throw new CommandFailed(
      `${count(left)} of ${count(streams)} jobs are not what their events say${looked}` +
        (mended > 0 ? `; ${count(mended)} were mended` : ''),
    );
  if (json) return;
  const done = mended === 0 ? 'all are what their events say' : `${count(mended)} mended`;
  terminal.out(`${count(streams)} streams${looked}: ${done}\n`);
}
