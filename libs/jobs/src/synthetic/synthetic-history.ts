import type { Client } from 'pg';
import { Doorbell, Projector, Watermark } from '@genledger/event-store';
import type { Actor, Database, ReportProgress } from '@genledger/platform';
import type { JobOutcome } from '../job-item';
import { JobStore } from '../job-store';
import { JOB_FOLD } from '../processes/job-fold';
import { JobStatistic, StatisticsReader } from '../read-models/statistics-reader';
import { Cast } from './cast';
import { Chance } from './chance';
import { Span, syntheticJobs } from './synthetic-jobs';
import { rounds, TimeSlice, timeSlices } from './time-slices';

const DAY_MS = 86_400_000;
const SPAN_MS = 90 * DAY_MS;
/** How exact a time of the past is in sums: there is a tick at the end of each. Shorter ones make smaller batches. */
const SLICE_MS = DAY_MS / 4;

export interface SyntheticHistory extends Span {
  readonly events: number;
  readonly users: number;
  /** Of the user with the most jobs. */
  readonly busiestUserId: string;
  /** Deleted jobs left out. */
  readonly statistics: readonly JobStatistic[];
  readonly incurredCents: number;
}

/** Adds up all users' sums. */
const AUDITOR: Actor = { userId: '00000000-0000-0000-0000-000000000000', role: 'auditor' };

export class LogNotEmpty extends Error {
  override readonly name = 'LogNotEmpty';

  constructor() {
    super('the log has events: a made-up history goes into an empty one only');
  }
}

/**
 * Makes a history up and tells it to the decider, command by command, each with a time of its own: the last 90 days up
 * to now. Whatever the seed decides is the same each time; ids and times are not, as they hang on the present.
 *
 * The log has to be empty, and nobody else may work on it: a command that is not accepted ends it halfway. So does
 * `report`, if it throws.
 *
 * @throws LogNotEmpty
 */
export async function writeSyntheticHistory(
  database: Database,
  { jobs, seed }: { readonly jobs: number; readonly seed: number },
  report: ReportProgress = () => undefined,
): Promise<SyntheticHistory> {
  const span = await spanInEmptyLog(database);
  const chance = new Chance(seed);
  const cast = new Cast(jobs, span.from, chance);
  const tally = new Map<string, number>();
  let [events, done] = [0, 0];
  report({ step: 'jobs', done, total: jobs });
  await preparePast(database, cast, span);
  const openSession = (): Promise<Client> => database.openSession('genledger demo-data');
  const doorbell = new Doorbell(openSession);
  try {
    const store = new JobStore({ pool: database.writer, openSession }, doorbell);
    const watermark = new Watermark(database.writer);
    for (const slice of timeSlices(syntheticJobs(jobs, cast, span, chance), SLICE_MS)) {
      await writeSlice(store, slice);
      await recordTick(database, await watermark.read(), Math.min(slice.end, span.until));
      events += slice.items.length;
      for (const { command, userId } of slice.items) {
        if (command.type !== 'queue') continue;
        done++;
        tally.set(userId, (tally.get(userId) ?? 0) + 1);
      }
      report({ step: 'jobs', done, total: jobs });
    }
    report({ step: 'sums', done: 0, total: events });
    await new Projector(database.writer, watermark, doorbell, JOB_FOLD, () => undefined).drain();
  } finally {
    await doorbell.close();
  }
  const [busiestUserId] = [...tally].reduce((most, user) => (user[1] > most[1] ? user : most));
  return { ...span, events, users: tally.size, busiestUserId, ...(await readSums(database)) };
}

async function readSums(database: Database): Promise<Pick<SyntheticHistory, 'statistics' | 'incurredCents'>> {
  const reader = new StatisticsReader(database);
  const costs = await reader.costs(AUDITOR, 'user');
  return {
    statistics: await reader.statistics(AUDITOR),
    incurredCents: costs.reduce((sum, { incurred_cents }) => sum + incurred_cents, 0),
  };
}

async function spanInEmptyLog(database: Database): Promise<Span> {
  const [log] = await database.write<{ begun: boolean; now: number }>(
    `select exists (select from genledger.events) as begun,
            floor(date_part('epoch', clock_timestamp()) * 1000) as now`,
  );
  const { begun, now } = log!;
  if (begun) throw new LogNotEmpty();
  return { from: now - SPAN_MS, until: now };
}

/** The months' partitions, and what jobs refer to. */
async function preparePast(database: Database, { users }: Cast, { from, until }: Span): Promise<void> {
  await database.write(`select genledger.ensure_partitions(to_timestamp($1), to_timestamp($2))`, [
    from / 1_000,
    until / 1_000,
  ]);
  const projects = users.flatMap(({ id: userId, projects: own }) => own.map((one) => ({ ...one, userId })));
  await database.write(
    `insert into genledger.projects (id, user_id, name, created_at)
     select p.id, p.user_id, p.name, to_timestamp($4) from unnest($1::uuid[], $2::uuid[], $3::text[]) as p(id, user_id, name)`,
    [
      projects.map(({ id }) => id),
      projects.map(({ userId }) => userId),
      projects.map(({ name }) => name),
      from / 1_000,
    ],
  );
}

async function writeSlice(store: JobStore, { items }: TimeSlice): Promise<void> {
  for (const round of rounds(items)) {
    // One by one: they are shared out over two lanes. A call of many would be a single batch, with nothing beside it.
    const outcomes = await Promise.all(round.map((item) => store.submit(item)));
    const other = outcomes.findIndex(({ status }) => status !== 'accepted');
    if (other !== -1) throw new Error(notAccepted(outcomes[other]!, round[other]!.command.type));
  }
}

function notAccepted(outcome: JobOutcome, command: string): string {
  const { id, status } = outcome;
  const why = outcome.status === 'refused' ? outcome.code : status;
  return `"${command}" of job ${id} was not accepted (${why}): does a server work on this database?`;
}

/**
 * As genledger.record_tick does at the time of the clock: ticks rise in both columns. One that somebody else wrote at a
 * later time stays the last.
 */
async function recordTick(database: Database, position: number, at: number): Promise<void> {
  await database.transaction(async (query) => {
    await query(`select pg_catalog.pg_advisory_xact_lock(hashtext('genledger.record_tick'))`);
    await query(
      `insert into genledger.ticks (position, at)
       select $1::bigint, to_timestamp($2::float8 / 1000) from genledger.ticks t
       having coalesce(max(t.position), 0) < $1::bigint
          and coalesce(max(t.at), '-infinity') <= to_timestamp($2::float8 / 1000)`,
      [position, at],
    );
  });
}
