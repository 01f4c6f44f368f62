import type { Database, Query } from '@genledger/platform';
import { isLive, LiveJob } from '../job';
import { insertOutputsStatement } from '../job-rows';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import type { ReplayedJob } from '../read-models/replay';
import { outputDifferences } from '../verification/job-differences';
import { JobRecord, readJobsOf } from '../verification/job-records';
import { strayJob } from './job-model';
import { COLD_COLUMNS, coldRow, HOT_COLUMNS, hotRow } from './model-rows';

export interface MendedJob {
  readonly id: string;
  /** What was not as its history says. */
  readonly detail: string;
}

interface Mending extends MendedJob {
  readonly record: JobRecord;
  readonly replayed: ReplayedJob;
}

/**
 * Makes the read models of jobs what their histories say, in one transaction. It locks the hot rows as commands do, in the
 * order of their ids, and reads histories and rows only then: what a command has written meanwhile is there to see, and
 * no command writes until the commit. A job without a hot row has nothing to lock; commands do not find it either.
 *
 * Rejects with 55P03 where somebody holds a row for longer than genledger.load_jobs waits.
 */
export function mendJobs(database: Database, ids: readonly string[]): Promise<MendedJob[]> {
  return database.transaction(async (query) => {
    await query(`select count(*) from genledger.load_jobs($1::uuid[], true)`, [ids]);
    const mendings = (await readJobsOf(query, ids)).flatMap((record): Mending[] => {
      const stray = strayJob(record);
      return stray?.replayed ? [{ ...stray, id: record.id, replayed: stray.replayed }] : [];
    });
    if (mendings.length > 0) {
      await dropRows(query, mendings);
      await writeRows(query, mendings);
      await writeOutputs(query, mendings);
      await setTombstones(query, mendings);
    }
    return mendings.map(({ id, detail }) => ({ id, detail }));
  });
}

const idsOf = (mendings: readonly Mending[]): string[] => mendings.map(({ id }) => id);

/** Of jobs that are not listed. The text of an ended one stays with its history, as its end would have left it. */
async function dropRows(query: Query, mendings: readonly Mending[]): Promise<void> {
  const unlisted = mendings.filter(({ replayed }) => !replayed.row);
  if (unlisted.length === 0) return;
  const ended = unlisted.filter(({ replayed }) => replayed.state.status === 'ended');
  await query(`delete from genledger.job_states where id = any ($1::uuid[])`, [idsOf(unlisted)]);
  await query(`delete from genledger.job_outputs where job_id = any ($1::uuid[])`, [idsOf(unlisted)]);
  await query(
    `with gone as (delete from genledger.job_requests where id = any ($1::uuid[])
                   returning id, user_id, content_salt, content_body)
     insert into genledger.contents (stream_id, version, user_id, salt, body)
     select g.id, 1, g.user_id, g.content_salt, g.content_body from gone g
      where g.content_body is not null and g.id = any ($2::uuid[])
     on conflict (stream_id, version) do nothing`,
    [idsOf(unlisted), idsOf(ended)],
  );
}

async function writeRows(query: Query, mendings: readonly Mending[]): Promise<void> {
  const live = mendings.flatMap(({ id, record, replayed: { row, state } }) =>
    row && isLive(state) ? [{ id, record, row, state }] : [],
  );
  if (live.length === 0) return;
  await upsert(query, 'job_states', HOT_COLUMNS, live.map(hotRowOf));
  await upsert(query, 'job_requests', COLD_COLUMNS, live.map(coldRowOf));
  // Where the cold row was missing its text may have been set aside, as that of an ended job is.
  await query(
    `with kept as (delete from genledger.contents c using genledger.job_requests r
                    where r.id = any ($1::uuid[]) and r.content_body is null and c.stream_id = r.id and c.version = 1
                   returning c.stream_id, c.salt, c.body)
     update genledger.job_requests r set content_salt = k.salt, content_body = k.body from kept k where r.id = k.stream_id`,
    [live.map(({ id }) => id)],
  );
}

interface Live {
  readonly id: string;
  readonly record: JobRecord;
  readonly row: GenerationJobRow;
  readonly state: LiveJob;
}

const hotRowOf = ({ id, state, record }: Live): object => hotRow(id, state, record.hot);
const coldRowOf = ({ row, record }: Live): object => coldRow(row, record.history);

async function upsert(
  query: Query,
  table: 'job_states' | 'job_requests',
  columns: readonly string[],
  rows: readonly object[],
): Promise<void> {
  const set = columns.filter((column) => column !== 'id').map((column) => `${column} = excluded.${column}`);
  await query(
    `insert into genledger.${table} (${columns.join(', ')})
     select ${columns.join(', ')} from json_populate_recordset(null::genledger.${table}, $1::json)
     on conflict (id) do update set ${set.join(', ')}`,
    [JSON.stringify(rows)],
  );
}

async function writeOutputs(query: Query, mendings: readonly Mending[]): Promise<void> {
  const wrong = mendings.filter(
    ({ record, replayed }) => replayed.row && outputDifferences(record.outputs, replayed).length > 0,
  );
  if (wrong.length === 0) return;
  await query(`delete from genledger.job_outputs where job_id = any ($1::uuid[])`, [idsOf(wrong)]);
  const linked = wrong.flatMap(({ id, replayed: { row, outputs } }) =>
    outputs.map((output) => ({ jobId: id, userId: row!.user_id, output })),
  );
  if (linked.length === 0) return;
  const { text, values } = insertOutputsStatement(linked);
  await query(text, values);
}

async function setTombstones(query: Query, mendings: readonly Mending[]): Promise<void> {
  await query(`delete from genledger.ended_streams where stream_id = any ($1::uuid[])`, [idsOf(mendings)]);
  const tombstones = mendings.flatMap(({ id, record: { history }, replayed: { state } }) => {
    if (state.status !== 'ended') return [];
    const end = history.findLast(({ type }) => type === 'JobDeleted' || type === 'JobArchived')!;
    const { reason, version } = state;
    return [{ stream_id: id, user_id: end.user_id, version, reason, ended_at: end.recorded_at }];
  });
  if (tombstones.length === 0) return;
  await query(
    `insert into genledger.ended_streams (stream_id, user_id, version, reason, ended_at)
     select stream_id, user_id, version, reason, ended_at
       from json_populate_recordset(null::genledger.ended_streams, $1::json)`,
    [JSON.stringify(tombstones)],
  );
}
