import * as fc from 'fast-check';
import type { StoredEvent } from '@genledger/event-store';
import { ABSENT, evolve, JobState } from '../job';
import type { JobEvent, RecordedJobEvent } from '../job-events';
import type { JobCommand } from '../job-commands';
import { decide } from '../job.decider';
import { commandsFor } from './job-arbitraries';
import { OWNER_ID, T0 } from './job-fixtures';

/** A command and how long after the one before it comes. */
export type Step = { readonly command: JobCommand; readonly afterMs: number };

/** A job that commands have led somewhere, without a database. */
export interface Walk {
  readonly state: JobState;
  readonly history: readonly RecordedJobEvent[];
  readonly now: number;
}

export const START: Walk = { state: ABSENT, history: [], now: T0 };

export const steps = fc.array(
  fc.record<Step>({ command: commandsFor(), afterMs: fc.constantFrom(0, 1, 5_000, 40_000) }),
  { minLength: 1, maxLength: 25 },
);

export function step(
  walk: Walk,
  { command, afterMs }: Step,
): Walk & { readonly events: readonly JobEvent[] } {
  const now = walk.now + afterMs;
  const { events } = decide(walk.state, command, now);
  let { state } = walk;
  const history = [...walk.history];
  for (const event of events) {
    const recorded = {
      ...event,
      version: history.length + 1,
      recordedAt: now,
      userId: OWNER_ID,
    } as RecordedJobEvent;
    history.push(recorded);
    state = evolve(state, recorded);
  }
  return { state, history, now, events };
}

export function walkAll(all: readonly Step[]): Walk {
  return all.reduce<Walk>((walk, next) => step(walk, next), START);
}

/** An event of a walk as it is stored. */
export function storedOf(event: RecordedJobEvent, position = event.version): StoredEvent {
  const { type, version, data, content = null, recordedAt } = event;
  return {
    position,
    stream_id: '00000000-0000-7000-8000-000000000000',
    version,
    user_id: OWNER_ID,
    type,
    schema_version: 1,
    data: data as unknown as StoredEvent['data'],
    meta: { actor: 'test' },
    recorded_at: new Date(recordedAt),
    content: content as StoredEvent['content'],
  };
}
