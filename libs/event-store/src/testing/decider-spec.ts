import { Decider, Decision, DomainEvent, fold, Recorded } from '../decider';

/** An event of a history as a spec writes it. Its place follows from its order; a spec about time or place sets it. */
export type Given<Event, Stored> = Event &
  Partial<Stored> & { readonly version?: number; readonly recordedAt?: number };

export interface History<State, Command, Event, Refusal> {
  /** `now` (ms since 1970) is a second after the last event where it is not given. */
  when(command: Command, at?: { readonly now: number }): Outcome<State, Event, Refusal>;
  /** What the history leads to. */
  state(): State;
}

export interface Outcome<State, Event, Refusal> {
  /** Accepted with exactly these events. */
  then(events: readonly Event[]): void;
  /** The state was already so: neither an event nor a refusal. */
  thenNothing(): void;
  /** Refused; `recorded` is what the refusal adds to the history. */
  thenRefused(refusal: Refusal, recorded?: readonly Event[]): void;
  /** What the decision leads to. */
  state(): State;
}

/** When histories begin, and how far their events are apart. */
export const FIRST_EVENT_AT = Date.UTC(2026, 0, 1);
export const APART_MS = 1_000;

/**
 * Specifications of a decider in its own words:
 * `given([queued]).when({ type: 'cancel', actor }).then([canceled])`.
 *
 * `stored` is what storage gives every event beside its place (a job's events: the owner's `userId`).
 */
export function specFor<
  State,
  Command,
  Event extends DomainEvent,
  Refusal extends string,
  Stored extends object = object,
>(
  decider: Decider<State, Command, Event, Refusal>,
  stored?: Stored,
): (history: readonly Given<Event, Stored>[]) => History<State, Command, Event, Refusal> {
  return (history) => {
    const recorded = record(history, stored, 0, FIRST_EVENT_AT);
    const last = recorded.at(-1);
    return {
      when(command, at) {
        const now = at?.now ?? (last ? last.recordedAt + APART_MS : FIRST_EVENT_AT);
        const decision = decider.decide(fold(decider, recorded), command, now);
        const added = record<Event>(
          decision.events.map((event) => ({ ...event, recordedAt: Math.max(now, last?.recordedAt ?? 0) })),
          stored,
          last?.version ?? 0,
          now,
        );
        return outcomeOf(decision, () => fold(decider, [...recorded, ...added]));
      },
      state: () => fold(decider, recorded),
    };
  };
}

function outcomeOf<State, Event, Refusal extends string>(
  { events, refusal }: Decision<Event, Refusal>,
  state: () => State,
): Outcome<State, Event, Refusal> {
  return {
    then: (expected) => expect({ refusal, events }).toEqual({ refusal: undefined, events: expected }),
    thenNothing: () => expect({ refusal, events }).toEqual({ refusal: undefined, events: [] }),
    thenRefused: (code, recorded = []) =>
      expect({ refusal, events }).toEqual({ refusal: code, events: recorded }),
    state,
  };
}

/** Versions go on from `version`, times from `first`. */
function record<Event>(
  events: readonly Given<Event, object>[],
  stored: object | undefined,
  version: number,
  first: number,
): Recorded<Event>[] {
  let place = version;
  let time = first - APART_MS;
  return events.map((event) => {
    place = event.version ?? place + 1;
    time = event.recordedAt ?? time + APART_MS;
    return { ...stored, ...event, version: place, recordedAt: time };
  });
}
