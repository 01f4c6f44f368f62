/** What is done by hand (`:name` is that job's id), what then fails, and whose id is named. */
export type Corruption = readonly [what: string, sql: string, invariants: string[], name: string];

const SUMS = ['statistics_equal_jobs', 'summary_equals_jobs'];

/** Of what `genledger rebuild generation_jobs` answers for: hot and cold rows, outputs, tombstones. */
export const JOB_MODEL_CORRUPTIONS: readonly Corruption[] = [
  [
    'a status that no event tells of',
    `update genledger.job_states set status = 'running' where id = :moved`,
    ['jobs_equal_replay', ...SUMS],
    'moved',
  ],
  [
    'one attempt too many',
    `update genledger.job_states set attempt = attempt + 1 where id = :failed`,
    ['jobs_equal_replay'],
    'failed',
  ],
  [
    'a live history without a row',
    `with gone as (delete from genledger.job_states where id = :waiting)
     delete from genledger.job_requests where id = :waiting`,
    // Its prompt stood beside it.
    ['contents_match', 'jobs_equal_replay', ...SUMS],
    'waiting',
  ],
  [
    'a row without a history',
    `with gone as (update genledger.job_requests set content_salt = null, content_body = null where id = :waiting)
     delete from genledger.events where stream_id = :waiting`,
    ['jobs_equal_replay'],
    'waiting',
  ],
  [
    'halves of a row that disagree',
    `update genledger.job_states set project_id = null where id = :moved`,
    ['jobs_equal_replay'],
    'moved',
  ],
  [
    'an output that is missing',
    `delete from genledger.job_outputs where job_id = :painted and position = 2`,
    ['outputs_equal_replay'],
    'painted',
  ],
  [
    'an output of a job that has none',
    `insert into genledger.job_outputs select :failed, 9, user_id, upload_id, mime_type, size, sha256, width, height
       from genledger.job_outputs where job_id = :painted and position = 1`,
    ['outputs_equal_replay'],
    'failed',
  ],
  [
    'a deleted job without a tombstone',
    `delete from genledger.ended_streams where stream_id = :deleted`,
    ['tombstones_equal_replay'],
    'deleted',
  ],
  [
    'a job that reserves after its end',
    `update genledger.job_states set reserved_cents = 5 where id = :painted`,
    ['jobs_equal_replay', 'reservations_released'],
    'painted',
  ],
  [
    'a hot row without a cold row',
    `delete from genledger.job_requests where id = :moved`,
    // The text of its first event stood beside it.
    ['contents_match', 'jobs_equal_replay', ...SUMS],
    'moved',
  ],
  [
    'a cold row without a hot row',
    `delete from genledger.job_states where id = :failed`,
    ['jobs_equal_replay', ...SUMS],
    'failed',
  ],
  [
    'a token that no event has handed out',
    `update genledger.job_states set lease_token = 1 where id = :painted`,
    ['jobs_equal_replay'],
    'painted',
  ],
  [
    'a request that was rewritten',
    `update genledger.job_requests set effective = '{"seed":1}', tags = '{x}', estimated_cents = 7 where id = :painted`,
    ['jobs_equal_replay'],
    'painted',
  ],
  [
    'a deleted job that is listed',
    `with back as (delete from genledger.ended_streams where stream_id = :deleted),
          hot as (insert into genledger.job_states select (s).* from (
            select json_populate_record(s, json_build_object('id', :deleted)) as s
              from genledger.job_states s where id = :failed) c)
     insert into genledger.job_requests select (r).* from (
       select json_populate_record(r, json_build_object('id', :deleted)) as r
         from genledger.job_requests r where id = :stated) c`,
    ['jobs_equal_replay', ...SUMS, 'tombstones_equal_replay'],
    'deleted',
  ],
];
