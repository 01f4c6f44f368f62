import { STORED_EVENT_COLUMNS, WITH_CONTENT } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import { openJobStores, type JobStores } from '../../../../test/support/job-stores';
import { World } from '../testing/world';
import { verifyLedger } from '../verification/verify-ledger';
import { LogNotEmpty, SyntheticHistory, writeSyntheticHistory } from './synthetic-history';

jest.setTimeout(120_000);

const JOBS = 600;
const SEED = 7;

let stores: JobStores;
let history: SyntheticHistory;
let events: StoredEvent[];
beforeAll(async () => {
  stores = await openJobStores();
  history = await writeSyntheticHistory(stores.database, { jobs: JOBS, seed: SEED });
  events = await eventsOf(stores);
});
afterAll(() => stores.close());

function eventsOf({ database }: JobStores): Promise<StoredEvent[]> {
  return database.write<StoredEvent>(
    `select ${STORED_EVENT_COLUMNS} from genledger.events e ${WITH_CONTENT} order by e.position`,
  );
}

/** Every job's story without what hangs on the present: ids and times. */
function stories(all: readonly StoredEvent[]): string[] {
  const byJob = new Map<string, string[]>();
  for (const { stream_id, user_id, type, data, meta, content } of all) {
    const { kind, mode, requested, code, attempt, cost_cents } = data;
    const told = {
      user_id,
      type,
      kind,
      mode,
      requested,
      code,
      attempt,
      cost_cents,
      actor: meta.actor,
      content,
    };
    byJob.set(stream_id, [...(byJob.get(stream_id) ?? []), JSON.stringify(told)]);
  }
  return [...byJob.values()].map((job) => job.join('\n')).sort();
}

it('holds every invariant of the ledger', async () => {
  const results = await verifyLedger(stores.database);
  expect(results.filter(({ holds }) => !holds)).toEqual([]);
  expect(results.find(({ invariant }) => invariant === 'jobs_equal_replay')?.checked).toBe(JOBS);
});

it('has jobs in every state, and retries, lost leases, deadlines and deletions', () => {
  expect(history.statistics.map(({ status }) => status).sort()).toEqual([
    'canceled',
    'failed',
    'queued',
    'running',
    'succeeded',
  ]);
  const types = new Set(events.map(({ type }) => type));
  for (const type of [
    'JobAttemptFailed',
    'JobLeaseExpired',
    'JobReleased',
    'JobCancelRequested',
    'JobDeleted',
  ])
    expect(types).toContain(type);
  const codes = new Set(events.map(({ data }) => data.code));
  for (const code of ['deadline_exceeded', 'provider_unavailable', 'render_failed'])
    expect(codes).toContain(code);
});

it('tells sums that are those of its events, all of them folded', async () => {
  const world = new World(events);
  const byStatus = (a: { status: string }, b: { status: string }): number => (a.status < b.status ? -1 : 1);
  expect([...history.statistics].sort(byStatus)).toEqual(world.statistics().sort(byStatus));
  const incurred = world.costs('user').reduce((sum, { incurred_cents }) => sum + incurred_cents, 0);
  expect(history.incurredCents).toBe(incurred);
  expect(history.events).toBe(events.length);
  expect(history.users).toBe(new Set(events.map(({ user_id }) => user_id)).size);
  const folded = await stores.database.write(
    `select position from genledger.checkpoints where name = 'jobs'`,
  );
  expect(folded).toEqual([{ position: events.at(-1)!.position }]);
});

it('lies in the past, three months of it, and never runs backwards in a stream', () => {
  const times = events.map(({ recorded_at }) => recorded_at.getTime());
  expect(Math.max(...times)).toBeLessThanOrEqual(history.until);
  expect(history.until).toBeLessThanOrEqual(Date.now());
  expect(Math.min(...times)).toBeGreaterThanOrEqual(history.from);
  expect(
    new Set(events.map(({ recorded_at }) => recorded_at.toISOString().slice(0, 10))).size,
  ).toBeGreaterThan(60);
  const last = new Map<string, number>();
  for (const { stream_id, recorded_at } of events) {
    expect(recorded_at.getTime()).toBeGreaterThanOrEqual(last.get(stream_id) ?? 0);
    last.set(stream_id, recorded_at.getTime());
  }
});

it('gives jobs ids and times of their own events', async () => {
  const faults = await stores.superuser.query(
    `with spans as (
       select stream_id as id, min(recorded_at) as first, max(recorded_at) as last from genledger.events group by 1)
     select s.id from spans s
       left join genledger.generation_jobs j on j.id = s.id
       left join genledger.ended_streams d on d.stream_id = s.id
      where genledger.job_time(left(s.id::text, 13)) <> s.first
         or num_nonnulls(j.id, d.stream_id) <> 1
         or j.created_at <> s.first or j.updated_at <> s.last or d.ended_at <> s.last`,
  );
  expect(faults.rows).toEqual([]);
  const projects = await stores.superuser.query<{ created_at: Date }>(
    'select created_at from genledger.projects',
  );
  expect(projects.rows.length).toBeGreaterThan(0);
  for (const { created_at } of projects.rows) expect(created_at.getTime()).toBe(history.from);
});

it('has ticks that cut positions and times at the same place', async () => {
  const ticks = await stores.database.write<{ position: number; at: Date }>(
    'select position, at from genledger.ticks order by position',
  );
  expect(ticks.length).toBeGreaterThan(100);
  expect(ticks.at(-1)!.position).toBe(events.at(-1)!.position);
  for (const { position, at } of ticks) {
    const wrong = events.filter((event) => event.position <= position !== event.recorded_at <= at);
    expect(wrong.map(({ stream_id, version }) => `${stream_id} ${version}`)).toEqual([]);
  }
});

it('refuses a log that has events, and writes nothing into it', async () => {
  await expect(writeSyntheticHistory(stores.database, { jobs: 3, seed: 1 })).rejects.toThrow(LogNotEmpty);
  expect(await eventsOf(stores)).toHaveLength(events.length);
});

describe('on another database', () => {
  let other: JobStores;
  beforeEach(async () => (other = await openJobStores()));
  afterEach(() => other.close());

  it('makes the same jobs of the same seed', async () => {
    const again = await writeSyntheticHistory(other.database, { jobs: JOBS, seed: SEED });
    expect(stories(await eventsOf(other))).toEqual(stories(events));
    expect({ ...again, from: 0, until: 0 }).toEqual({ ...history, from: 0, until: 0 });
  });

  it('makes other jobs of another seed', async () => {
    await writeSyntheticHistory(other.database, { jobs: JOBS, seed: SEED + 1 });
    expect(stories(await eventsOf(other))).not.toEqual(stories(events));
  });

  it('makes a history of a single job', async () => {
    const { events: written } = await writeSyntheticHistory(other.database, { jobs: 1, seed: SEED });
    const all = await eventsOf(other);
    expect(all).toHaveLength(written);
    expect(stories(all)).toHaveLength(1);
  });

  it('stops where it is interrupted', async () => {
    const interrupted = new Error('interrupted');
    const stop = (): never => {
      throw interrupted;
    };
    await expect(writeSyntheticHistory(other.database, { jobs: 1, seed: SEED }, stop)).rejects.toBe(
      interrupted,
    );
    expect(await eventsOf(other)).toEqual([]);
    expect((await other.superuser.query('select from genledger.projects')).rowCount).toBe(0);
  });
});
