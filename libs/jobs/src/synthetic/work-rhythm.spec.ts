import { WorkRhythm } from './work-rhythm';

const HOUR = 3_600_000;
const MONDAY = Date.UTC(2026, 5, 1);
const SHARES = 20_000;

/** Arrivals of four whole weeks. */
function arrivals(): Date[] {
  const rhythm = new WorkRhythm(MONDAY, MONDAY + 28 * 24 * HOUR);
  return Array.from({ length: SHARES }, (_, at) => new Date(rhythm.momentOf(at / SHARES)));
}

const share = (dates: readonly Date[], which: (date: Date) => boolean): number =>
  dates.filter(which).length / dates.length;

it('begins at the first moment, ends at the last and never turns back', () => {
  const until = MONDAY + 5.5 * HOUR;
  const rhythm = new WorkRhythm(MONDAY, until);
  expect(rhythm.momentOf(0)).toBe(MONDAY);
  expect(rhythm.momentOf(1)).toBeLessThanOrEqual(until);
  const times = arrivals().map((date) => date.getTime());
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

it('works by day, rests at night and on weekends, and grows', () => {
  const dates = arrivals();
  expect(share(dates, (date) => date.getUTCHours() >= 8 && date.getUTCHours() < 18)).toBeGreaterThan(0.7);
  expect(share(dates, (date) => date.getUTCHours() < 5)).toBeLessThan(0.05);
  expect(share(dates, (date) => date.getUTCDay() % 6 === 0)).toBeLessThan(0.2);
  const week = (number: number): number =>
    share(dates, (date) => Math.floor((date.getTime() - MONDAY) / (7 * 24 * HOUR)) === number);
  expect(week(3)).toBeGreaterThan(1.5 * week(0));
});
