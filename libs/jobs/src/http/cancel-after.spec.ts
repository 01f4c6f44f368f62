import { Problem } from '@genledger/platform';
import { parseCancelAfter } from './cancel-after';

it.each([
  ['1', 1],
  ['90', 90],
  ['90s', 90],
  ['1m', 60],
  ['1m30s', 90],
  ['1h30m45s', 5_445],
  [' 2h ', 7_200],
  ['8784h', 31_622_400],
])('%s is %i s', (header, seconds) => {
  expect(parseCancelAfter(header)).toBe(seconds);
});

it.each([
  '',
  '0',
  '0s',
  '-1',
  '1.5',
  '1e3',
  '1d',
  'm',
  '1 m',
  '30s1m',
  '1m, 1m',
  '31622401',
  '999999999',
  '8784h1s',
  '2026-01-01T00:00:00Z',
  '９',
])('%s is refused', (header) => {
  expect(() => parseCancelAfter(header)).toThrow(
    expect.objectContaining({ code: 'invalid-value', status: 422 }) as Problem,
  );
});

it('is nothing where nothing is sent', () => {
  expect(parseCancelAfter(undefined)).toBeUndefined();
});
