import * as fc from 'fast-check';
import { ABSENT, evolve, isLive, isTerminal, JobState } from './job';
import type { JobEvent } from './job-events';
import type { JobCommand } from './job-commands';
import { commandsFor } from './testing/job-arbitraries';
import { START, step, steps, Walk, walkAll } from './testing/job-walks';

const RUNS = { numRuns: 1_000 };

const isEnd = (event: JobEvent): boolean => ['JobSucceeded', 'JobFailed', 'JobCanceled'].includes(event.type);

describe('whatever is commanded', () => {
  it('a job that has ended keeps its status, and has one terminal event', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let walk: Walk = START;
        for (const next of all) {
          const before = walk.state;
          walk = step(walk, next);
          if (isLive(before) && isTerminal(before.status) && isLive(walk.state))
            expect(walk.state.status).toBe(before.status);
        }
        const ends = walk.history.filter(isEnd).length;
        expect(ends).toBeLessThanOrEqual(1);
        if (isLive(walk.state)) expect(ends).toBe(isTerminal(walk.state.status) ? 1 : 0);
      }),
      RUNS,
    );
  });

  it('each event leaves the status, project and cost that the one before it led to', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let status: string | null = null;
        let cost = 0;
        let project: string | null = null;
        for (const { type, data } of walkAll(all).history) {
          expect({ type, from: data.from }).toEqual({ type, from: status });
          expect(data.cost_cents).toBe(cost + data.cost_delta_cents);
          if (type !== 'JobQueued')
            expect('from_project_id' in data ? data.from_project_id : data.project_id).toBe(project);
          status = data.to;
          cost = data.cost_cents;
          project = data.project_id;
        }
      }),
      RUNS,
    );
  });

  it('cost is what was charged, what is reserved is released at the end, and neither is ever negative', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let walk: Walk = START;
        for (const next of all) {
          walk = step(walk, next);
          const { state, history } = walk;
          const cost = history.reduce((sum, { data }) => sum + data.cost_delta_cents, 0);
          const reserved = history.reduce((sum, { data }) => sum + data.reserved_delta_cents, 0);
          expect(history.every(({ data }) => data.cost_delta_cents >= 0)).toBe(true);
          expect(reserved).toBeGreaterThanOrEqual(0);
          if (state.status !== 'absent' && (!isLive(state) || isTerminal(state.status)))
            expect(reserved).toBe(0);
          if (isLive(state))
            expect({ cost: state.costCents, reserved: state.reservedCents }).toEqual({ cost, reserved });
        }
      }),
      RUNS,
    );
  });

  // Progress, cost and outputs that are added come on top each time: their callers say "more", not "so much". A worker
  // whose lease is gone is refused, which goes on the record once. Texts are no part of the state: whoever changes them
  // compares them first.
  const ADDS = new Set<JobCommand['type']>(['progress', 'adjust_cost', 'add_outputs']);
  const bringsText = (command: JobCommand): boolean =>
    command.type === 'change_details' && command.content !== undefined;

  it('a command that comes twice is recorded once', () => {
    fc.assert(
      fc.property(steps, commandsFor(), (all, command) => {
        fc.pre(!ADDS.has(command.type) && !bringsText(command));
        const first = step(walkAll(all), { command, afterMs: 1 });
        const second = step(first, { command, afterMs: 1 });
        const third = step(second, { command, afterMs: 1 });
        expect(second.events.map(({ type }) => type).filter((type) => type !== 'JobResultRefused')).toEqual(
          [],
        );
        expect(third.events).toEqual([]);
        expect(
          first.events.some((event) => event.type === 'JobResultRefused') && second.events.length > 0,
        ).toBe(false);
      }),
      RUNS,
    );
  });

  it('the state is what its history alone leads to, and the version counts the events', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { state, history } = walkAll(all);
        expect(history.reduce<JobState>(evolve, ABSENT)).toEqual(state);
        expect(state.status === 'absent' ? 0 : state.version).toBe(history.length);
      }),
      RUNS,
    );
  });

  it('a decision leaves the state that it was made on untouched', () => {
    fc.assert(
      fc.property(steps, commandsFor(), (all, command) => {
        const walk = walkAll(all);
        const before = structuredClone(walk.state);
        step(walk, { command, afterMs: 1 });
        expect(walk.state).toEqual(before);
      }),
      RUNS,
    );
  });

  it('positions of outputs are 1, 2, 3 … each once', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const positions = walkAll(all).history.flatMap((event) =>
          event.type === 'JobSucceeded' || event.type === 'JobOutputAdded'
            ? event.data.outputs.map(({ position }) => position)
            : [],
        );
        expect(new Set(positions).size).toBe(positions.length);
        expect([...positions].sort((a, b) => a - b)).toEqual(positions);
      }),
      RUNS,
    );
  });
});
