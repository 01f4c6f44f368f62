import { retryAfterMs } from './retry-after';

const NOW = Date.UTC(2026, 10, 1, 12, 0, 0);
const DAY = 24 * 60 * 60 * 1_000;

it.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': '1.5' }, 1_500],
  [{ 'retry-after': 'Sun, 01 Nov 2026 12:00:20 GMT' }, 20_000],
  [{ 'retry-after': 'Sun, 01 Nov 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after-ms': '250' }, 250],
  [{ 'retry-after-ms': '250.2' }, 251],
  [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
  [{ 'retry-after-ms': 'soon', 'retry-after': '1' }, 1_000],
  [{ 'retry-after': '999999999999' }, DAY],
  [{ 'retry-after': 'Sun, 01 Nov 2099 12:00:00 GMT' }, DAY],
  [{ 'retry-after': '-5' }, undefined],
  [{ 'retry-after': '1e3' }, undefined],
  [{ 'retry-after': 'tomorrow' }, undefined],
  [{ 'retry-after': '2026-11-02' }, undefined],
  [{ 'retry-after': 'Sun, 99 Nov 2026 12:00:00 GMT' }, undefined],
  [{ 'retry-after': '' }, undefined],
])('reads %j as %p', (headers, wait) => {
  expect(retryAfterMs(new Headers(headers), NOW)).toBe(wait);
});
