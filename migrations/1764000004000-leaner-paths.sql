-- Fewer rows and index entries a job, folds that parse no JSON, and fewer waits for locks (ADR 10).
-- Nothing that the log holds is changed.

alter table genledger.events add column account text;
comment on column genledger.events.account is
  'What a change of cost is booked under, as a JSON array (a job''s mode, kind, model); null where no cent moved.';

-- What an event that charges is booked under. Events from before the column say so in their data alone.
create function genledger.job_account(p_data json) returns text
  language sql immutable strict parallel safe
  as $$ select json_build_array(p_data ->> 'mode', p_data ->> 'kind', p_data ->> 'model')::text $$;

-- When a stream was begun: the time that its UUIDv7 begins with. Without SET, so that it is inlined.
do $$
begin
  if current_setting('server_version_num')::int >= 170000 then
    create function genledger.stream_time(p_id uuid) returns timestamptz
      language sql immutable strict parallel safe
      as 'select pg_catalog.uuid_extract_timestamp(p_id)';
  else
    create function genledger.stream_time(p_id uuid) returns timestamptz
      language sql immutable strict parallel safe
      as 'select genledger.job_time(left(p_id::text, 13))';
  end if;
end $$;

-- One index a status: no text is compared, and two of them stay untouched while jobs are queued and succeed.
drop index genledger.job_states_by_user_status;
create index job_states_queued on genledger.job_states (user_id, id) where status = 'queued';
create index job_states_failed on genledger.job_states (user_id, id) where status = 'failed';
create index job_states_canceled on genledger.job_states (user_id, id) where status = 'canceled';

-- The content of JobQueued stands beside the request: a row and an index entry less for each new job.
alter table genledger.job_requests add column content_salt bytea, add column content_body json;
comment on column genledger.job_requests.content_body is 'Erasable text of the job''s first event; later ones have theirs in genledger.contents.';
alter table genledger.job_requests no force row level security;
alter table genledger.contents no force row level security;
update genledger.job_requests r set content_salt = c.salt, content_body = c.body
  from genledger.contents c where c.stream_id = r.id and c.version = 1;
delete from genledger.contents c using genledger.job_requests r where r.id = c.stream_id and c.version = 1;
alter table genledger.job_requests force row level security;
alter table genledger.contents force row level security;

create view genledger.event_contents with (security_invoker = true) as
  select stream_id, version, user_id, salt, body from genledger.contents
  union all
  select id, 1, user_id, content_salt, content_body from genledger.job_requests where content_body is not null;
comment on view genledger.event_contents is 'Erasable text of events, wherever it stands.';
grant select on genledger.event_contents to genledger_writer, authenticated, genledger_auditor;

create or replace view genledger.generation_jobs with (security_invoker = true) as
  select r.id, r.user_id, r.project_id, s.status, r.mode, r.input_asset_id,
         e.body ->> 'message' as error,
         s.cost_cents, r.created_at, s.updated_at,
         r.kind, s.model, s.version, s.attempt, s.max_attempts, -s.rank as priority, s.run_at, s.deadline,
         s.lease_expires_at, s.worker_id, s.reserved_cents, s.error_code, s.cancel_requested_at,
         s.started_at, s.completed_at, r.collection_id, r.ordinal_number, r.trait_overrides,
         e.body ->> 'message' as error_message,
         c.body ->> 'prompt' as prompt, c.body ->> 'negative_prompt' as negative_prompt, c.body -> 'metadata' as metadata,
         r.requested as requested_parameters, r.effective as effective_parameters, r.estimated_cents, r.tags, r.retry_of
    from genledger.job_requests r
    join genledger.job_states s on s.id = r.id
   cross join lateral (
     select case when r.content_version = 1 then r.content_body
                 else (select d.body from genledger.contents d where d.stream_id = r.id and d.version = r.content_version)
            end as body) c
    left join genledger.contents e on e.stream_id = r.id and e.version = s.error_version;

-- Announces a lower bound before positions are taken: "I may use positions above lo". One lock a transaction.
-- Callers hold the rows of their streams, so position order is stream order.
-- Assignments, where PERFORM would do: PL/pgSQL evaluates them without a run of the executor each.
create or replace function genledger.announce_append() returns void
  language plpgsql volatile set search_path = ''
  as $$
declare
  lo    bigint;
  known bigint := nullif(current_setting('genledger.bound', true), '')::bigint;
  bound bigint;
  done  text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'appending needs READ COMMITTED, not %', current_setting('transaction_isolation') using errcode = '25001';
  end if;
  select case when is_called then last_value else last_value - 1 end into lo from genledger.event_position;
  -- Locked again where it is held already, which costs no lock memory: a bound that somebody made up only delays.
  bound := greatest(least(lo, known), 0);
  done := pg_catalog.pg_advisory_xact_lock_shared((42::bigint << 48) | bound)::text;
  if bound is distinct from known then
    done := pg_catalog.set_config('genledger.bound', bound::text, true);
  end if;
end $$;

-- From here on, arrays are unnested in the select list: side by side, without a copy of each of them.

drop function genledger.append_events(uuid[], int[], uuid[], text[], int[], json[], json[], timestamptz[], uuid[], text[]);
-- Appends events of any number of streams whose heads the caller has locked. Returns the last position.
create function genledger.append_events(
  p_stream_ids uuid[], p_versions int[], p_user_ids uuid[], p_types text[], p_schema_versions int[],
  p_data json[], p_meta json[], p_recorded_at timestamptz[], p_scope_ids uuid[], p_tallies text[], p_accounts text[]) returns bigint
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
  as $$
declare
  done text;
begin
  done := genledger.announce_append()::text;
  insert into genledger.events
    (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally, account)
  select nextval('genledger.event_position'), e.stream_id, e.version, e.user_id, e.type, e.schema_version,
         e.data, e.meta, e.recorded_at, (select l.epoch from genledger.log_epoch l), e.scope_id, e.tally::int[], e.account
    from (select unnest(p_stream_ids) as stream_id, unnest(p_versions) as version, unnest(p_user_ids) as user_id,
                 unnest(p_types) as type, unnest(p_schema_versions) as schema_version, unnest(p_data) as data,
                 unnest(p_meta) as meta, unnest(p_recorded_at) as recorded_at, unnest(p_scope_ids) as scope_id,
                 unnest(p_tallies) as tally, unnest(p_accounts) as account) e;
  return currval('genledger.event_position');
end $$;

drop function genledger.insert_jobs(uuid[], uuid[], uuid[], text[], text[], text[], int[], int[], timestamptz[], timestamptz[],
  int[], int[], uuid[], uuid[], int[], json[], json[], json[], text[], uuid[], int[], timestamptz[]);
create function genledger.insert_jobs(
  p_ids uuid[], p_user_ids uuid[], p_project_ids uuid[], p_kinds text[], p_modes text[], p_models text[],
  p_max_attempts int[], p_ranks int[], p_run_at timestamptz[], p_deadlines timestamptz[], p_reserved int[], p_costs int[],
  p_assets uuid[], p_collections uuid[], p_ordinals int[], p_traits json[], p_requested json[], p_effective json[],
  p_tags text[], p_retry_of uuid[], p_salts bytea[], p_bodies json[], p_created_at timestamptz[]) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
  as $$
begin
  insert into genledger.job_states (id, user_id, project_id, kind, mode, model, status, version, attempt, max_attempts,
    rank, run_at, deadline, reserved_cents, cost_cents, input_asset_id, updated_at)
  select n.id, n.user_id, n.project_id, n.kind, n.mode, n.model, 'queued', 1, 0, n.max_attempts,
         n.rank, n.run_at, n.deadline, n.reserved, n.cost, n.asset, n.created_at
    from (select unnest(p_ids) as id, unnest(p_user_ids) as user_id, unnest(p_project_ids) as project_id,
                 unnest(p_kinds) as kind, unnest(p_modes) as mode, unnest(p_models) as model,
                 unnest(p_max_attempts) as max_attempts, unnest(p_ranks) as rank, unnest(p_run_at) as run_at,
                 unnest(p_deadlines) as deadline, unnest(p_reserved) as reserved, unnest(p_costs) as cost,
                 unnest(p_assets) as asset, unnest(p_created_at) as created_at) n;
  insert into genledger.job_requests (id, user_id, project_id, kind, mode, input_asset_id, collection_id, ordinal_number,
    trait_overrides, requested, effective, estimated_cents, tags, retry_of, content_version, content_salt, content_body,
    created_at)
  select n.id, n.user_id, n.project_id, n.kind, n.mode, n.asset, n.collection, n.ordinal, n.traits::jsonb,
         n.requested, n.effective, n.reserved, n.tags::text[], n.retry_of, case when n.body is not null then 1 end,
         n.salt, n.body, n.created_at
    from (select unnest(p_ids) as id, unnest(p_user_ids) as user_id, unnest(p_project_ids) as project_id,
                 unnest(p_kinds) as kind, unnest(p_modes) as mode, unnest(p_assets) as asset,
                 unnest(p_collections) as collection, unnest(p_ordinals) as ordinal, unnest(p_traits) as traits,
                 unnest(p_requested) as requested, unnest(p_effective) as effective, unnest(p_reserved) as reserved,
                 unnest(p_tags) as tags, unnest(p_retry_of) as retry_of, unnest(p_salts) as salt, unnest(p_bodies) as body,
                 unnest(p_created_at) as created_at) n;
end $$;

drop function genledger.queue_jobs(uuid[], uuid[], json[], json[], uuid[], text[], text[], text[], int[], int[],
  timestamptz[], int[], int[], json[], json[], text[], int[], text[], uuid[], uuid[], bytea[], json[], uuid[], uuid[], uuid[],
  uuid[], uuid[], boolean);
-- Queues new jobs that need no state and no clock to be decided: settles references and keys, appends, writes all rows.
-- All or nothing. Answers one row 'queued' with the time and the last position, or, having written nothing, one row for
-- each pair (user, project) that is not there or held, or for each key that is taken. Sent again after a lost answer
-- (p_sent_before), it looks for its first event and answers as it did.
-- A job's key is null where it has none. Keys are nearly always new, and asking first costs a second descent: unless
-- p_settle_keys, a taken one is an error (23505 of idempotency_keys_pkey), and the caller sends the batch again.
create function genledger.queue_jobs(
    p_ids uuid[], p_user_ids uuid[], p_data json[], p_metas json[], p_projects uuid[], p_kinds text[], p_modes text[],
    p_models text[], p_max_attempts int[], p_ranks int[], p_run_at timestamptz[], p_reserved int[], p_costs int[],
    p_accounts text[], p_requested json[], p_effective json[], p_tags text[], p_salts bytea[], p_bodies json[],
    p_pair_projects uuid[], p_pair_users uuid[], p_key_hashes uuid[], p_fingerprints uuid[],
    p_settle_keys boolean, p_sent_before boolean)
  returns table (answer text, id uuid, at_ms float8, last_position bigint)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_nestloop = off set lock_timeout = '250ms'
  as $$
#variable_conflict use_column
declare
  at    timestamptz;
  keyed bigint;
  taken bigint;
  done  text;
begin
  if p_sent_before then
    select 'queued', null, date_part('epoch', e.recorded_at) * 1000, null into answer, id, at_ms, last_position
      from genledger.events e where e.stream_id = p_ids[1] and e.version = 1;
    if found then
      select max(e.position) into last_position from genledger.events e where e.stream_id = any (p_ids) and e.version = 1;
      return next;
      return;
    end if;
  end if;

  if cardinality(p_pair_projects) > 0 then
    return query
      select 'reference', p.project_id, null::float8, null::bigint
        from unnest(p_pair_projects, p_pair_users) as p(project_id, user_id)
        left join (select t.id, t.user_id from genledger.projects t where t.id = any (p_pair_projects) order by t.id
                      for key share skip locked) l on l.id = p.project_id and l.user_id = p.user_id
       where l.id is null;
    if found then return; end if;
  end if;

  if not p_settle_keys then
    insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version)
    select k.hash, k.fingerprint, k.stream_id, 1
      from (select unnest(p_key_hashes) as hash, unnest(p_fingerprints) as fingerprint, unnest(p_ids) as stream_id) k
     where k.hash is not null order by k.hash;
  else
    insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version)
    select k.hash, k.fingerprint, k.stream_id, 1
      from unnest(p_key_hashes, p_fingerprints, p_ids) as k(hash, fingerprint, stream_id)
     where k.hash is not null order by k.hash
    on conflict (key_hash) do nothing;
    get diagnostics taken = row_count;
    select count(k.hash) into keyed from unnest(p_key_hashes) as k(hash);
    if taken < keyed then
      delete from genledger.idempotency_keys where key_hash = any (p_key_hashes) and stream_id = any (p_ids);
      return query
        select 'key', k.key_hash, null::float8, null::bigint from genledger.idempotency_keys k
         where k.key_hash = any (p_key_hashes);
      return;
    end if;
  end if;

  done := genledger.announce_append()::text;
  at := date_trunc('milliseconds', clock_timestamp());
  insert into genledger.events
    (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally, account)
  select nextval('genledger.event_position'), j.id, 1, j.user_id, 'JobQueued', 1, j.data, j.meta, at,
         (select l.epoch from genledger.log_epoch l), j.project, array[0, 1, j.cost, j.cost, 0], j.account
    from (select unnest(p_ids) as id, unnest(p_user_ids) as user_id, unnest(p_data) as data, unnest(p_metas) as meta,
                 unnest(p_projects) as project, unnest(p_costs) as cost, unnest(p_accounts) as account) j;
  insert into genledger.job_states (id, user_id, project_id, kind, mode, model, status, version, attempt, max_attempts,
    rank, run_at, reserved_cents, cost_cents, updated_at)
  select j.id, j.user_id, j.project, j.kind, j.mode, j.model, 'queued', 1, 0, j.max_attempts, j.rank,
         coalesce(j.run_at, at), j.reserved, j.cost, at
    from (select unnest(p_ids) as id, unnest(p_user_ids) as user_id, unnest(p_projects) as project, unnest(p_kinds) as kind,
                 unnest(p_modes) as mode, unnest(p_models) as model, unnest(p_max_attempts) as max_attempts,
                 unnest(p_ranks) as rank, unnest(p_run_at) as run_at, unnest(p_reserved) as reserved,
                 unnest(p_costs) as cost) j;
  insert into genledger.job_requests (id, user_id, project_id, kind, mode, requested, effective, estimated_cents, tags,
    content_version, content_salt, content_body, created_at)
  select j.id, j.user_id, j.project, j.kind, j.mode, j.requested, j.effective, j.reserved, j.tags::text[],
         case when j.body is not null then 1 end, j.salt, j.body, at
    from (select unnest(p_ids) as id, unnest(p_user_ids) as user_id, unnest(p_projects) as project, unnest(p_kinds) as kind,
                 unnest(p_modes) as mode, unnest(p_requested) as requested, unnest(p_effective) as effective,
                 unnest(p_reserved) as reserved, unnest(p_tags) as tags, unnest(p_salts) as salt,
                 unnest(p_bodies) as body) j;

  answer := 'queued';
  at_ms := date_part('epoch', at) * 1000;
  last_position := currval('genledger.event_position');
  return next;
end $$;

-- Starts the next due jobs, best rank first, after a given key: what `decide` answers to a worker's `start`, set-based
-- (fast-paths.int.spec.ts compares the two event by event and row by row). Rows without a user are overdue: they were
-- not started, and their deadline is for `decide`. No wait for locks, so the time may be taken before them:
-- recorded_at is never earlier than the row's last event.
create or replace function genledger.start_jobs(p_external boolean, p_kinds text[], p_max int, p_after_rank int,
    p_after_run_at timestamptz, p_after_id uuid, p_worker_id text, p_lease_ms int, p_meta json)
  returns table (id uuid, user_id uuid, kind text, attempt int, lease_token int, effective json, content json, rank int,
                 run_at timestamptz)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_sort = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
#variable_conflict use_column
declare
  at        timestamptz;
  done      text;
  lease_end timestamptz;
  told      text := '{"project_id":%s,"from":"queued","to":"running","cost_cents":%s,"cost_delta_cents":0,'
                    '"reserved_delta_cents":0,"attempt":%s,"worker_id":%s,"lease_expires_at":"%s"}';
  worker    text := to_json(p_worker_id)::text;
  until     text;
begin
  done := genledger.announce_append()::text;
  at := date_trunc('milliseconds', clock_timestamp());
  lease_end := at + p_lease_ms * interval '1 millisecond';
  until := to_char(lease_end at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
  if p_external then
    return query
    with due as materialized (
      select s.ctid as row_id, s.id, s.rank, s.run_at, s.deadline from genledger.job_states s
       where s.status = 'queued' and s.kind = 'external' and s.run_at <= at
         and (s.rank, s.run_at, s.id) > (p_after_rank, p_after_run_at, p_after_id)
       order by s.rank, s.run_at, s.id limit p_max for no key update skip locked),
    started as (
      update genledger.job_states s
         set status = 'running', version = s.version + 1, attempt = s.attempt + 1, lease_token = s.version + 1,
             lease_expires_at = lease_end, worker_id = p_worker_id, updated_at = greatest(s.updated_at, at),
             started_at = coalesce(s.started_at, greatest(s.updated_at, at))
        from due d where s.ctid = d.row_id and (d.deadline is null or d.deadline > at)
      returning s.id, s.user_id, s.project_id, s.kind, s.version, s.attempt, s.cost_cents, s.updated_at, s.rank, s.run_at),
    logged as (
      insert into genledger.events
        (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally)
      select nextval('genledger.event_position'), t.id, t.version, t.user_id, 'JobStarted', 1,
             format(told, coalesce('"' || t.project_id || '"', 'null'), t.cost_cents, t.attempt, worker, until)::json,
             p_meta, t.updated_at, (select l.epoch from genledger.log_epoch l), t.project_id, array[1, 2, t.cost_cents, 0, 0]
        from started t)
    select t.id, t.user_id, t.kind, t.attempt, t.version, r.effective,
           case when r.content_version = 1 then r.content_body
                else (select c.body from genledger.contents c where c.stream_id = r.id and c.version = r.content_version) end,
           t.rank, t.run_at
      from started t join genledger.job_requests r on r.id = t.id
    union all
    select d.id, null, null, null, null, null, null, d.rank, d.run_at from due d where d.deadline <= at;
  else
    return query
    with due as materialized (
      select s.ctid as row_id, s.id, s.rank, s.run_at, s.deadline from genledger.job_states s
       where s.status = 'queued' and s.kind <> 'external' and s.kind = any (p_kinds) and s.run_at <= at
         and (s.rank, s.run_at, s.id) > (p_after_rank, p_after_run_at, p_after_id)
       order by s.rank, s.run_at, s.id limit p_max for no key update skip locked),
    started as (
      update genledger.job_states s
         set status = 'running', version = s.version + 1, attempt = s.attempt + 1, lease_token = s.version + 1,
             lease_expires_at = lease_end, worker_id = p_worker_id, updated_at = greatest(s.updated_at, at),
             started_at = coalesce(s.started_at, greatest(s.updated_at, at))
        from due d where s.ctid = d.row_id and (d.deadline is null or d.deadline > at)
      returning s.id, s.user_id, s.project_id, s.kind, s.version, s.attempt, s.cost_cents, s.updated_at, s.rank, s.run_at),
    logged as (
      insert into genledger.events
        (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally)
      select nextval('genledger.event_position'), t.id, t.version, t.user_id, 'JobStarted', 1,
             format(told, coalesce('"' || t.project_id || '"', 'null'), t.cost_cents, t.attempt, worker, until)::json,
             p_meta, t.updated_at, (select l.epoch from genledger.log_epoch l), t.project_id, array[1, 2, t.cost_cents, 0, 0]
        from started t)
    select t.id, t.user_id, t.kind, t.attempt, t.version, r.effective,
           case when r.content_version = 1 then r.content_body
                else (select c.body from genledger.contents c where c.stream_id = r.id and c.version = r.content_version) end,
           t.rank, t.run_at
      from started t join genledger.job_requests r on r.id = t.id
    union all
    select d.id, null, null, null, null, null, null, d.rank, d.run_at from due d where d.deadline <= at;
  end if;
end $$;

drop function genledger.succeed_jobs(uuid[], int[], int[], int[], json[], json[], json[], uuid[], int[], uuid[], text[],
  bigint[], text[], int[], int[]);
-- Ends running jobs well, whose lease token still holds: what `decide` answers to `succeed`, set-based (compared by
-- fast-paths.int.spec.ts). Returns the jobs that it ended; all others are for `decide`: stale tokens, repeated results,
-- rows that someone holds, outputs that are not the owner's.
-- A row is hardly ever held, and locking each before its update costs a WAL record more. So the update waits for a moment
-- (55P03 when that was too short), and the caller sends the batch again with p_leave_held.
create function genledger.succeed_jobs(
    p_ids uuid[], p_tokens int[], p_costs int[], p_output_counts int[], p_outputs json[], p_output_errors json[], p_metas json[],
    p_output_jobs uuid[], p_positions int[], p_upload_ids uuid[], p_mime_types text[], p_sizes bigint[], p_sha256 text[],
    p_widths int[], p_heights int[], p_leave_held boolean)
  returns table (id uuid, version int, last_position bigint)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_hashjoin = off set enable_mergejoin = off set lock_timeout = '20ms'
  as $$
#variable_conflict use_column
declare
  at        timestamptz;
  done      text;
  free      uuid[];
  kept      uuid[];
  foreign_outputs uuid[] := '{}';
  ended_ids uuid[];
  versions  int[];
  told      text := '{"project_id":%s,"from":"running","to":"succeeded","cost_cents":%s,"cost_delta_cents":%s,'
                    '"reserved_delta_cents":%s,"kind":"%s","mode":%s,"model":%s,"attempt":%s,"outputs":%s,"output_errors":%s}';
begin
  if p_leave_held then
    select coalesce(array_agg(f.id), '{}') into free from (
      select s.id from genledger.job_states s where s.id = any (p_ids) order by s.id for no key update skip locked) f;
    p_ids := array(select case when i.id = any (free) then i.id end
                     from unnest(p_ids) with ordinality as i(id, n) order by i.n);
  end if;
  done := genledger.announce_append()::text;
  if cardinality(p_output_jobs) > 0 then
    -- A row that somebody holds may be about to vanish: its job is for `decide`, which waits.
    select coalesce(array_agg(k.id), '{}') into kept from (
      select u.id from genledger.uploads u where u.id = any (p_upload_ids) order by u.id for key share skip locked) k;
    select coalesce(array_agg(distinct o.job_id), '{}') into foreign_outputs
      from unnest(p_output_jobs, p_upload_ids) as o(job_id, upload_id)
      left join genledger.job_states s on s.id = o.job_id
      left join genledger.uploads u on u.id = o.upload_id and u.user_id = s.user_id and u.id = any (kept)
     where u.id is null;
  end if;
  at := date_trunc('milliseconds', clock_timestamp());
  with mine as materialized (
    select j.row_id, j.reserved_cents, r.cost, r.output_count, r.outputs, r.output_errors, r.meta
      from (select unnest(p_ids) as id, unnest(p_tokens) as token, unnest(p_costs) as cost,
                   unnest(p_output_counts) as output_count, unnest(p_outputs) as outputs,
                   unnest(p_output_errors) as output_errors, unnest(p_metas) as meta) r
     -- coalesce: or the planner takes the index of running jobs and walks it whole for every id.
     cross join lateral (
       select s.ctid as row_id, s.id, s.reserved_cents from genledger.job_states s
        where s.id = r.id and coalesce(s.status, '') = 'running' and s.lease_token = r.token) j
     where j.id <> all (foreign_outputs)),
  ended as (
    -- By ctid: a row that somebody has changed meanwhile is another version, and left alone.
    update genledger.job_states s
       set status = 'succeeded', version = s.version + 1, lease_expires_at = null, error_code = null, error_version = null,
           cost_cents = s.cost_cents + m.cost, reserved_cents = 0, output_count = m.output_count,
           updated_at = greatest(s.updated_at, at), completed_at = greatest(s.updated_at, at)
      from mine m where s.ctid = m.row_id
    returning s.id, s.user_id, s.project_id, s.kind, to_json(s.mode)::text as mode,
              coalesce(to_json(s.model)::text, 'null') as model, s.version, s.attempt, s.cost_cents, m.cost,
              m.reserved_cents as reserved, s.updated_at, m.outputs, m.output_errors, m.meta),
  logged as (
    insert into genledger.events
      (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally, account)
    select nextval('genledger.event_position'), e.id, e.version, e.user_id, 'JobSucceeded', 1,
           format(told, coalesce('"' || e.project_id || '"', 'null'), e.cost_cents, e.cost, -e.reserved, e.kind, e.mode, e.model,
                  e.attempt, e.outputs, e.output_errors)::json,
           e.meta, e.updated_at, (select l.epoch from genledger.log_epoch l), e.project_id,
           array[2, 3, e.cost_cents, e.cost, 0],
           case when e.cost <> 0 then format('[%s,"%s",%s]', e.mode, e.kind, e.model) end
      from ended e)
  select coalesce(array_agg(e.id), '{}'), array_agg(e.version) into ended_ids, versions from ended e;
  if cardinality(p_output_jobs) > 0 then
    insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
    select o.job_id, o.position, u.user_id, o.upload_id, o.mime_type, o.size, o.sha256, o.width, o.height
      from unnest(p_output_jobs, p_positions, p_upload_ids, p_mime_types, p_sizes, p_sha256, p_widths, p_heights)
        as o(job_id, position, upload_id, mime_type, size, sha256, width, height)
      join genledger.uploads u on u.id = o.upload_id
     where o.job_id = any (ended_ids);
  end if;
  if cardinality(ended_ids) > 0 then
    return query select n.id, n.version, currval('genledger.event_position') from unnest(ended_ids, versions) as n(id, version);
  end if;
end $$;

-- Takes jobs out of the read models and leaves their tombstones. Their histories keep their texts.
create or replace function genledger.end_jobs(p_ids uuid[], p_versions int[], p_reason text, p_at timestamptz) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
begin
  with gone as (delete from genledger.job_states where id = any (p_ids) returning id, user_id)
  insert into genledger.ended_streams (stream_id, user_id, version, reason, ended_at)
  select g.id, g.user_id, n.version, p_reason, p_at
    from unnest(p_ids, p_versions) as n(id, version) join gone g on g.id = n.id;
  with gone as (delete from genledger.job_requests where id = any (p_ids) returning id, user_id, content_salt, content_body)
  insert into genledger.contents (stream_id, version, user_id, salt, body)
  select g.id, 1, g.user_id, g.content_salt, g.content_body from gone g where g.content_body is not null;
  delete from genledger.job_outputs where job_id = any (p_ids);
end $$;

-- Folds events in (checkpoint, watermark], at most p_max of them, into the three models. The caller read the watermark
-- in an earlier statement.
create or replace function genledger.fold_jobs(p_expected bigint, p_watermark bigint, p_max int)
  returns table (outcome text, reached bigint, folded int)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  as $$
begin
  select max(b.position), count(*) into reached, folded from (
    select e.position from genledger.events e
     where e.position > p_expected and e.position <= p_watermark order by e.position limit p_max) b;
  -- Fewer than p_max: all there is up to the watermark, so gaps at its end are behind us too.
  if folded < p_max then reached := p_watermark; end if;
  outcome := genledger.store_checkpoint('jobs', p_expected, reached);
  if outcome <> 'stored' or folded = 0 then return next; return; end if;

  -- Events are added up by what they have in common first, in one pass, and taken apart afterwards: a tenth of the rows.
  with moves as materialized (
    select e.user_id, e.scope_id as project_id,
           case when e.tally[5] = 1 then (e.data ->> 'from_project_id')::uuid else e.scope_id end as from_project_id,
           e.tally[1] as left_status, e.tally[2] as entered_status,
           case when e.tally[4] <> 0 then (e.recorded_at at time zone 'UTC')::date end as day,
           case when e.tally[4] <> 0 then coalesce(e.account, genledger.job_account(e.data)) end as account,
           count(*) as count, sum(e.tally[3]) as cost_cents, sum(e.tally[4]) as delta_cents,
           min(genledger.stream_time(e.stream_id)) as first_at, max(genledger.stream_time(e.stream_id)) as last_at
      from genledger.events e
     where e.position > p_expected and e.position <= reached
       and (e.tally[1] <> e.tally[2] or e.tally[4] <> 0 or e.tally[5] = 1)
     group by 1, 2, 3, 4, 5, 6, 7),
  moved as materialized (
    select o.user_id, m.project_id, genledger.job_status(m.status) as status, sum(m.count) as count,
           sum(m.cost_cents) as cost_cents, min(m.first_at) as first_at, max(m.last_at) as last_at
      from moves o
     cross join lateral (values
       (o.from_project_id, o.left_status, -o.count, o.delta_cents - o.cost_cents, null, null),
       (o.project_id, o.entered_status, o.count, o.cost_cents, o.first_at, o.last_at))
       as m(project_id, status, count, cost_cents, first_at, last_at)
     where m.status > 0
     group by 1, 2, 3),
  statistics as (
    insert into genledger.job_statistics as t (user_id, status, count, total_cost_cents)
    select m.user_id, m.status, sum(m.count), sum(m.cost_cents) from moved m group by 1, 2
    having sum(m.count) <> 0 or sum(m.cost_cents) <> 0 order by 1, 2
    on conflict (user_id, status) do update
      set count = t.count + excluded.count, total_cost_cents = t.total_cost_cents + excluded.total_cost_cents),
  charged as (
    insert into genledger.job_costs as t (user_id, day, project_id, mode, kind, model, charges, incurred_cents)
    select o.user_id, o.day, o.project_id, a.mode, a.kind, a.model, sum(o.count), sum(o.delta_cents)
      from moves o
     cross join lateral (select o.account::json ->> 0 as mode, o.account::json ->> 1 as kind, o.account::json ->> 2 as model) a
     where o.day is not null
     group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (user_id, day, project_id, mode, kind, model) do update
      set charges = t.charges + excluded.charges, incurred_cents = t.incurred_cents + excluded.incurred_cents)
  insert into genledger.generation_job_summary as t
    (user_id, project_id, status, job_count, total_cost_cents, first_job_at, last_job_at)
  select m.user_id, m.project_id, m.status, m.count, m.cost_cents, m.first_at, m.last_at
    from moved m
   where m.count <> 0 or m.cost_cents <> 0
      -- As many have left as have come: the span grows, unless the group was empty, and is again.
      or (m.last_at is not null and exists (
           select from genledger.generation_job_summary s
            where s.user_id = m.user_id and s.status = m.status and s.project_id is not distinct from m.project_id
              and s.job_count > 0))
   order by 1, 2, 3
  on conflict (user_id, project_id, status) do update
    set job_count = t.job_count + excluded.job_count, total_cost_cents = t.total_cost_cents + excluded.total_cost_cents,
        first_job_at = least(case when t.job_count > 0 then t.first_job_at end, excluded.first_job_at),
        last_job_at = greatest(case when t.job_count > 0 then t.last_job_at end, excluded.last_job_at);
  return next;
end $$;

revoke execute on function
  genledger.job_account(json), genledger.stream_time(uuid),
  genledger.append_events(uuid[], int[], uuid[], text[], int[], json[], json[], timestamptz[], uuid[], text[], text[]),
  genledger.insert_jobs(uuid[], uuid[], uuid[], text[], text[], text[], int[], int[], timestamptz[], timestamptz[], int[], int[],
    uuid[], uuid[], int[], json[], json[], json[], text[], uuid[], bytea[], json[], timestamptz[]),
  genledger.queue_jobs(uuid[], uuid[], json[], json[], uuid[], text[], text[], text[], int[], int[], timestamptz[], int[], int[],
    text[], json[], json[], text[], bytea[], json[], uuid[], uuid[], uuid[], uuid[], boolean, boolean),
  genledger.succeed_jobs(uuid[], int[], int[], int[], json[], json[], json[], uuid[], int[], uuid[], text[], bigint[], text[],
    int[], int[], boolean)
  from public;
grant execute on function
  genledger.job_account(json), genledger.stream_time(uuid),
  genledger.append_events(uuid[], int[], uuid[], text[], int[], json[], json[], timestamptz[], uuid[], text[], text[]),
  genledger.insert_jobs(uuid[], uuid[], uuid[], text[], text[], text[], int[], int[], timestamptz[], timestamptz[], int[], int[],
    uuid[], uuid[], int[], json[], json[], json[], text[], uuid[], bytea[], json[], timestamptz[]),
  genledger.queue_jobs(uuid[], uuid[], json[], json[], uuid[], text[], text[], text[], int[], int[], timestamptz[], int[], int[],
    text[], json[], json[], text[], bytea[], json[], uuid[], uuid[], uuid[], uuid[], boolean, boolean),
  genledger.succeed_jobs(uuid[], int[], int[], int[], json[], json[], json[], uuid[], int[], uuid[], text[], bigint[], text[],
    int[], int[], boolean)
  to genledger_writer;
