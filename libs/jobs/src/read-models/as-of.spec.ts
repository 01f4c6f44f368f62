import * as fc from 'fast-check';
import type { StoredEvent } from '@genledger/event-store';
import { printedSeed } from '../../../../test/support/random';
import { ABSENT, evolve, JobState } from '../job';
import { T0 } from '../testing/job-fixtures';
import { START, Step, step, steps, storedOf } from '../testing/job-walks';
import { AsOf, eventsAsOf, parseAsOf } from './as-of';
import { replayJob } from './replay';

describe('a moment', () => {
  it.each<[string, AsOf]>([
    ['0', { position: 0 }],
    ['17', { position: 17 }],
    ['999999999999999', { position: 999_999_999_999_999 }],
    ['2026-01-31T12:00:00Z', { time: '2026-01-31T12:00:00.000000Z' }],
    ['2026-01-31T12:00:00.1Z', { time: '2026-01-31T12:00:00.100000Z' }],
    ['2026-01-31T12:00:00.123456Z', { time: '2026-01-31T12:00:00.123456Z' }],
    ['2026-01-31T12:00:00.000999+02:00', { time: '2026-01-31T10:00:00.000999Z' }],
    // PostgreSQL takes no offset as large as this one.
    ['2026-01-31T12:00:00-23:59', { time: '2026-02-01T11:59:00.000000Z' }],
  ])('%s is read', (text, moment) => expect(parseAsOf(text)).toEqual(moment));

  it.each([
    '',
    ' 17',
    '-1',
    '+1',
    '1e3',
    '0x11',
    '17.0',
    '1000000000000000',
    '١٧',
    'now',
    'infinity',
    '2026-01-31',
    '2026-01-31 12:00:00Z',
    '2026-02-30T12:00:00Z',
    '2026-01-31T12:00:60Z',
    '2026-01-31T12:00:00',
    17,
    null,
    undefined,
    ['17'],
  ])('%j is none', (value) => expect(parseAsOf(value)).toBeUndefined());
});

interface Past {
  readonly events: readonly StoredEvent[];
  /** After each event, folded on the way. */
  readonly states: readonly JobState[];
}

/** A history as it is stored, at positions with gaps, and the states that it went through. */
function pastOf(all: readonly Step[], gaps: readonly number[]): Past {
  const { history } = all.reduce(step, { ...START, events: [] });
  const states: JobState[] = [];
  let position = 0;
  const events = history.map((event, at) => {
    states.push(evolve(states.at(-1) ?? ABSENT, event));
    position += gaps[at % gaps.length]!;
    return storedOf(event, position);
  });
  return { events, states };
}

const timeOf = (ms: number): AsOf => parseAsOf(new Date(ms).toISOString())!;

describe('a job as of a moment', () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 });
  const stateAt = (events: readonly StoredEvent[], asOf: AsOf): JobState =>
    replayJob(eventsAsOf(events, asOf)).state;

  it('is what the fold up to it leads to, at each version, by position and by time', () => {
    const seed = printedSeed('as-of.spec');
    let versions = 0;
    fc.assert(
      fc.property(steps, gaps, (all, between) => {
        const { events, states } = pastOf(all, between);
        expect(stateAt(events, { position: 0 })).toEqual(ABSENT);
        expect(stateAt(events, timeOf(T0 - 1))).toEqual(ABSENT);
        events.forEach((event, at) => {
          versions++;
          // The positions up to the next event's are other streams', or nobody's.
          const next = events[at + 1]?.position ?? event.position + 3;
          for (let position = event.position; position < next; position++)
            expect(stateAt(events, { position })).toEqual(states[at]);
          const ms = event.recorded_at.getTime();
          const last = events.findLastIndex(({ recorded_at }) => recorded_at.getTime() === ms);
          expect(stateAt(events, timeOf(ms))).toEqual(states[last]);
        });
      }),
      { numRuns: 1_000, seed },
    );
    expect(versions).toBeGreaterThan(1_000);
  });

  it('ends at the first event that is too late, whatever comes behind it', () => {
    const events = [
      { position: 1, recorded_at: new Date(T0) },
      { position: 9, recorded_at: new Date(T0 + 9) },
      { position: 2, recorded_at: new Date(T0 + 2) },
    ];
    expect(eventsAsOf(events, { position: 5 })).toEqual(events.slice(0, 1));
    expect(eventsAsOf(events, timeOf(T0 + 5))).toEqual(events.slice(0, 1));
  });

  it('is of the millisecond that its events were recorded in', () => {
    const events = [{ position: 1, recorded_at: new Date('2026-01-31T12:00:00.123Z') }];
    expect(eventsAsOf(events, parseAsOf('2026-01-31T12:00:00.122999Z')!)).toEqual([]);
    expect(eventsAsOf(events, parseAsOf('2026-01-31T12:00:00.123000Z')!)).toEqual(events);
  });
});
