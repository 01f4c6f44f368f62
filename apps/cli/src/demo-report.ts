import type { HistoryEvent, JobResource, JobStatistic } from '@genledger/jobs';

/** What the demo tells; as JSON it is one line with these names. */
export interface DemoOutcome {
  readonly job: Pick<JobResource, 'id' | 'status' | 'parameters' | 'cost'>;
  readonly outputs: readonly {
    readonly upload_id: string;
    /** Absolute. */
    readonly path: string;
    readonly url: string;
    readonly mime_type: string;
    readonly size: number;
    readonly sha256: string;
    readonly width: number;
    readonly height: number;
  }[];
  readonly history: readonly Pick<HistoryEvent, 'type' | 'version' | 'position' | 'recorded_at' | 'actor'>[];
  readonly statistics: readonly Pick<JobStatistic, 'status' | 'count' | 'total_cost_cents'>[];
  readonly replay_equal: boolean;
  readonly timings_ms: {
    readonly cold_start: number;
    readonly queue_to_start: number;
    readonly total: number;
  };
}

/** One line while the job runs. */
export function describeEvent(event: HistoryEvent, first: Pick<HistoryEvent, 'recorded_at'>): string {
  const { fraction, stage } = event.data as { fraction?: number; stage?: string };
  const done = fraction === undefined ? '' : `  ${Math.round(fraction * 100)} %, ${stage ?? ''}`;
  return `${after(event, first).padStart(9)}  ${event.type}${done}`;
}

/** What a person reads at the end. */
export function describeOutcome(outcome: DemoOutcome, hasColours: boolean): string {
  const { job, outputs, history, statistics, timings_ms } = outcome;
  const [strong, faint] = hasColours ? [paint(1), paint(2)] : [String, String];
  const status = hasColours ? paint(job.status === 'succeeded' ? 32 : 31)(job.status) : job.status;
  const lines = [
    '',
    `${strong('Job')} ${job.id}  ${status}`,
    `  “${String(job.parameters.requested['prompt'])}”`,
    '',
    strong('History'),
    ...history.map((event) => {
      const by = event.actor.split(':')[0]!;
      const columns = [String(event.version).padStart(4), after(event, history[0]!).padStart(9)];
      return `  ${columns.join('  ')}  ${event.type.padEnd(14)}  ${faint(`${by}, position ${event.position}`)}`;
    }),
    '',
    `${strong('Cost')}        estimated ${cents(job.cost.estimated_cents)}, actual ${cents(job.cost.actual_cents ?? 0)}`,
    `${strong('Statistics')}  ${statistics
      .map(({ status: name, count, total_cost_cents }) => `${count} ${name}, ${cents(total_cost_cents)}`)
      .join('; ')}`,
    `${strong('Replay')}      the history, folded anew, ${outcome.replay_equal ? 'is the stored job, field by field' : 'differs from the stored job'}`,
    `${strong('Time')}        server ready after ${seconds(timings_ms.cold_start)}, job started ${timings_ms.queue_to_start} ms after it was queued, ${seconds(timings_ms.total)} in all`,
    '',
    strong('Files'),
    ...outputs.map(
      ({ path, width, height, size, sha256 }) =>
        `  ${path}\n        ${faint(`${width} × ${height}, ${Math.round(size / 1000)} kB, sha256 ${sha256.slice(0, 16)}…`)}`,
    ),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function paint(code: number): (text: string) => string {
  return (text) => `\x1b[${code}m${text}\x1b[0m`;
}

function after(event: { readonly recorded_at: string }, first: { readonly recorded_at: string }): string {
  return `+${Date.parse(event.recorded_at) - Date.parse(first.recorded_at)} ms`;
}

function cents(amount: number): string {
  return `$${(amount / 100).toFixed(2)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
