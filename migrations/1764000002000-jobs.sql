-- Jobs: a narrow hot row that is the head of the stream, a wide cold row that is written once, their outputs,
-- and the two folded models. Runs as genledger_owner.

create table genledger.projects (
  id         uuid        primary key,
  user_id    uuid        not null,
  name       text        not null,
  created_at timestamptz not null default clock_timestamp(),
  unique (id, user_id)
);
comment on table genledger.projects is 'What a user groups jobs by.';
create index projects_by_user on genledger.projects (user_id, id);

create table genledger.assets (
  id         uuid        primary key,
  user_id    uuid        not null,
  project_id uuid,
  upload_id  uuid,
  created_at timestamptz not null default clock_timestamp(),
  unique (id, user_id),
  foreign key (project_id, user_id) references genledger.projects (id, user_id)
);
comment on table genledger.assets is 'Input of jobs: an uploaded file under a name that jobs refer to.';
create index assets_by_user on genledger.assets (user_id, id);

-- Hot. Every status change rewrites this row, so it is narrow, half empty, and indexed only where a query needs it.
create table genledger.job_states (
  id                  uuid        primary key,
  user_id             uuid        not null,
  project_id          uuid,
  kind                text        not null,
  mode                text        not null,
  model               text,
  status              text        not null check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled')),
  version             int         not null,
  attempt             int         not null,
  max_attempts        int         not null,
  rank                int         not null,
  run_at              timestamptz not null,
  deadline            timestamptz,
  lease_token         int,
  lease_expires_at    timestamptz,
  refused_tokens      int[],
  worker_id           text,
  reserved_cents      int         not null,
  cost_cents          int         not null,
  error_code          text,
  error_version       int,
  input_asset_id      uuid,
  output_count        int         not null default 0,
  erased              boolean     not null default false,
  cancel_requested_at timestamptz,
  started_at          timestamptz,
  completed_at        timestamptz,
  updated_at          timestamptz not null
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1,
        autovacuum_analyze_scale_factor = 0.1);

-- Claims walk this in order and resume after the last key. Jobs whose work is done elsewhere stand apart, or a
-- backlog of them would be stepped over by every claim.
create index job_states_claim on genledger.job_states (rank, run_at, id) where status = 'queued' and kind <> 'external';
create index job_states_claim_external on genledger.job_states (rank, run_at, id) where status = 'queued' and kind = 'external';
-- The rescuer scans it whole; lists of one user's running jobs use its order. It holds no lease column: renewals stay HOT.
create index job_states_running on genledger.job_states (user_id, id) where status = 'running';
-- Lists by status. Succeeded jobs are the bulk and are found by the newest-first index of job_requests.
create index job_states_by_user_status on genledger.job_states (user_id, status, id) where status in ('queued', 'failed', 'canceled');

-- Cold. Written with JobQueued, changed only by JobDetailsChanged and JobInputAssetRemoved.
create table genledger.job_requests (
  id              uuid        primary key,
  user_id         uuid        not null,
  project_id      uuid,
  kind            text        not null,
  mode            text        not null,
  input_asset_id  uuid,
  collection_id   uuid,
  ordinal_number  int,
  trait_overrides jsonb,
  requested       json        not null,
  effective       json        not null,
  estimated_cents int         not null,
  tags            text[],
  retry_of        uuid,
  content_version int,
  created_at      timestamptz not null
);
-- UUIDv7: id desc is newest first, and created_at filters become id ranges.
create index job_requests_by_user on genledger.job_requests (user_id, id desc);
create index job_requests_by_project on genledger.job_requests (project_id, id desc) where project_id is not null;
create index job_requests_by_asset on genledger.job_requests (input_asset_id, id desc) where input_asset_id is not null;
create index job_requests_ordinal_number on genledger.job_requests (collection_id, ordinal_number) where ordinal_number is not null;

create table genledger.job_outputs (
  job_id    uuid     not null,
  position  smallint not null,
  user_id   uuid     not null,
  upload_id uuid     not null,
  mime_type text     not null,
  size      bigint   not null,
  sha256    text     not null,
  width     int      not null,
  height    int      not null,
  primary key (job_id, position)
);
create index job_outputs_by_upload on genledger.job_outputs (upload_id);
comment on table genledger.job_outputs is 'Files that a job made, in order; linked in the transaction that records the result.';

-- Folded: how many jobs of a user stand in which status, and what they cost (deleted jobs left out).
create table genledger.job_statistics (
  user_id          uuid   not null,
  status           text   not null,
  count            bigint not null,
  total_cost_cents bigint not null,
  primary key (user_id, status)
) with (fillfactor = 50);
comment on table genledger.job_statistics is 'Folded up to its checkpoint; read it through genledger.exact_job_statistics, which adds the tail.';

create table genledger.generation_job_summary (
  user_id          uuid        not null,
  project_id       uuid,
  status           text        not null,
  job_count        bigint      not null,
  total_cost_cents bigint      not null,
  first_job_at     timestamptz,
  last_job_at      timestamptz,
  unique nulls not distinct (user_id, project_id, status)
) with (fillfactor = 50);
comment on table genledger.generation_job_summary is 'Folded per user, project and status. first_job_at and last_job_at span all jobs that were ever in it.';

-- Incurred cost never falls: what was spent on a deleted job stays spent.
create table genledger.job_costs (
  user_id        uuid   not null,
  day            date   not null,
  project_id     uuid,
  mode           text   not null,
  kind           text   not null,
  model          text,
  charges        bigint not null,
  incurred_cents bigint not null,
  unique nulls not distinct (user_id, day, project_id, mode, kind, model)
) with (fillfactor = 70);
comment on table genledger.job_costs is 'Folded: what was incurred, by UTC day, project, mode, kind and model.';

-- What readers see. The ten columns of the seeds come first, in their order and with their types.
create view genledger.generation_jobs with (security_invoker = true) as
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
    left join genledger.contents c on c.stream_id = r.id and c.version = r.content_version
    left join genledger.contents e on e.stream_id = r.id and e.version = s.error_version;

-- The seeds' other names for the same things: metadata is what was asked for, ai_metadata what came back.
create view genledger.image_generations with (security_invoker = true) as
  select j.id, j.user_id, j.prompt,
         case j.status when 'queued' then 'pending' when 'running' then 'processing' when 'succeeded' then 'completed'
                       else j.status end as status,
         j.cost_cents as tokens,
         (j.requested_parameters ->> 'number_of_images')::int as number_of_images,
         j.requested_parameters ->> 'aspect_ratio' as aspect_ratio,
         jsonb_strip_nulls(jsonb_build_object('numberOfImages', j.requested_parameters -> 'number_of_images',
                                              'aspectRatio', j.requested_parameters -> 'aspect_ratio')) as metadata,
         jsonb_build_object('imageIds', coalesce((select jsonb_agg(o.upload_id order by o.position)
                                                    from genledger.job_outputs o where o.job_id = j.id), '[]')) as ai_metadata,
         j.created_at, j.updated_at
    from genledger.generation_jobs j where j.kind = 'text_to_image';

-- Locks the heads of jobs, in id order, and returns what `decide` needs (times in ms since 1970). Ids that are not
-- returned do not exist. 'held': someone else has the row (only when p_wait is false); 'ended': deleted or archived.
create function genledger.load_jobs(p_ids uuid[], p_wait boolean)
  returns table (found text, row_id tid, id uuid, user_id uuid, project_id uuid, kind text, mode text, model text,
    status text, version int, attempt int, max_attempts int, rank int, run_ms float8, deadline_ms float8,
    lease_token int, lease_ms float8, refused_tokens int[], worker_id text, reserved_cents int, cost_cents int,
    error_code text, error_version int, input_asset_id uuid, output_count int, erased boolean, cancel_ms float8, started_ms float8, completed_ms float8, updated_ms float8)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set lock_timeout = '2s'
  as $$
#variable_conflict use_column
declare
  n bigint;
begin
  if p_wait then
    perform 1 from genledger.job_states s where s.id = any (p_ids) order by s.id for no key update;
  end if;
  return query
    select 'locked', s.ctid, s.id, s.user_id, s.project_id, s.kind, s.mode, s.model, s.status, s.version, s.attempt,
           s.max_attempts, s.rank, date_part('epoch', s.run_at) * 1000, date_part('epoch', s.deadline) * 1000,
           s.lease_token, date_part('epoch', s.lease_expires_at) * 1000, s.refused_tokens, s.worker_id,
           s.reserved_cents, s.cost_cents, s.error_code, s.error_version, s.input_asset_id, s.output_count, s.erased,
           date_part('epoch', s.cancel_requested_at) * 1000, date_part('epoch', s.started_at) * 1000,
           date_part('epoch', s.completed_at) * 1000, date_part('epoch', s.updated_at) * 1000
      from genledger.job_states s where s.id = any (p_ids) order by s.id for no key update skip locked;
  get diagnostics n = row_count;
  if n < cardinality(p_ids) then
    return query
      select case when s.id is null then 'ended' else 'held' end, null::tid, i.id, e.user_id, null::uuid, null, null, null,
             e.reason, e.version, null::int, null::int, null::int, null::float8, null::float8, null::int, null::float8,
             null::int[], null, null::int, null::int, null, null::int, null::uuid, null::int, null::boolean,
             null::float8, null::float8, null::float8, null::float8
        from unnest(p_ids) as i(id)
        left join genledger.job_states s on s.id = i.id
        left join genledger.ended_streams e on e.stream_id = i.id
       where s.id is not null or e.stream_id is not null;
  end if;
end $$;

-- Starts the next due jobs, best rank first, after a given key: what `decide` answers to a worker's `start`, set-based
-- (fast-paths.int.spec.ts compares the two event by event and row by row). Rows without a user are overdue: they were
-- not started, and their deadline is for `decide`. No wait for locks, so the time may be taken before them:
-- recorded_at is never earlier than the row's last event.
create function genledger.start_jobs(p_external boolean, p_kinds text[], p_max int, p_after_rank int,
    p_after_run_at timestamptz, p_after_id uuid, p_worker_id text, p_lease_ms int, p_meta json)
  returns table (id uuid, user_id uuid, kind text, attempt int, lease_token int, effective json, content json, rank int,
                 run_at timestamptz)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_sort = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
#variable_conflict use_column
declare
  at        timestamptz;
  lease_end timestamptz;
  head      text := '{"project_id":';
  tail      text;
begin
  perform genledger.announce_append();
  at := date_trunc('milliseconds', clock_timestamp());
  lease_end := at + p_lease_ms * interval '1 millisecond';
  tail := ',"worker_id":' || to_json(p_worker_id)::text || ',"lease_expires_at":"'
    || to_char(lease_end at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"}';
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
             (head || coalesce('"' || t.project_id || '"', 'null') || ',"from":"queued","to":"running","cost_cents":'
               || t.cost_cents || ',"cost_delta_cents":0,"reserved_delta_cents":0,"attempt":' || t.attempt || tail)::json,
             p_meta, t.updated_at, (select l.epoch from genledger.log_epoch l), t.project_id, array[1, 2, t.cost_cents, 0, 0]
        from started t)
    select t.id, t.user_id, t.kind, t.attempt, t.version, r.effective, c.body, t.rank, t.run_at
      from started t join genledger.job_requests r on r.id = t.id
      left join genledger.contents c on c.stream_id = r.id and c.version = r.content_version
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
             (head || coalesce('"' || t.project_id || '"', 'null') || ',"from":"queued","to":"running","cost_cents":'
               || t.cost_cents || ',"cost_delta_cents":0,"reserved_delta_cents":0,"attempt":' || t.attempt || tail)::json,
             p_meta, t.updated_at, (select l.epoch from genledger.log_epoch l), t.project_id, array[1, 2, t.cost_cents, 0, 0]
        from started t)
    select t.id, t.user_id, t.kind, t.attempt, t.version, r.effective, c.body, t.rank, t.run_at
      from started t join genledger.job_requests r on r.id = t.id
      left join genledger.contents c on c.stream_id = r.id and c.version = r.content_version
    union all
    select d.id, null, null, null, null, null, null, d.rank, d.run_at from due d where d.deadline <= at;
  end if;
end $$;

-- Ends running jobs well, whose lease token still holds: what `decide` answers to `succeed`, set-based (compared by
-- fast-paths.int.spec.ts). Returns the jobs that it ended; all others are for `decide`: stale tokens, repeated results,
-- rows that someone holds, outputs that are not the owner's.
create function genledger.succeed_jobs(
    p_ids uuid[], p_tokens int[], p_costs int[], p_output_counts int[], p_outputs json[], p_output_errors json[], p_metas json[],
    p_output_jobs uuid[], p_positions int[], p_upload_ids uuid[], p_mime_types text[], p_sizes bigint[], p_sha256 text[],
    p_widths int[], p_heights int[])
  returns table (id uuid, version int, last_position bigint)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_hashjoin = off set enable_mergejoin = off
  as $$
#variable_conflict use_column
declare
  at        timestamptz;
  kept      uuid[];
  foreign_outputs uuid[] := '{}';
  ended_ids uuid[];
  versions  int[];
begin
  perform genledger.announce_append();
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
    select s.ctid as row_id, s.reserved_cents, r.cost, r.output_count, r.outputs, r.output_errors, r.meta
      from unnest(p_ids, p_tokens, p_costs, p_output_counts, p_outputs, p_output_errors, p_metas)
        as r(id, token, cost, output_count, outputs, output_errors, meta)
     -- By itself, or the planner takes the index of running jobs and walks it whole for every id.
     cross join lateral (
       select j.ctid, j.id, j.status, j.lease_token, j.reserved_cents from genledger.job_states j
        where j.id = r.id for no key update skip locked) s
     where s.status = 'running' and s.lease_token = r.token and s.id <> all (foreign_outputs)),
  ended as (
    update genledger.job_states s
       set status = 'succeeded', version = s.version + 1, lease_expires_at = null, error_code = null, error_version = null,
           cost_cents = s.cost_cents + m.cost, reserved_cents = 0, output_count = m.output_count,
           updated_at = greatest(s.updated_at, at), completed_at = greatest(s.updated_at, at)
      from mine m where s.ctid = m.row_id
    returning s.id, s.user_id, s.project_id, s.kind, s.mode, s.model, s.version, s.attempt, s.cost_cents, m.cost,
              m.reserved_cents as reserved, s.updated_at, m.outputs, m.output_errors, m.meta),
  logged as (
    insert into genledger.events
      (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally)
    select nextval('genledger.event_position'), e.id, e.version, e.user_id, 'JobSucceeded', 1,
           ('{"project_id":' || coalesce('"' || e.project_id || '"', 'null')
             || ',"from":"running","to":"succeeded","cost_cents":' || e.cost_cents || ',"cost_delta_cents":' || e.cost
             || ',"reserved_delta_cents":' || -e.reserved || ',"kind":"' || e.kind || '","mode":'
             || to_json(e.mode)::text || ',"model":' || coalesce(to_json(e.model)::text, 'null') || ',"attempt":' || e.attempt
             || ',"outputs":' || e.outputs || ',"output_errors":' || e.output_errors || '}')::json,
           e.meta, e.updated_at, (select l.epoch from genledger.log_epoch l), e.project_id, array[2, 3, e.cost_cents, e.cost, 0]
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

-- Locks what new jobs refer to, so that it cannot vanish before they are written. Held rows are left alone.
create function genledger.lock_references(p_projects uuid[], p_assets uuid[], p_uploads uuid[], p_wait boolean)
  returns table (target text, id uuid, user_id uuid, held boolean)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set lock_timeout = '2s'
  as $$
#variable_conflict use_column
declare
  target text;
  ids    uuid[];
  n      bigint;
begin
  foreach target in array array['projects', 'assets', 'uploads'] loop
    ids := case target when 'projects' then p_projects when 'assets' then p_assets else p_uploads end;
    continue when coalesce(cardinality(ids), 0) = 0;
    return query execute format(
      'select %L, t.id, t.user_id, false from genledger.%I t where t.id = any ($1) order by t.id for key share %s',
      target, target, case when p_wait then '' else 'skip locked' end) using ids;
    get diagnostics n = row_count;
    if n < cardinality(ids) and not p_wait then
      -- Whoever is found here but not above is held. Those found twice are free: the caller keeps the first.
      return query execute format(
        'select %L, t.id, t.user_id, true from genledger.%I t where t.id = any ($1)', target, target) using ids;
    end if;
  end loop;
end $$;

create function genledger.insert_jobs(
  p_ids uuid[], p_user_ids uuid[], p_project_ids uuid[], p_kinds text[], p_modes text[], p_models text[],
  p_max_attempts int[], p_ranks int[], p_run_at timestamptz[], p_deadlines timestamptz[], p_reserved int[], p_costs int[],
  p_assets uuid[], p_collections uuid[], p_ordinals int[], p_traits json[], p_requested json[], p_effective json[],
  p_tags text[], p_retry_of uuid[], p_content_versions int[], p_created_at timestamptz[]) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
  as $$
begin
  insert into genledger.job_states (id, user_id, project_id, kind, mode, model, status, version, attempt, max_attempts,
    rank, run_at, deadline, reserved_cents, cost_cents, input_asset_id, updated_at)
  select n.id, n.user_id, n.project_id, n.kind, n.mode, n.model, 'queued', 1, 0, n.max_attempts,
         n.rank, n.run_at, n.deadline, n.reserved, n.cost, n.asset, n.created_at
    from unnest(p_ids, p_user_ids, p_project_ids, p_kinds, p_modes, p_models, p_max_attempts, p_ranks, p_run_at,
                p_deadlines, p_reserved, p_costs, p_assets, p_created_at)
      as n(id, user_id, project_id, kind, mode, model, max_attempts, rank, run_at, deadline, reserved, cost, asset,
           created_at);
  insert into genledger.job_requests (id, user_id, project_id, kind, mode, input_asset_id, collection_id, ordinal_number,
    trait_overrides, requested, effective, estimated_cents, tags, retry_of, content_version, created_at)
  select n.id, n.user_id, n.project_id, n.kind, n.mode, n.asset, n.collection, n.ordinal, n.traits::jsonb,
         n.requested, n.effective, n.reserved, n.tags::text[], n.retry_of, n.content_version, n.created_at
    from unnest(p_ids, p_user_ids, p_project_ids, p_kinds, p_modes, p_assets, p_collections, p_ordinals, p_traits,
                p_requested, p_effective, p_reserved, p_tags, p_retry_of, p_content_versions, p_created_at)
      as n(id, user_id, project_id, kind, mode, asset, collection, ordinal, traits, requested, effective, reserved, tags, retry_of,
           content_version, created_at);
end $$;

-- Queues new jobs that need no state and no clock to be decided: settles references and keys, appends, writes all rows.
-- All or nothing. Answers one row 'queued' with the time and the last position, or, having written nothing, one row for
-- each pair (user, project) that is not there or held, or for each key that is taken. Sent again after a lost answer
-- (p_sent_before), it looks for its first event and answers as it did.
create function genledger.queue_jobs(
    p_ids uuid[], p_user_ids uuid[], p_data json[], p_metas json[], p_projects uuid[], p_kinds text[], p_modes text[],
    p_models text[], p_max_attempts int[], p_ranks int[], p_run_at timestamptz[], p_reserved int[], p_costs int[],
    p_requested json[], p_effective json[], p_tags text[], p_content_versions int[], p_tallies text[],
    p_content_ids uuid[], p_content_users uuid[], p_salts bytea[], p_bodies json[],
    p_pair_projects uuid[], p_pair_users uuid[],
    p_key_hashes uuid[], p_fingerprints uuid[], p_key_ids uuid[], p_sent_before boolean)
  returns table (answer text, id uuid, at_ms float8, last_position bigint)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_nestloop = off set lock_timeout = '250ms'
  as $$
#variable_conflict use_column
declare
  at        timestamptz;
  n         bigint;
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

  if cardinality(p_key_hashes) > 0 then
    insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version)
    select k.hash, k.fingerprint, k.stream_id, 1
      from unnest(p_key_hashes, p_fingerprints, p_key_ids) as k(hash, fingerprint, stream_id) order by k.hash
    on conflict (key_hash) do nothing;
    get diagnostics n = row_count;
    if n < cardinality(p_key_hashes) then
      delete from genledger.idempotency_keys where key_hash = any (p_key_hashes) and stream_id = any (p_key_ids);
      return query
        select 'key', k.key_hash, null::float8, null::bigint from genledger.idempotency_keys k
         where k.key_hash = any (p_key_hashes);
      return;
    end if;
  end if;

  perform genledger.announce_append();
  at := date_trunc('milliseconds', clock_timestamp());
  insert into genledger.events
    (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally)
  select nextval('genledger.event_position'), j.id, 1, j.user_id, 'JobQueued', 1, j.data, j.meta, at, (select l.epoch from genledger.log_epoch l), j.project,
         j.tally::int[]
    from unnest(p_ids, p_user_ids, p_data, p_metas, p_projects, p_tallies) as j(id, user_id, data, meta, project, tally);
  insert into genledger.contents (stream_id, version, user_id, salt, body)
  select c.id, 1, c.user_id, c.salt, c.body
    from unnest(p_content_ids, p_content_users, p_salts, p_bodies) as c(id, user_id, salt, body);
  insert into genledger.job_states (id, user_id, project_id, kind, mode, model, status, version, attempt, max_attempts,
    rank, run_at, reserved_cents, cost_cents, updated_at)
  select j.id, j.user_id, j.project, j.kind, j.mode, j.model, 'queued', 1, 0, j.max_attempts, j.rank,
         coalesce(j.run_at, at), j.reserved, j.cost, at
    from unnest(p_ids, p_user_ids, p_projects, p_kinds, p_modes, p_models, p_max_attempts, p_ranks, p_run_at, p_reserved,
                p_costs)
      as j(id, user_id, project, kind, mode, model, max_attempts, rank, run_at, reserved, cost);
  insert into genledger.job_requests (id, user_id, project_id, kind, mode, requested, effective, estimated_cents, tags,
    content_version, created_at)
  select j.id, j.user_id, j.project, j.kind, j.mode, j.requested, j.effective, j.reserved, j.tags::text[], j.content, at
    from unnest(p_ids, p_user_ids, p_projects, p_kinds, p_modes, p_requested, p_effective, p_reserved, p_tags,
                p_content_versions)
      as j(id, user_id, project, kind, mode, requested, effective, reserved, tags, content);

  answer := 'queued';
  at_ms := date_part('epoch', at) * 1000;
  last_position := currval('genledger.event_position');
  return next;
end $$;

-- Writes the hot rows anew. Rows were locked by this transaction, so their ctid holds.
create function genledger.update_jobs(
  p_rows tid[], p_project_ids uuid[], p_modes text[], p_statuses text[], p_versions int[], p_attempts int[], p_ranks int[],
  p_run_at timestamptz[], p_lease_tokens int[], p_leases timestamptz[], p_refused text[], p_workers text[],
  p_reserved int[], p_costs int[], p_error_codes text[], p_error_versions int[], p_assets uuid[], p_outputs int[],
  p_erased int[], p_cancel timestamptz[],
  p_started timestamptz[], p_completed timestamptz[], p_updated timestamptz[]) returns int
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off
  as $$
declare
  n int;
begin
  update genledger.job_states s
     set project_id = u.project_id, mode = u.mode, status = u.status, version = u.version, attempt = u.attempt,
         rank = u.rank, run_at = u.run_at, lease_token = u.lease_token, lease_expires_at = u.lease,
         refused_tokens = u.refused::int[], worker_id = u.worker, reserved_cents = u.reserved, cost_cents = u.cost,
         error_code = u.error_code, error_version = u.error_version, input_asset_id = u.asset,
         output_count = u.outputs, erased = u.erased <> 0, cancel_requested_at = u.cancel,
         started_at = u.started, completed_at = u.completed, updated_at = u.updated
    from unnest(p_rows, p_project_ids, p_modes, p_statuses, p_versions, p_attempts, p_ranks, p_run_at, p_lease_tokens,
                p_leases, p_refused, p_workers, p_reserved, p_costs, p_error_codes, p_error_versions, p_assets, p_outputs,
                p_erased, p_cancel, p_started, p_completed, p_updated)
      as u(row_id, project_id, mode, status, version, attempt, rank, run_at, lease_token, lease, refused, worker, reserved,
           cost, error_code, error_version, asset, outputs, erased, cancel, started, completed, updated)
   where s.ctid = u.row_id;
  get diagnostics n = row_count;
  if n <> cardinality(p_rows) then
    raise exception 'a locked job moved' using errcode = '40001';
  end if;
  return n;
end $$;

create function genledger.change_job_requests(
  p_ids uuid[], p_project_ids uuid[], p_modes text[], p_tags text[], p_assets uuid[], p_content_versions int[]) returns void
  language sql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
  update genledger.job_requests r
     set project_id = c.project_id, mode = c.mode, input_asset_id = c.asset,
         tags = case when c.content_version is null then r.tags else c.tags::text[] end,
         content_version = coalesce(c.content_version, r.content_version)
    from unnest(p_ids, p_project_ids, p_modes, p_tags, p_assets, p_content_versions)
      as c(id, project_id, mode, tags, asset, content_version)
   where r.id = c.id
$$;

create function genledger.insert_job_outputs(
  p_job_ids uuid[], p_positions int[], p_user_ids uuid[], p_upload_ids uuid[], p_mime_types text[], p_sizes bigint[],
  p_sha256 text[], p_widths int[], p_heights int[]) returns void
  language sql volatile set search_path = ''
  as $$
  insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
  select * from unnest(p_job_ids, p_positions, p_user_ids, p_upload_ids, p_mime_types, p_sizes, p_sha256, p_widths, p_heights)
$$;

-- Takes jobs out of the read models and leaves their tombstones.
create function genledger.end_jobs(p_ids uuid[], p_versions int[], p_reason text, p_at timestamptz) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
begin
  with gone as (delete from genledger.job_states where id = any (p_ids) returning id, user_id)
  insert into genledger.ended_streams (stream_id, user_id, version, reason, ended_at)
  select g.id, g.user_id, n.version, p_reason, p_at
    from unnest(p_ids, p_versions) as n(id, version) join gone g on g.id = n.id;
  delete from genledger.job_requests where id = any (p_ids);
  delete from genledger.job_outputs where job_id = any (p_ids);
end $$;

-- Renews leases whose token still holds. A heartbeat is no event: no index holds the expiry, so the update stays HOT.
create function genledger.renew_leases(p_ids uuid[], p_tokens int[], p_lease_ms int)
  returns table (id uuid, lease_expires_at timestamptz, cancel_requested boolean)
  language sql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
  update genledger.job_states s
     set lease_expires_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
    from unnest(p_ids, p_tokens) as l(id, token)
   -- coalesce: or the planner takes the index of running jobs and walks it whole for every id.
   where s.id = l.id and coalesce(s.status, '') = 'running' and s.lease_token = l.token
  returning s.id, s.lease_expires_at, s.cancel_requested_at is not null
$$;

create function genledger.expired_leases(p_max int) returns table (id uuid, lease_token int)
  language sql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  as $$
  select s.id, s.lease_token from genledger.job_states s
   where s.status = 'running' and s.lease_expires_at < clock_timestamp() limit p_max
$$;

-- When a job was made: the first 13 characters of its UUIDv7 are its time.
create function genledger.job_time(p_head text) returns timestamptz
  language sql immutable strict parallel safe
  as $$ select to_timestamp(('x' || translate(p_head, '-', ''))::bit(48)::bigint / 1000.0) $$;

-- Every job event folds by itself: it leaves one status (at its cost before) and enters another (at its cost after).
-- events.tally of a job: {status left, status entered, cost after, change of cost, 1 if it changed its project}; statuses
-- are numbered in this order, 0 is none. A test compares it with data, event by event.
create function genledger.job_status(p_number int) returns text
  language sql immutable parallel safe
  as $$ select ('{queued,running,succeeded,failed,canceled}'::text[])[p_number] $$;

create view genledger.job_movements with (security_invoker = true) as
  select e.position, e.user_id, m.project_id, m.status, m.count, m.cost_cents, left(e.stream_id::text, 13) as job_time
    from genledger.events e
   cross join lateral (values
     (case when e.tally[5] = 1 then nullif(e.data ->> 'from_project_id', '')::uuid else e.scope_id end,
      e.tally[1], -1, e.tally[4] - e.tally[3]),
     (e.scope_id, e.tally[2], 1, e.tally[3])) as m(project_id, status, count, cost_cents)
   where m.status > 0 and (e.tally[1] <> e.tally[2] or e.tally[4] <> 0 or e.tally[5] = 1);
comment on view genledger.job_movements is 'One row for each status that an event leaves or enters.';

create view genledger.job_charges with (security_invoker = true) as
  select e.position, e.user_id, (e.recorded_at at time zone 'UTC')::date as day, e.scope_id as project_id,
         d.mode, d.kind, d.model, e.tally[4] as cents
    from genledger.events e cross join lateral json_to_record(e.data) as d(mode text, kind text, model text)
   where e.tally[4] <> 0;

-- Folds events in (checkpoint, watermark], at most p_max of them, into the three models. The caller read the watermark
-- in an earlier statement.
create function genledger.fold_jobs(p_expected bigint, p_watermark bigint, p_max int)
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

  -- Events are added up by the pair of statuses first and taken apart afterwards: a tenth of the rows.
  with pairs as materialized (
    select e.user_id, e.scope_id as project_id,
           case when e.tally[5] = 1 then e.data ->> 'from_project_id' else e.scope_id::text end as from_project_id,
           e.tally[1] as left_status, e.tally[2] as entered_status, count(*) as count, sum(e.tally[3]) as cost_cents,
           sum(e.tally[4]) as delta_cents, min(left(e.stream_id::text, 13) collate "C") as first_at,
           max(left(e.stream_id::text, 13) collate "C") as last_at
      from genledger.events e
     where e.position > p_expected and e.position <= reached
       and (e.tally[1] <> e.tally[2] or e.tally[4] <> 0 or e.tally[5] = 1)
     group by 1, 2, 3, 4, 5),
  moved as materialized (
    select p.user_id, m.project_id, genledger.job_status(m.status) as status, sum(m.count) as count,
           sum(m.cost_cents) as cost_cents, min(m.first_at) as first_at, max(m.last_at) as last_at
      from pairs p
     cross join lateral (values
       (nullif(p.from_project_id, '')::uuid, p.left_status, -p.count, p.delta_cents - p.cost_cents, null, null),
       (p.project_id, p.entered_status, p.count, p.cost_cents, p.first_at, p.last_at))
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
    select c.user_id, c.day, c.project_id, c.mode, c.kind, c.model, count(*), sum(c.cents)
      from genledger.job_charges c where c.position > p_expected and c.position <= reached
     group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (user_id, day, project_id, mode, kind, model) do update
      set charges = t.charges + excluded.charges, incurred_cents = t.incurred_cents + excluded.incurred_cents)
  insert into genledger.generation_job_summary as t
    (user_id, project_id, status, job_count, total_cost_cents, first_job_at, last_job_at)
  select m.user_id, m.project_id, m.status, m.count, m.cost_cents, genledger.job_time(m.first_at), genledger.job_time(m.last_at)
    from moved m where m.count <> 0 or m.cost_cents <> 0 order by 1, 2, 3
  on conflict (user_id, project_id, status) do update
    set job_count = t.job_count + excluded.job_count, total_cost_cents = t.total_cost_cents + excluded.total_cost_cents,
        first_job_at = least(case when t.job_count > 0 then t.first_job_at end, excluded.first_job_at),
        last_job_at = greatest(case when t.job_count > 0 then t.last_job_at end, excluded.last_job_at);
  return next;
end $$;

-- Exact at once: what is folded plus the tail above the checkpoint, in the reader's one snapshot.
create view genledger.exact_job_summary with (security_invoker = true) as
  select user_id, project_id, status, sum(job_count)::bigint as job_count, sum(total_cost_cents)::bigint as total_cost_cents,
         min(first_job_at) as first_job_at, max(last_job_at) as last_job_at
    from (select user_id, project_id, status, job_count, total_cost_cents,
                 case when job_count > 0 then first_job_at end as first_job_at,
                 case when job_count > 0 then last_job_at end as last_job_at
            from genledger.generation_job_summary
          union all
          select m.user_id, m.project_id, genledger.job_status(m.status), m.count, m.cost_cents,
                 case when m.count > 0 then genledger.job_time(m.job_time) end,
                 case when m.count > 0 then genledger.job_time(m.job_time) end
            from genledger.job_movements m
           where m.position > coalesce((select c.position from genledger.checkpoints c where c.name = 'jobs'), 0)) t
   group by 1, 2, 3 having sum(job_count) <> 0;

create view genledger.exact_job_statistics with (security_invoker = true) as
  select user_id, status, sum(count)::bigint as count, sum(total_cost_cents)::bigint as total_cost_cents
    from (select user_id, status, count, total_cost_cents from genledger.job_statistics
          union all
          select m.user_id, genledger.job_status(m.status), m.count, m.cost_cents from genledger.job_movements m
           where m.position > coalesce((select c.position from genledger.checkpoints c where c.name = 'jobs'), 0)) t
   group by 1, 2 having sum(count) <> 0;

create view genledger.exact_job_costs with (security_invoker = true) as
  select user_id, day, project_id, mode, kind, model, charges, incurred_cents from genledger.job_costs
  union all
  select c.user_id, c.day, c.project_id, c.mode, c.kind, c.model, 1, c.cents from genledger.job_charges c
   where c.position > coalesce((select p.position from genledger.checkpoints p where p.name = 'jobs'), 0);

do $$
declare
  t text;
begin
  foreach t in array array['projects', 'assets', 'job_states', 'job_requests', 'job_outputs', 'job_statistics',
                           'generation_job_summary', 'job_costs'] loop
    execute format('alter table genledger.%I enable row level security', t);
    execute format('alter table genledger.%I force row level security', t);
    execute format('create policy writer on genledger.%I for all to genledger_writer using (true) with check (true)', t);
    execute format('create policy own on genledger.%I for select to authenticated using (user_id = (select genledger.uid()))', t);
    execute format('create policy audit on genledger.%I for select to genledger_auditor using (true)', t);
    execute format('grant select on genledger.%I to authenticated, genledger_auditor', t);
    execute format('grant select, insert, update, delete on genledger.%I to genledger_writer', t);
  end loop;
  foreach t in array array['generation_jobs', 'image_generations', 'job_movements', 'job_charges', 'exact_job_summary',
                           'exact_job_statistics', 'exact_job_costs'] loop
    execute format('grant select on genledger.%I to genledger_writer, authenticated, genledger_auditor', t);
  end loop;
end $$;

revoke execute on all functions in schema genledger from public;
grant execute on function genledger.job_time(text), genledger.job_status(int) to genledger_writer, authenticated, genledger_auditor;
grant execute on function
  genledger.load_jobs(uuid[], boolean),
  genledger.queue_jobs(uuid[], uuid[], json[], json[], uuid[], text[], text[], text[], int[], int[], timestamptz[], int[],
    int[], json[], json[], text[], int[], text[], uuid[], uuid[], bytea[], json[], uuid[], uuid[], uuid[], uuid[], uuid[], boolean),
  genledger.start_jobs(boolean, text[], int, int, timestamptz, uuid, text, int, json),
  genledger.succeed_jobs(uuid[], int[], int[], int[], json[], json[], json[], uuid[], int[], uuid[], text[], bigint[], text[], int[],
    int[]),
  genledger.lock_references(uuid[], uuid[], uuid[], boolean),
  genledger.insert_jobs(uuid[], uuid[], uuid[], text[], text[], text[], int[], int[], timestamptz[], timestamptz[], int[],
    int[], uuid[], uuid[], int[], json[], json[], json[], text[], uuid[], int[], timestamptz[]),
  genledger.update_jobs(tid[], uuid[], text[], text[], int[], int[], int[], timestamptz[], int[], timestamptz[], text[],
    text[], int[], int[], text[], int[], uuid[], int[], int[], timestamptz[], timestamptz[], timestamptz[], timestamptz[]),
  genledger.change_job_requests(uuid[], uuid[], text[], text[], uuid[], int[]),
  genledger.insert_job_outputs(uuid[], int[], uuid[], uuid[], text[], bigint[], text[], int[], int[]),
  genledger.end_jobs(uuid[], int[], text, timestamptz),
  genledger.renew_leases(uuid[], int[], int),
  genledger.expired_leases(int),
  genledger.fold_jobs(bigint, bigint, int)
  to genledger_writer;
