import type { GenerationJobRow, JobOutput, JobOutputError, JobStory, StoryStep } from '@genledger/jobs';

/** A story with the job that it is about, as it was last listed. */
export interface ToldJob extends JobStory {
  readonly job: GenerationJobRow | null;
  readonly outputs: readonly JobOutput[];
  readonly output_errors: readonly JobOutputError[];
}

const MAX_TEXT = 300;

/** What a person reads: the request, a line or two an event, the sums, and at the end the state. */
export function describeStory(told: ToldJob, hasColours: boolean): string {
  const [strong, faint] = hasColours ? [paint(1), paint(2)] : [String, String];
  const { job, steps, outputs } = told;
  const lines = [
    `${strong('Job')} ${told.job_id}`,
    faint(`  of user ${told.user_id}`),
    ...(job ? requestOf(job).map((line) => `  ${line}`) : []),
    '',
    strong('History'),
    ...steps.flatMap((step) => [
      `  ${columns(step, steps[0]!)}  ${printable(step.what)}${moneyOf(step)}`,
      faint(`${' '.repeat(INDENT)}by ${printable(step.actor)}${because(step.why)}`),
    ]),
    '',
    ...outputs.map(({ position, upload_id, mime_type, size }) =>
      faint(`  file ${position}  ${upload_id}  ${printable(mime_type)}, ${size} bytes`),
    ),
    `${strong('Time')}   ${duration(told.queued_ms)} queued, ${duration(told.running_ms)} running`,
    `${strong('Cost')}   ${dollars(told.incurred_cents)} incurred, ${dollars(told.reserved_cents)} still reserved`,
    `${strong('State')}  ${told.state}, by event ${told.version} at position ${told.position}, ${told.recorded_at}`,
  ];
  return `${lines.join('\n')}\n`;
}

function requestOf(job: GenerationJobRow): string[] {
  const { kind, mode, model, project_id, prompt, negative_prompt, requested_parameters } = job;
  return [
    [
      kind,
      `mode ${printable(mode)}`,
      model && `model ${printable(model)}`,
      project_id && `project ${project_id}`,
    ]
      .filter(Boolean)
      .join(', '),
    ...(prompt === null ? [] : [`“${printable(prompt)}”`]),
    ...(prompt === null && kind === 'text_to_image' ? ['(its texts have been erased)'] : []),
    ...(negative_prompt === null ? [] : [`not “${printable(negative_prompt)}”`]),
    ...(Object.keys(requested_parameters).length === 0
      ? []
      : [`asked for ${printable(JSON.stringify(requested_parameters))}`]),
  ];
}

const INDENT = 8;

function columns(step: StoryStep, first: StoryStep): string {
  const at = Date.parse(step.recorded_at) - Date.parse(first.recorded_at);
  const when =
    step === first ? step.recorded_at : `+${duration(at)}, after ${duration(step.since_previous_ms)}`;
  return `${String(step.version).padStart(4)}  ${when.padEnd(31)}  ${step.type.padEnd(20)}`;
}

function moneyOf({ charged_cents, reserved_cents }: StoryStep): string {
  const parts = [
    charged_cents !== 0 && `${dollars(charged_cents)} charged`,
    reserved_cents > 0 && `${dollars(reserved_cents)} reserved`,
    reserved_cents < 0 && `${dollars(-reserved_cents)} released`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? '' : `; ${parts.join(', ')}`;
}

function because(why: string | null): string {
  return why === null ? '' : `, because: ${printable(why)}`;
}

/** People's text on one line of a terminal: what would steer it, or hide or turn text around, is written as its code. */
export function printable(text: string): string {
  const short = text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
  return short
    .replace(/\s+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`);
}

/** At the precision that a person wants: `28 ms`, `2.6 s`, `3 min 20 s`, `5 h 12 min`, `2 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (hours === 0) return `${minutes} min ${seconds % 60} s`;
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function dollars(cents: number): string {
  return `$${(cents / 100).toFixed(2)}`;
}

function paint(code: number): (text: string) => string {
  return (text) => `\x1b[${code}m${text}\x1b[0m`;
}
