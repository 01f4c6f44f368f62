/**
 * The shape of a domain: two pure functions over discriminated unions. No clock, no ids, no I/O in them: the time is an
 * argument, everything else comes in with the command.
 */
export interface Decider<State, Command, Event extends DomainEvent, Refusal extends string> {
  readonly initial: State;
  decide(state: State, command: Command, now: number): Decision<Event, Refusal>;
  evolve(state: State, event: Recorded<Event>): State;
}

/** `type` is the storage format: renaming one is a migration, not a refactoring. */
export interface DomainEvent {
  readonly type: string;
  readonly data: object;
  /** Erasable text, kept beside the log; the event's data carries its commitment. */
  readonly content?: object | null;
}

/** An event with its place in its stream. `recordedAt` is ms since 1970 and never falls within a stream. */
export type Recorded<Event> = Event & { readonly version: number; readonly recordedAt: number };

/**
 * What a command leads to. No events and no refusal: the state was already so. A refusal may still record something
 * (a stale worker's result is refused, and the refusal is part of the history).
 */
export interface Decision<Event, Refusal extends string> {
  readonly events: readonly Event[];
  readonly refusal?: Refusal;
}

export function accept<Event>(...events: Event[]): Decision<Event, never> {
  return { events };
}

export function unchanged(): Decision<never, never> {
  return { events: [] };
}

export function refuse<Refusal extends string, Event = never>(
  refusal: Refusal,
  ...events: Event[]
): Decision<Event, Refusal> {
  return { events, refusal };
}

/** The state that a history leads to. */
export function fold<State, Event extends DomainEvent>(
  decider: { readonly initial: State; evolve(state: State, event: Recorded<Event>): State },
  events: Iterable<Recorded<Event>>,
): State {
  let state = decider.initial;
  for (const event of events) state = decider.evolve(state, event);
  return state;
}
