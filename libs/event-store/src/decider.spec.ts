import { accept, Decider, fold, refuse, unchanged } from './decider';
import { APART_MS, FIRST_EVENT_AT, specFor } from './testing/decider-spec';

type Command =
  | { readonly type: 'open' }
  | { readonly type: 'withdraw'; readonly cents: number }
  | { readonly type: 'age' };
type Event =
  | { readonly type: 'Opened'; readonly data: object }
  | { readonly type: 'Withdrawn'; readonly data: { readonly cents: number } }
  | { readonly type: 'WithdrawalRefused'; readonly data: { readonly cents: number } }
  | { readonly type: 'Aged'; readonly data: { readonly ms: number } };
interface Account {
  readonly versions: readonly number[];
  readonly openedAt: number | null;
  readonly cents: number;
}

const account: Decider<Account, Command, Event, 'not_open' | 'too_much'> = {
  initial: { versions: [], openedAt: null, cents: 100 },
  decide(state, command, now) {
    if (command.type === 'open')
      return state.openedAt === null ? accept({ type: 'Opened', data: {} }) : unchanged();
    if (state.openedAt === null) return refuse('not_open');
    if (command.type === 'age') return accept({ type: 'Aged', data: { ms: now - state.openedAt } });
    const { cents } = command;
    return cents > state.cents
      ? refuse('too_much', { type: 'WithdrawalRefused', data: { cents } })
      : accept({ type: 'Withdrawn', data: { cents } });
  },
  evolve(state, event) {
    const versions = [...state.versions, event.version];
    if (event.type === 'Opened') return { ...state, versions, openedAt: event.recordedAt };
    return { ...state, versions, cents: state.cents - (event.type === 'Withdrawn' ? event.data.cents : 0) };
  },
};

const opened = { type: 'Opened', data: {} } as const;
const given = specFor(account);

describe('a decision', () => {
  it('carries its events when it accepts', () => {
    expect(accept(opened, opened)).toEqual({ events: [opened, opened] });
  });

  it('carries nothing when the state was already so', () => {
    expect(unchanged()).toEqual({ events: [] });
  });

  it('carries a code, and what is to be recorded about it, when it refuses', () => {
    expect(refuse('no')).toEqual({ refusal: 'no', events: [] });
    expect(refuse('no', opened)).toEqual({ refusal: 'no', events: [opened] });
  });
});

describe('folding', () => {
  it('starts from the initial state and takes events in order', () => {
    expect(fold(account, [])).toBe(account.initial);
    const history = [
      { ...opened, version: 1, recordedAt: 5 },
      { type: 'Withdrawn', data: { cents: 30 }, version: 2, recordedAt: 6 } as const,
    ];
    expect(fold(account, history)).toEqual({ versions: [1, 2], openedAt: 5, cents: 70 });
  });

  it('takes any iterable, once', () => {
    function* history() {
      yield { ...opened, version: 1, recordedAt: 5 };
    }
    expect(fold(account, history()).openedAt).toBe(5);
  });
});

describe('given, when, then', () => {
  it('tells accepted, unchanged and refused apart', () => {
    given([]).when({ type: 'open' }).then([opened]);
    given([opened]).when({ type: 'open' }).thenNothing();
    given([]).when({ type: 'age' }).thenRefused('not_open');
    given([opened])
      .when({ type: 'withdraw', cents: 101 })
      .thenRefused('too_much', [{ type: 'WithdrawalRefused', data: { cents: 101 } }]);
  });

  it('fails when the decision is another one', () => {
    const refused = given([opened]).when({ type: 'withdraw', cents: 101 });
    expect(() => refused.then([])).toThrow();
    expect(() => refused.thenNothing()).toThrow();
    expect(() => refused.thenRefused('not_open')).toThrow();
    expect(() => refused.thenRefused('too_much')).toThrow();
    const accepted = given([]).when({ type: 'open' });
    expect(() => accepted.thenNothing()).toThrow();
    expect(() => accepted.thenRefused('not_open')).toThrow();
    expect(() => accepted.then([opened, opened])).toThrow();
  });

  it('gives events their places, and takes those that the spec states', () => {
    expect(given([opened, { type: 'Withdrawn', data: { cents: 1 } }]).state()).toEqual({
      versions: [1, 2],
      openedAt: FIRST_EVENT_AT,
      cents: 99,
    });
    expect(
      given([
        { ...opened, version: 7, recordedAt: 42 },
        { type: 'Aged', data: { ms: 0 } },
      ]).state(),
    ).toMatchObject({ versions: [7, 8], openedAt: 42 });
  });

  it('decides after the last event, or when the spec says', () => {
    given([opened])
      .when({ type: 'age' })
      .then([{ type: 'Aged', data: { ms: APART_MS } }]);
    given([opened])
      .when({ type: 'age' }, { now: FIRST_EVENT_AT + 5 })
      .then([{ type: 'Aged', data: { ms: 5 } }]);
  });

  it('shows what a decision leads to', () => {
    expect(given([opened]).when({ type: 'withdraw', cents: 40 }).state()).toMatchObject({
      versions: [1, 2],
      cents: 60,
    });
  });
});
