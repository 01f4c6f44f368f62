import type { StoredEvent } from '@genledger/event-store';
import type { JobFacts } from '../job-events';
import type { CostGroup, JobCost, JobStatistic, JobSummary } from '../read-models/statistics-reader';

type Cents = { count: number; cents: number };

interface Placed {
  readonly userId: string;
  readonly projectId: string | null;
  readonly status: string;
  readonly cents: number;
}

/**
 * All jobs as a log leaves them, in the plainest way there is: one event after the other, from its `data` alone. What
 * SQL adds up has to come to the same.
 */
export class World {
  private readonly jobs = new Map<string, Placed>();
  private readonly charged: { readonly event: StoredEvent; readonly cents: number }[] = [];

  constructor(events: readonly StoredEvent[]) {
    for (const event of events) this.apply(event);
  }

  statistics(userId?: string): JobStatistic[] {
    const sums = this.listed(userId, ([, { status }]) => status);
    return [...sums].map(([status, { count, cents }]) => ({
      status: status as JobStatistic['status'],
      count,
      total_cost_cents: cents,
      avg_cost_cents: average(cents, count),
    }));
  }

  summary(userId?: string): JobSummary[] {
    const key = ([, { userId: user, projectId, status }]: [string, Placed]) =>
      JSON.stringify([user, projectId, status]);
    return [...this.listed(userId, key)].map(([group, { count, cents }]) => {
      const [user_id, project_id, status] = JSON.parse(group) as [
        string,
        string | null,
        JobSummary['status'],
      ];
      const times = [...this.jobs].filter((job) => key(job) === group).map(([id]) => madeAt(id));
      return {
        user_id,
        project_id,
        status,
        job_count: count,
        total_cost_cents: cents,
        avg_cost_cents: average(cents, count),
        first_job_at: new Date(Math.min(...times)),
        last_job_at: new Date(Math.max(...times)),
      };
    });
  }

  costs(groupBy: CostGroup, userId?: string): JobCost[] {
    const sums = new Map<string | null, Cents>();
    for (const { event, cents } of this.charged)
      if (userId === undefined || event.user_id === userId) add(sums, groupOf(event, groupBy), cents);
    return [...sums].map(([group, { count, cents }]) => ({ group, incurred_cents: cents, charges: count }));
  }

  private apply(event: StoredEvent): void {
    const { to, project_id, cost_cents, cost_delta_cents } = event.data as unknown as JobFacts;
    if (cost_delta_cents !== 0) this.charged.push({ event, cents: cost_delta_cents });
    if (to === null) this.jobs.delete(event.stream_id);
    else
      this.jobs.set(event.stream_id, {
        userId: event.user_id,
        projectId: project_id,
        status: to,
        cents: cost_cents,
      });
  }

  private listed(userId: string | undefined, key: (job: [string, Placed]) => string): Map<string, Cents> {
    const sums = new Map<string, Cents>();
    for (const job of this.jobs)
      if (userId === undefined || job[1].userId === userId) add(sums, key(job), job[1].cents);
    return sums;
  }
}

function groupOf({ user_id, recorded_at, data }: StoredEvent, groupBy: CostGroup): string | null {
  const { project_id, mode, kind, model } = data as Record<string, string | null>;
  const groups: Readonly<Record<CostGroup, string | null | undefined>> = {
    day: recorded_at.toISOString().slice(0, 10),
    project: project_id,
    mode,
    kind,
    model,
    user: user_id,
  };
  return groups[groupBy] ?? null;
}

function add<K>(sums: Map<K, Cents>, key: K, cents: number): void {
  const { count, cents: before } = sums.get(key) ?? { count: 0, cents: 0 };
  sums.set(key, { count: count + 1, cents: before + cents });
}

/** To hundredths of a cent, halves up, in whole numbers: 41 / 40 is 1.03, whatever floats make of 1.025. */
function average(cents: number, count: number): number {
  return Math.floor((200 * cents + count) / (2 * count)) / 100;
}

/** The milliseconds that a UUIDv7 begins with. */
function madeAt(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}
