import type { EventMeta } from '@genledger/event-store';
import type { JobActor } from '../job-commands';

/** What events keep of who acted: `role:id`, never a name or an address. */
export function actorMeta(actor: JobActor, correlationId?: string): EventMeta {
  return {
    actor: actor.userId === null ? actor.role : `${actor.role}:${actor.userId}`,
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
  };
}

/** The server itself: rescue and other chores. */
export const SYSTEM: JobActor = { userId: null, role: 'system' };
