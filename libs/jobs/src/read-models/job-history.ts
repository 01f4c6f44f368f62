import { STORED_EVENT_COLUMNS, WITH_CONTENT } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import type { Actor, Database } from '@genledger/platform';
import { AsOf, eventsAsOf } from './as-of';
import type { LogClock, NotPast } from './log-clock';

/** A job's events, oldest first, with the texts that have not been erased; null where the actor sees none. */
export async function readJobHistory(
  database: Database,
  actor: Actor,
  id: string,
): Promise<StoredEvent[] | null> {
  const events = await database.read(actor, (query) =>
    query<StoredEvent>(
      `select ${STORED_EVENT_COLUMNS} from genledger.events e
         ${WITH_CONTENT}
        where e.stream_id = $1 order by e.version`,
      [id],
    ),
  );
  return events.length > 0 ? events : null;
}

/** Why there is no past to show. Another's job is `absent`, whatever its times. */
export type NoPast = NotPast | 'absent' | 'not_created_yet';

/** The same as of a moment: never empty. */
export async function readJobHistoryAsOf(
  database: Database,
  clock: LogClock,
  actor: Actor,
  id: string,
  asOf: AsOf,
): Promise<readonly StoredEvent[] | NoPast> {
  const point = await clock.pointAt(asOf);
  if (point === 'in_the_future') return point;
  const events = await readJobHistory(database, actor, id);
  if (point === 'beyond_the_log' && !reaches(events, asOf)) return point;
  if (!events) return 'absent';
  const past = eventsAsOf(events, asOf);
  return past.length > 0 ? past : 'not_created_yet';
}

/** A job's positions rise, so behind one of its events it is settled, whatever else the log still waits for. */
function reaches(events: readonly StoredEvent[] | null, asOf: AsOf): boolean {
  return 'position' in asOf && (events?.at(-1)?.position ?? 0) >= asOf.position;
}
