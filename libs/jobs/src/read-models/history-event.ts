import type { StoredEvent } from '@genledger/event-store';

/** An event of a history on the wire. `content` is what was written by people; null once it is erased. */
export interface HistoryEvent {
  readonly job_id: string;
  readonly type: string;
  readonly version: number;
  readonly position: number;
  readonly recorded_at: string;
  readonly actor: string;
  readonly data: Record<string, unknown>;
  readonly content: Record<string, unknown> | null;
  readonly meta: StoredEvent['meta'];
}

export function historyEvent(event: StoredEvent): HistoryEvent {
  return {
    job_id: event.stream_id,
    type: event.type,
    version: event.version,
    position: event.position,
    recorded_at: event.recorded_at.toISOString(),
    actor: event.meta.actor,
    data: event.data,
    content: event.content,
    meta: event.meta,
  };
}
