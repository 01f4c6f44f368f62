import type { TimedItem } from './job-life';
import { rounds, timeSlices } from './time-slices';

const actor = { userId: null, role: 'system' } as const;

function job(id: string, ...times: number[]): TimedItem[] {
  return times.map((at) => ({
    id,
    userId: '',
    meta: { actor: 'system' },
    command: { type: 'cancel', actor },
    at,
  }));
}

const named = (items: readonly TimedItem[]): string[] => items.map(({ id, at }) => `${id}${at}`);

it('brings the commands of many jobs into the order of time, empty slices left out', () => {
  const jobs = [job('a', 1, 12, 55), job('b', 3, 4), job('c', 14), job('d', 31, 31)];
  const slices = [...timeSlices(jobs, 10)].map(({ end, items }) => [end, named(items)]);
  expect(slices).toEqual([
    [9, ['a1', 'b3', 'b4']],
    [19, ['a12', 'c14']],
    [39, ['d31', 'd31']],
    [59, ['a55']],
  ]);
  expect([...timeSlices([], 10)]).toEqual([]);
});

it('asks for a job only when its slice is reached', () => {
  const asked: string[] = [];
  function* jobs(): Generator<TimedItem[]> {
    for (const [id, at] of [
      ['a', 1],
      ['b', 25],
      ['c', 47],
    ] as const) {
      asked.push(id);
      yield job(id, at);
    }
  }
  for (const { items } of timeSlices(jobs(), 10)) {
    expect(named(items)).toHaveLength(1);
    if (items[0]!.id === 'a') expect(asked).toEqual(['a', 'b']);
  }
  expect(asked).toEqual(['a', 'b', 'c']);
});

it('sends a job once a round, in its order', () => {
  const items = [...job('a', 1), ...job('b', 2), ...job('a', 3), ...job('a', 4), ...job('b', 4)];
  expect(rounds(items).map(named)).toEqual([['a1', 'b2'], ['a3', 'b4'], ['a4']]);
});
