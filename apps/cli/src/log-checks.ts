import { readLogCondition, Watermark } from '@genledger/event-store';
import type { LogCondition } from '@genledger/event-store';
import { JOB_FOLD, readLostLeases } from '@genledger/jobs';
import type { Database } from '@genledger/platform';
import { Ailment, Checkup } from './checkup';
import { count } from './progress';

export const LOG_CHECKS = ['log', 'announcers', 'projections', 'leases', 'partitions'] as const;

/** The scheduler ends holders that are older than this every ten seconds. */
const STUCK_SECONDS = 30;
/** A projector folds within a second; sums are exact without it, and dearer to read. */
const BEHIND_SECONDS = 60;
/** This month and the next: a server makes a year's at its start, and its scheduler goes on. */
const MIN_MONTHS = 2;

/** Whether the log flows: what holds it up, who lags behind, who was lost, how far it can be written. */
export async function checkLog(checkup: Checkup, database: Database): Promise<void> {
  let condition: LogCondition | undefined;
  const look = async (): Promise<LogCondition> =>
    (condition ??= await readLogCondition(database.writer, new Watermark(database.writer), [JOB_FOLD.name]));
  await checkup.check('log', async () => {
    const { watermark, head } = await look();
    return `settled up to position ${count(watermark)} of ${count(head)}`;
  });
  await checkup.check('announcers', async () => checkAnnouncers(await look()));
  await checkup.check('projections', async () => checkProjections(await look()));
  await checkup.check('leases', async () => {
    const { count: lost, oldestSeconds } = await readLostLeases(database);
    if (lost === 0) return 'no job is lost';
    throw new Ailment(
      `running jobs that lost their worker: ${count(lost)}, up to ${count(oldestSeconds)} s ago`,
      'start a process with the role scheduler',
    );
  });
  await checkup.check('partitions', async () => checkPartitions(await look()));
}

export function checkAnnouncers({ announcers }: LogCondition): string {
  const stuck = announcers.filter(({ seconds }) => seconds > STUCK_SECONDS);
  if (stuck.length === 0) return 'none holds the log up';
  const who = stuck.map(({ pid, seconds }) => `session ${pid} for ${count(seconds)} s`);
  throw new Ailment(
    `the log is held up by ${who.join(', ')}`,
    `start a process with the role scheduler, or end it: select pg_terminate_backend(${stuck[0]!.pid})`,
  );
}

export function checkProjections({ projections, watermark }: LogCondition): string {
  const described = projections.map(
    ({ name, position, behindSeconds }) =>
      `${name} at position ${count(position)} of ${count(watermark)}, ${count(behindSeconds)} s behind`,
  );
  if (projections.every(({ behindSeconds }) => behindSeconds <= BEHIND_SECONDS)) return described.join('; ');
  throw new Ailment(
    described.join('; '),
    'start a process with the role projector, and look for "folding failed" in logs',
  );
}

export function checkPartitions({ monthsAhead, missingPartitions }: LogCondition): string {
  if (monthsAhead >= MIN_MONTHS) return `this month and ${monthsAhead - 1} ahead`;
  throw new Ailment(
    `there is none for ${missingPartitions[0]}: jobs of that month are refused`,
    'start a server: it makes those of a year',
  );
}
