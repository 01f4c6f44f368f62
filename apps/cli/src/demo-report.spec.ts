import { DemoOutcome, describeOutcome } from './demo-report';

const outcome: DemoOutcome = {
  job: {
    id: '01a1fb85-8d1f-72df-92f7-dd781aeff4c9',
    status: 'succeeded',
    parameters: { requested: { prompt: 'a lake' }, effective: {} },
    cost: { estimated_cents: 8, actual_cents: 4, currency: 'USD' },
  },
  outputs: [
    {
      upload_id: '01a1fb85-9ce5-709e-a8a9-8828f2b10bb4',
      path: '/home/storage/1.png',
      url: 'http://127.0.0.1/1',
      mime_type: 'image/png',
      size: 1_318_850,
      sha256: 'c5e46844dbef33721a6ee4589907e1150eb7d068761a62eda9c93399b3b5fd45',
      width: 1344,
      height: 768,
    },
  ],
  history: [
    { type: 'JobQueued', version: 1, position: 7, recorded_at: '2026-11-21T00:33:16.000Z', actor: 'user:1' },
    {
      type: 'JobSucceeded',
      version: 2,
      position: 9,
      recorded_at: '2026-11-21T00:33:16.250Z',
      actor: 'worker:w',
    },
  ],
  statistics: [{ status: 'succeeded', count: 1, total_cost_cents: 4 }],
  replay_equal: true,
  timings_ms: { cold_start: 1_234, queue_to_start: 12, total: 4_321 },
};

it('tells history, cost, statistics, replay and files', () => {
  const text = describeOutcome(outcome, false);
  for (const part of [
    'Job 01a1fb85-8d1f-72df-92f7-dd781aeff4c9  succeeded',
    '“a lake”',
    '   1      +0 ms  JobQueued',
    '   2    +250 ms  JobSucceeded    worker, position 9',
    'estimated $0.08, actual $0.04',
    '1 succeeded, $0.04',
    'is the stored job, field by field',
    'server ready after 1.2 s, job started 12 ms after it was queued, 4.3 s in all',
    '  /home/storage/1.png\n',
    '1344 × 768, 1319 kB, sha256 c5e46844dbef3372…',
  ])
    expect(text).toContain(part);
  expect(text).not.toContain('\x1b');
});

it('has colours where the terminal shows them, and says where the replay differs', () => {
  const text = describeOutcome({ ...outcome, replay_equal: false }, true);
  expect(text).toContain('\x1b[32msucceeded\x1b[0m');
  expect(text).toContain('differs from the stored job');
});
