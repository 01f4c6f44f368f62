import {
  describeDifference,
  outputDifferences,
  readJobRow,
  replayJob,
  rowDifferences,
} from '@genledger/jobs';
import type { HistoryEvent } from '@genledger/jobs';
import type { Actor, Database } from '@genledger/platform';
import type { Terminal } from './terminal';

/** Folds a history as it came over HTTP and compares every field with the stored row. Says what differs. */
export async function replayEqualsReadModel(
  database: Database,
  actor: Actor,
  id: string,
  history: readonly HistoryEvent[],
  terminal: Pick<Terminal, 'err'>,
): Promise<boolean> {
  const replayed = replayJob(
    history.map(({ type, version, position, recorded_at, data, content, meta }) => ({
      position,
      stream_id: id,
      version,
      user_id: actor.userId,
      type,
      schema_version: 1,
      data,
      meta,
      recorded_at: new Date(recorded_at),
      content,
    })),
  );
  const { row, outputs } = await readJobRow(database, actor, id);
  const differences = [...rowDifferences(row, replayed), ...outputDifferences(outputs, replayed)];
  for (const difference of differences) terminal.err(`${describeDifference(difference)}\n`);
  return row !== null && differences.length === 0;
}
