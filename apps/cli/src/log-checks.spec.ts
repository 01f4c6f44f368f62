import type { LogCondition } from '@genledger/event-store';
import { checkAnnouncers, checkPartitions, checkProjections } from './log-checks';

const WELL: LogCondition = {
  watermark: 1_200,
  head: 1_200,
  announcers: [{ pid: 1, seconds: 30 }],
  projections: [{ name: 'jobs', position: 1_000, behindSeconds: 60 }],
  missingPartitions: ['2026-03'],
  monthsAhead: 2,
};

it('bears what passes by itself', () => {
  expect(checkAnnouncers(WELL)).toBe('none holds the log up');
  expect(checkProjections(WELL)).toBe('jobs at position 1,000 of 1,200, 60 s behind');
  expect(checkPartitions(WELL)).toBe('this month and 1 ahead');
});

it('names the session that holds the log up, and how to end it', () => {
  const announcers = [
    { pid: 77, seconds: 31 },
    { pid: 1, seconds: 30 },
  ];
  expect(() => checkAnnouncers({ ...WELL, announcers })).toThrow(
    expect.objectContaining({
      message: 'the log is held up by session 77 for 31 s',
      remedy: 'start a process with the role scheduler, or end it: select pg_terminate_backend(77)',
    }),
  );
});

it('names the projection that has fallen behind', () => {
  const projections = [{ name: 'jobs', position: 0, behindSeconds: 61 }];
  expect(() => checkProjections({ ...WELL, projections })).toThrow(
    'jobs at position 0 of 1,200, 61 s behind',
  );
});

it('names the month that nothing can be written in', () => {
  expect(() => checkPartitions({ ...WELL, missingPartitions: ['2026-02'], monthsAhead: 1 })).toThrow(
    'there is none for 2026-02: jobs of that month are refused',
  );
});
