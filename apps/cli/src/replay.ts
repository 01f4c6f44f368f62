import { Watermark } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import { LogClock, parseAsOf, readJobHistory, readJobHistoryAsOf, replayJob, tellJob } from '@genledger/jobs';
import type { AsOf, NoPast } from '@genledger/jobs';
import { environmentWithFile, isUuid, loadConfig } from '@genledger/platform';
import type { Actor, Database } from '@genledger/platform';
import { describeStory, ToldJob } from './story-report';
import { connectMigrated, openTargetDatabase } from './target-database';
import { CommandFailed, Terminal } from './terminal';

export interface ReplayOptions {
  readonly asOf?: string;
  readonly json?: true;
}

/** Whoever has the database's own login may read all of it. */
const AUDITOR: Actor = { userId: '00000000-0000-0000-0000-000000000000', role: 'auditor' };

/** `genledger replay`: a job's story, up to a moment where one is named, folded from nothing but its events. */
export async function replay(terminal: Terminal, id: string, { asOf, json }: ReplayOptions): Promise<void> {
  if (!isUuid(id)) throw new CommandFailed(`job-id ${JSON.stringify(id)}: a UUID in lower case is wanted`, 2);
  const moment = asOf === undefined ? null : momentOf(asOf);
  const config = loadConfig(environmentWithFile(terminal.cwd, terminal.env));
  const target = await openTargetDatabase(config, (line) => terminal.err(`${line}\n`));
  try {
    const database = await connectMigrated(target);
    try {
      const events = await readEvents(database, id, moment);
      if (typeof events === 'string') throw noStory(id, events);
      const told = { as_of: moment, ...tellJob(events), ...lastListed(events) };
      terminal.out(json ? `${JSON.stringify(told)}\n` : describeStory(told, terminal.hasColours));
    } finally {
      await database.onApplicationShutdown();
    }
  } finally {
    await target.close();
  }
}

function momentOf(text: string): AsOf {
  const moment = parseAsOf(text);
  if (moment) return moment;
  throw new CommandFailed(
    `--as-of ${JSON.stringify(text)}: a position like 17 or a time like 2026-01-31T12:00:00Z is wanted`,
    2,
  );
}

async function readEvents(
  database: Database,
  id: string,
  moment: AsOf | null,
): ReturnType<typeof readJobHistoryAsOf> {
  if (moment === null) return (await readJobHistory(database, AUDITOR, id)) ?? 'absent';
  const clock = new LogClock(database, new Watermark(database.writer));
  return readJobHistoryAsOf(database, clock, AUDITOR, id, moment);
}

/** The job as it is, or as it was last seen where it has been deleted or archived. */
function lastListed(events: readonly StoredEvent[]): Pick<ToldJob, 'job' | 'outputs' | 'output_errors'> {
  const { row, outputs, outputErrors } = replayJob(events);
  if (!row && events.length > 1) return lastListed(events.slice(0, -1));
  return { job: row, outputs, output_errors: outputErrors };
}

function noStory(id: string, reason: NoPast): CommandFailed {
  switch (reason) {
    case 'absent':
      return new CommandFailed(`there is no job ${id}`);
    case 'not_created_yet':
      return new CommandFailed(`job ${id} had not been queued by then`);
    case 'in_the_future':
      return new CommandFailed('--as-of: the time is still to come', 2);
    case 'beyond_the_log':
      return new CommandFailed('--as-of: the log is not settled up to that position', 2);
  }
}
