import { eventId, resumePosition } from './event-id';

const EXTENT = { epoch: 3, highest: 500 };

it('reads back what it wrote', () => {
  for (const position of [0, 1, 499, 500])
    expect(resumePosition(eventId(3, position), EXTENT)).toBe(position);
});

it.each([
  '',
  '12',
  ':',
  '3:',
  ':12',
  '3:-1',
  '3:+1',
  '3:1.0',
  '3:01',
  '03:1',
  '0:1',
  '3:1e2',
  ' 3:1',
  '3:1 ',
  '3:1\n',
  '3:1, 3:2',
  '3:1:2',
  '3:٣',
  'x:y',
  `3:${'9'.repeat(16)}`,
  `${'9'.repeat(10)}:1`,
])('refuses %j as no event id', (id) => {
  expect(resumePosition(id, EXTENT)).toBe('malformed');
});

it.each(['2:12', '4:12', '999999999:0'])('refuses %s: the log was restored in between', (id) => {
  expect(resumePosition(id, EXTENT)).toBe('another_epoch');
});

it.each(['3:501', '3:999999999999999'])('refuses %s: the log has not come that far', (id) => {
  expect(resumePosition(id, EXTENT)).toBe('ahead');
});
