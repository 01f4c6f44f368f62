import { JOB_STATUSES } from '@genledger/jobs';
import type { JobStatus, SyntheticHistory } from '@genledger/jobs';
import { count } from './progress';
import { dollars } from './story-report';

/** What `demo-data --json` prints. */
export interface DemoData {
  readonly jobs: number;
  readonly seed: number;
  /** When the history begins and ends. */
  readonly from: string;
  readonly until: string;
  readonly users: number;
  readonly busiest_user_id: string;
  /** Of all users; deleted jobs are in none of them. */
  readonly by_status: Readonly<Record<JobStatus, { readonly count: number; readonly cost_cents: number }>>;
  readonly deleted: number;
  /** Deleted jobs included. */
  readonly incurred_cents: number;
  readonly events: number;
  readonly seconds: number;
  readonly events_per_second: number;
}

export function demoDataOf(
  jobs: number,
  seed: number,
  history: SyntheticHistory,
  elapsedMs: number,
): DemoData {
  const { from, until, users, busiestUserId, statistics, incurredCents, events } = history;
  const sums = new Map(statistics.map((statistic) => [statistic.status, statistic]));
  const listed = statistics.reduce((sum, statistic) => sum + statistic.count, 0);
  return {
    jobs,
    seed,
    from: new Date(from).toISOString(),
    until: new Date(until).toISOString(),
    users,
    busiest_user_id: busiestUserId,
    by_status: Object.fromEntries(
      JOB_STATUSES.map((status) => {
        const { count: jobCount = 0, total_cost_cents = 0 } = sums.get(status) ?? {};
        return [status, { count: jobCount, cost_cents: total_cost_cents }];
      }),
    ) as unknown as DemoData['by_status'],
    deleted: jobs - listed,
    incurred_cents: incurredCents,
    events,
    seconds: Math.round(elapsedMs / 100) / 10,
    events_per_second: Math.round((events * 1_000) / elapsedMs),
  };
}

export function describeDemoData(made: DemoData): string {
  const line = (name: string, value: number, rest = ''): string =>
    `  ${name.padEnd(10)} ${count(value).padStart(11)}${rest}\n`;
  return [
    `${count(made.jobs)} jobs of ${made.users} users, ${made.from.slice(0, 10)} to ${made.until.slice(0, 10)}, seed ${made.seed}\n`,
    ...JOB_STATUSES.map((status) => {
      const { count: jobs, cost_cents } = made.by_status[status];
      return line(status, jobs, dollars(cost_cents).padStart(14));
    }),
    line('deleted', made.deleted),
    `Incurred ${dollars(made.incurred_cents)}, deleted jobs included\n`,
    `${count(made.events)} events in ${made.seconds.toFixed(1)} s: ${count(made.events_per_second)} a second\n`,
    `The busiest user: npx genledger token --user ${made.busiest_user_id} --role user\n`,
  ].join('');
}
