import type { GenerationJobRow } from '@genledger/jobs';
import { describeStory, duration, printable, ToldJob } from './story-report';

const JOB = {
  kind: 'text_to_image',
  mode: 'text_to_image',
  model: 'painter-1',
  project_id: null,
  prompt: 'A lighthouse\n\u001b[2J',
  negative_prompt: null,
  requested_parameters: { number_of_images: 1 },
} as unknown as GenerationJobRow;

const TOLD: ToldJob = {
  job_id: '01a1fb8b-a344-75c0-baf8-a3d0783612f8',
  user_id: '11111111-1111-4111-8111-111111111111',
  state: 'succeeded',
  version: 2,
  position: 9,
  recorded_at: '2026-01-01T00:01:30.000Z',
  queued_ms: 0,
  running_ms: 90_000,
  incurred_cents: 4,
  reserved_cents: 0,
  job: JOB,
  outputs: [
    {
      position: 1,
      upload_id: '22222222-2222-4222-8222-222222222222',
      mime_type: 'image/png',
      size: 10,
      sha256: '',
      width: 1,
      height: 1,
    },
  ],
  output_errors: [],
  steps: [
    {
      version: 1,
      position: 7,
      type: 'JobQueued',
      recorded_at: '2026-01-01T00:00:00.000Z',
      since_previous_ms: 0,
      actor: 'user:1',
      what: 'queued a job',
      why: null,
      charged_cents: 0,
      reserved_cents: 4,
    },
    {
      version: 2,
      position: 9,
      type: 'JobSucceeded',
      recorded_at: '2026-01-01T00:01:30.000Z',
      since_previous_ms: 90_000,
      actor: 'worker:7',
      what: 'succeeded with 1 file',
      why: 'so it is',
      charged_cents: 4,
      reserved_cents: -4,
    },
  ],
};

it('lays a story out, with the state at the end', () => {
  expect(describeStory(TOLD, false)).toBe(
    `Job 01a1fb8b-a344-75c0-baf8-a3d0783612f8
  of user 11111111-1111-4111-8111-111111111111
  text_to_image, mode text_to_image, model painter-1
  “A lighthouse \\u{1b}[2J”
  asked for {"number_of_images":1}

History
     1  2026-01-01T00:00:00.000Z         JobQueued             queued a job; $0.04 reserved
        by user:1
     2  +1 min 30 s, after 1 min 30 s    JobSucceeded          succeeded with 1 file; $0.04 charged, $0.04 released
        by worker:7, because: so it is

  file 1  22222222-2222-4222-8222-222222222222  image/png, 10 bytes
Time   0 ms queued, 1 min 30 s running
Cost   $0.04 incurred, $0.00 still reserved
State  succeeded, by event 2 at position 9, 2026-01-01T00:01:30.000Z
`,
  );
});

it('says so where the texts have been erased', () => {
  const told = { ...TOLD, job: { ...JOB, prompt: null } as GenerationJobRow };
  expect(describeStory(told, false)).toContain('  (its texts have been erased)\n');
});

it.each([
  ['two\nlines\tand  more', 'two lines and more'],
  ['\u001b]0;title\u0007', '\\u{1b}]0;title\\u{7}'],
  ['\u009b31m', '\\u{9b}31m'],
  ['abc\u202edef', 'abc\\u{202e}def'],
  ['ünïcode 🌅', 'ünïcode 🌅'],
  [`${'x'.repeat(299)}🌅y`, `${'x'.repeat(299)}\\u{d83c}…`],
])('%j cannot steer a terminal', (text, shown) => expect(printable(text)).toBe(shown));

it.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_000, '1.0 s'],
  [59_999, '59.9 s'],
  [60_000, '1 min 0 s'],
  [3_599_999, '59 min 59 s'],
  [3_600_000, '1 h 0 min'],
  [86_399_999, '23 h 59 min'],
  [183_600_000, '2 d 3 h'],
])('%i ms is %s', (ms, text) => expect(duration(ms)).toBe(text));
