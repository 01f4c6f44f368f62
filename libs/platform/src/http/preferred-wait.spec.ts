import { parsePreferredWait } from './preferred-wait';

it.each([
  ['wait=10', 10],
  ['wait=0', 0],
  ['wait=60', 60],
  ['wait="10"', 10],
  [' WAIT = 10 ', 10],
  ['respond-async, wait=10', 10],
  ['return=minimal; x="a, wait=3", wait=10', 10],
  ['wait=10; strict', 10],
  ['handling=lenient,wait=10,wait=20', 10],
])('%s is a wait of %i s', (header, seconds) => {
  expect(parsePreferredWait(header)).toBe(seconds);
});

it.each(['wait=61', 'wait=86400', `wait=${'9'.repeat(400)}`, 'wait', 'wait=', 'wait=""'])(
  '%s is cut to a minute',
  (header) => {
    expect(parsePreferredWait(header)).toBe(60);
  },
);

it.each([
  'wait=-1',
  'wait=1.5',
  'wait=1e3',
  'wait=soon',
  'wait=10s',
  'wait=10 20',
  'wait=soon, wait=10',
  'waiting=10',
  'no-wait',
  'x="wait=10"',
  'respond-async',
  '',
  `wait=10${' '.repeat(2_000)}`,
])('%s is none', (header) => {
  expect(parsePreferredWait(header)).toBeUndefined();
});

it('is read from the first of several headers that has it', () => {
  expect(parsePreferredWait(['respond-async', 'wait=10', 'wait=20'])).toBe(10);
  expect(parsePreferredWait(undefined)).toBeUndefined();
});

it('takes a hostile header apart in no time', () => {
  const hostile = ['"\\'.repeat(512), 'wait='.repeat(200), `wait${' '.repeat(1_000)}x`, ',;="'.repeat(256)];
  const started = performance.now();
  for (const header of hostile) parsePreferredWait(header);
  expect(performance.now() - started).toBeLessThan(100);
});
