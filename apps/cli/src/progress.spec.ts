import { progressOn } from './progress';

function screen(isInteractive: boolean) {
  const written: string[] = [];
  let now = 0;
  const terminal = {
    env: {},
    cwd: '/',
    isInteractive,
    hasColours: false,
    interrupted: new AbortController().signal,
    out: () => undefined,
    err: (text: string) => void written.push(text),
  };
  return { written, progress: progressOn(terminal, () => now), at: (ms: number) => (now = ms) };
}

it('draws a bar on a screen, at most ten times a second, and takes it away', () => {
  const { written, progress, at } = screen(true);
  progress.report({ step: 'streams', done: 250, total: 1000 });
  progress.report({ step: 'streams', done: 300, total: 1000 });
  at(100);
  progress.report({ step: 'streams', done: 1500, total: 1000 });
  progress.clear();
  expect(written).toEqual([
    `\r\x1b[Kstreams    ${'█'.repeat(6)}${'░'.repeat(18)}  25 %  250 of 1,000`,
    `\r\x1b[Kstreams    ${'█'.repeat(24)} 100 %  1,500 of 1,000  12,500/s, 0 s left`,
    '\r\x1b[K',
  ]);
});

it('says a plain line every five seconds elsewhere, and nothing of what is over sooner', () => {
  const { written, progress, at } = screen(false);
  progress.report({ step: 'files', done: 1, total: 9 });
  at(4_999);
  progress.report({ step: 'files', done: 2, total: 9 });
  at(5_000);
  progress.report({ step: 'files', done: 3, total: 9 });
  at(9_000);
  progress.report({ step: 'files', done: 4, total: 9 });
  progress.clear();
  expect(written).toEqual(['files: 3 of 9\n']);
});

it('says how fast a step goes and how long it still takes, counted from where it began', () => {
  const { written, progress, at } = screen(true);
  const lastPace = (): string => written.at(-1)!.split('of 100,000')[1]!;
  progress.report({ step: 'streams', done: 40_000, total: 100_000 });
  expect(lastPace()).toBe('');
  at(1_000);
  progress.report({ step: 'streams', done: 41_000, total: 100_000 });
  expect(lastPace()).toBe('  1,000/s, 59 s left');
  at(10_000);
  progress.report({ step: 'streams', done: 41_000, total: 100_000 });
  expect(lastPace()).toBe('  100/s, 10 min left');
  at(100_000);
  progress.report({ step: 'streams', done: 41_000, total: 100_000 });
  expect(lastPace()).toBe('  10/s, 1 h 38 min left');
  progress.report({ step: 'files', done: 0, total: 100_000 });
  at(100_100);
  progress.report({ step: 'files', done: 1, total: 100_000 });
  expect(lastPace()).toBe('  10/s, 2 h 47 min left');
});
