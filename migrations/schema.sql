-- The schema genledger after all migrations, printed from the catalogue for reading and for diffs. Nothing runs it.
-- Made anew by: node scripts/print-schema.mjs

create sequence genledger.event_position as bigint increment by 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;
grant select, usage on sequence genledger.event_position to genledger_writer;

create table genledger.assets (
  id uuid not null,
  user_id uuid not null,
  project_id uuid,
  upload_id uuid,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint assets_pkey PRIMARY KEY (id),
  constraint assets_id_user_id_key UNIQUE (id, user_id),
  constraint assets_project_id_user_id_fkey FOREIGN KEY (project_id, user_id) REFERENCES genledger.projects(id, user_id)
);
alter table genledger.assets enable row level security;
alter table genledger.assets force row level security;
CREATE INDEX assets_by_user ON genledger.assets USING btree (user_id, id);
create policy audit on genledger.assets for select to genledger_auditor using (true);
create policy own on genledger.assets for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.assets for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.assets to genledger_writer;
grant select on genledger.assets to authenticated;
grant select on genledger.assets to genledger_auditor;
comment on table genledger.assets is 'Input of jobs: an uploaded file under a name that jobs refer to.';

create table genledger.checkpoints (
  name text not null,
  "position" bigint not null,
  updated_at timestamp with time zone not null default clock_timestamp(),
  constraint checkpoints_pkey PRIMARY KEY (name)
) with (fillfactor=50);
alter table genledger.checkpoints enable row level security;
alter table genledger.checkpoints force row level security;
create policy anyone on genledger.checkpoints for select to authenticated, genledger_auditor using (true);
create policy writer on genledger.checkpoints for all to genledger_writer using (true) with check (true);
grant insert, select, update on genledger.checkpoints to genledger_writer;
grant select on genledger.checkpoints to authenticated;
grant select on genledger.checkpoints to genledger_auditor;
comment on table genledger.checkpoints is 'How far each folded projection has read.';

create table genledger.contents (
  stream_id uuid not null,
  version integer not null,
  user_id uuid not null,
  salt bytea not null,
  body json not null,
  constraint contents_pkey PRIMARY KEY (stream_id, version)
);
alter table genledger.contents enable row level security;
alter table genledger.contents force row level security;
create policy audit on genledger.contents for select to genledger_auditor using (true);
create policy own on genledger.contents for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.contents for all to genledger_writer using (true) with check (true);
grant delete, insert, select on genledger.contents to genledger_writer;
grant select on genledger.contents to authenticated;
grant select on genledger.contents to genledger_auditor;
comment on table genledger.contents is 'Erasable text of events (prompts, metadata, messages), joined in when histories are read.';

create table genledger.ended_streams (
  stream_id uuid not null,
  user_id uuid not null,
  version integer not null,
  reason text not null,
  ended_at timestamp with time zone not null,
  constraint ended_streams_pkey PRIMARY KEY (stream_id),
  constraint ended_streams_reason_check CHECK ((reason = ANY (ARRAY['deleted'::text, 'archived'::text])))
);
alter table genledger.ended_streams enable row level security;
alter table genledger.ended_streams force row level security;
create policy writer on genledger.ended_streams for all to genledger_writer using (true) with check (true);
grant delete, insert, select on genledger.ended_streams to genledger_writer;
comment on table genledger.ended_streams is 'Tombstones of deleted and archived streams.';

create table genledger.events (
  "position" bigint not null,
  stream_id uuid not null,
  version integer not null,
  user_id uuid not null,
  type text not null,
  schema_version smallint not null,
  data json not null,
  meta json not null,
  recorded_at timestamp with time zone not null,
  epoch integer not null,
  scope_id uuid,
  tally integer[],
  account text,
  constraint events_pkey PRIMARY KEY (stream_id, version)
) partition by RANGE (stream_id);
alter table genledger.events enable row level security;
alter table genledger.events force row level security;
CREATE INDEX events_position ON ONLY genledger.events USING btree ("position");
CREATE INDEX events_user_ranges ON ONLY genledger.events USING brin (user_id uuid_bloom_ops) WITH (pages_per_range='32');
CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE ON genledger.events FOR EACH ROW EXECUTE FUNCTION genledger.refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON genledger.events FOR EACH STATEMENT EXECUTE FUNCTION genledger.refuse_change();
create policy audit on genledger.events for select to genledger_auditor using (true);
create policy own on genledger.events for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.events for all to genledger_writer using (true) with check (true);
grant insert, select on genledger.events to genledger_writer;
grant select on genledger.events to authenticated;
grant select on genledger.events to genledger_auditor;
comment on table genledger.events is 'The log. Append-only: UPDATE, DELETE and TRUNCATE are refused.';
comment on column genledger.events."position" is 'Global order. Gaps are rolled-back appends; read up to genledger.read_watermark().';
comment on column genledger.events.stream_id is 'UUIDv7 of the thing whose history this is; its month names the partition.';
comment on column genledger.events.version is '1, 2, 3 … within the stream, without gaps.';
comment on column genledger.events.user_id is 'Owner of the stream.';
comment on column genledger.events.data is 'What happened, kept byte for byte. Holds nothing erasable: see genledger.contents.';
comment on column genledger.events.meta is 'Actor, correlation, causation, command and trace ids.';
comment on column genledger.events.recorded_at is 'Never earlier than the previous event of the stream.';
comment on column genledger.events.scope_id is 'What folds group by besides the owner (a job''s project): a copy from data.';
comment on column genledger.events.tally is 'Numbers that folds add up: a copy from data, so that they need not parse it (ADR 5).';
comment on column genledger.events.account is 'What a change of cost is booked under, as a JSON array (a job''s mode, kind, model); null where no cent moved.';

create table genledger.events_permanent partition of genledger.events FOR VALUES FROM ('f0000000-0000-0000-0000-000000000000') TO (MAXVALUE);
alter table genledger.events_permanent enable row level security;
alter table genledger.events_permanent force row level security;
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON genledger.events_permanent FOR EACH STATEMENT EXECUTE FUNCTION genledger.refuse_change();

create table genledger.generation_job_summary (
  user_id uuid not null,
  project_id uuid,
  status text not null,
  job_count bigint not null,
  total_cost_cents bigint not null,
  first_job_at timestamp with time zone,
  last_job_at timestamp with time zone,
  constraint generation_job_summary_user_id_project_id_status_key UNIQUE NULLS NOT DISTINCT (user_id, project_id, status)
) with (fillfactor=50);
alter table genledger.generation_job_summary enable row level security;
alter table genledger.generation_job_summary force row level security;
create policy audit on genledger.generation_job_summary for select to genledger_auditor using (true);
create policy own on genledger.generation_job_summary for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.generation_job_summary for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.generation_job_summary to genledger_writer;
grant select on genledger.generation_job_summary to authenticated;
grant select on genledger.generation_job_summary to genledger_auditor;
comment on table genledger.generation_job_summary is 'Folded per user, project and status. first_job_at and last_job_at span all jobs that were ever in it.';

create table genledger.idempotency_keys (
  key_hash uuid not null,
  fingerprint uuid not null,
  stream_id uuid not null,
  version integer not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint idempotency_keys_pkey PRIMARY KEY (key_hash)
);
alter table genledger.idempotency_keys enable row level security;
alter table genledger.idempotency_keys force row level security;
create policy writer on genledger.idempotency_keys for all to genledger_writer using (true) with check (true);
grant delete, insert, select on genledger.idempotency_keys to genledger_writer;
comment on table genledger.idempotency_keys is 'Which command a key stood for; swept after 24 h.';

create table genledger.job_costs (
  user_id uuid not null,
  day date not null,
  project_id uuid,
  mode text not null,
  kind text not null,
  model text,
  charges bigint not null,
  incurred_cents bigint not null,
  constraint job_costs_user_id_day_project_id_mode_kind_model_key UNIQUE NULLS NOT DISTINCT (user_id, day, project_id, mode, kind, model)
) with (fillfactor=70);
alter table genledger.job_costs enable row level security;
alter table genledger.job_costs force row level security;
create policy audit on genledger.job_costs for select to genledger_auditor using (true);
create policy own on genledger.job_costs for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.job_costs for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.job_costs to genledger_writer;
grant select on genledger.job_costs to authenticated;
grant select on genledger.job_costs to genledger_auditor;
comment on table genledger.job_costs is 'Folded: what was incurred, by UTC day, project, mode, kind and model.';

create table genledger.job_outputs (
  job_id uuid not null,
  "position" smallint not null,
  user_id uuid not null,
  upload_id uuid not null,
  mime_type text not null,
  size bigint not null,
  sha256 text not null,
  width integer not null,
  height integer not null,
  constraint job_outputs_pkey PRIMARY KEY (job_id, "position")
);
alter table genledger.job_outputs enable row level security;
alter table genledger.job_outputs force row level security;
CREATE INDEX job_outputs_by_upload ON genledger.job_outputs USING btree (upload_id);
create policy audit on genledger.job_outputs for select to genledger_auditor using (true);
create policy own on genledger.job_outputs for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.job_outputs for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.job_outputs to genledger_writer;
grant select on genledger.job_outputs to authenticated;
grant select on genledger.job_outputs to genledger_auditor;
comment on table genledger.job_outputs is 'Files that a job made, in order; linked in the transaction that records the result.';

create table genledger.job_requests (
  id uuid not null,
  user_id uuid not null,
  project_id uuid,
  kind text not null,
  mode text not null,
  input_asset_id uuid,
  collection_id uuid,
  ordinal_number integer,
  trait_overrides jsonb,
  requested json not null,
  effective json not null,
  estimated_cents integer not null,
  tags text[],
  retry_of uuid,
  content_version integer,
  created_at timestamp with time zone not null,
  content_salt bytea,
  content_body json,
  constraint job_requests_pkey PRIMARY KEY (id)
);
alter table genledger.job_requests enable row level security;
alter table genledger.job_requests force row level security;
CREATE INDEX job_requests_by_asset ON genledger.job_requests USING btree (input_asset_id, id DESC) WHERE (input_asset_id IS NOT NULL);
CREATE INDEX job_requests_by_project ON genledger.job_requests USING btree (project_id, id DESC) WHERE (project_id IS NOT NULL);
CREATE INDEX job_requests_by_user ON genledger.job_requests USING btree (user_id, id DESC);
CREATE INDEX job_requests_ordinal_number ON genledger.job_requests USING btree (collection_id, ordinal_number) WHERE (ordinal_number IS NOT NULL);
create policy audit on genledger.job_requests for select to genledger_auditor using (true);
create policy own on genledger.job_requests for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.job_requests for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.job_requests to genledger_writer;
grant select on genledger.job_requests to authenticated;
grant select on genledger.job_requests to genledger_auditor;
comment on column genledger.job_requests.content_body is 'Erasable text of the job''s first event; later ones have theirs in genledger.contents.';

create table genledger.job_states (
  id uuid not null,
  user_id uuid not null,
  project_id uuid,
  kind text not null,
  mode text not null,
  model text,
  status text not null,
  version integer not null,
  attempt integer not null,
  max_attempts integer not null,
  rank integer not null,
  run_at timestamp with time zone not null,
  deadline timestamp with time zone,
  lease_token integer,
  lease_expires_at timestamp with time zone,
  refused_tokens integer[],
  worker_id text,
  reserved_cents integer not null,
  cost_cents integer not null,
  error_code text,
  error_version integer,
  input_asset_id uuid,
  output_count integer not null default 0,
  erased boolean not null default false,
  cancel_requested_at timestamp with time zone,
  started_at timestamp with time zone,
  completed_at timestamp with time zone,
  updated_at timestamp with time zone not null,
  constraint job_states_pkey PRIMARY KEY (id),
  constraint job_states_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text])))
) with (fillfactor=60, autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_cost_delay=1, autovacuum_analyze_scale_factor=0.1);
alter table genledger.job_states enable row level security;
alter table genledger.job_states force row level security;
CREATE INDEX job_states_canceled ON genledger.job_states USING btree (user_id, id) WHERE (status = 'canceled'::text);
CREATE INDEX job_states_claim ON genledger.job_states USING btree (rank, run_at, id) WHERE ((status = 'queued'::text) AND (kind <> 'external'::text));
CREATE INDEX job_states_claim_external ON genledger.job_states USING btree (rank, run_at, id) WHERE ((status = 'queued'::text) AND (kind = 'external'::text));
CREATE INDEX job_states_deadline ON genledger.job_states USING btree (deadline) WHERE ((status = 'queued'::text) AND (deadline IS NOT NULL));
CREATE INDEX job_states_failed ON genledger.job_states USING btree (user_id, id) WHERE (status = 'failed'::text);
CREATE INDEX job_states_queued ON genledger.job_states USING btree (user_id, id) WHERE (status = 'queued'::text);
CREATE INDEX job_states_running ON genledger.job_states USING btree (user_id, id) WHERE (status = 'running'::text);
create policy audit on genledger.job_states for select to genledger_auditor using (true);
create policy own on genledger.job_states for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.job_states for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.job_states to genledger_writer;
grant select on genledger.job_states to authenticated;
grant select on genledger.job_states to genledger_auditor;

create table genledger.job_statistics (
  user_id uuid not null,
  status text not null,
  count bigint not null,
  total_cost_cents bigint not null,
  constraint job_statistics_pkey PRIMARY KEY (user_id, status)
) with (fillfactor=50);
alter table genledger.job_statistics enable row level security;
alter table genledger.job_statistics force row level security;
create policy audit on genledger.job_statistics for select to genledger_auditor using (true);
create policy own on genledger.job_statistics for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.job_statistics for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.job_statistics to genledger_writer;
grant select on genledger.job_statistics to authenticated;
grant select on genledger.job_statistics to genledger_auditor;
comment on table genledger.job_statistics is 'Folded up to its checkpoint; read it through genledger.exact_job_statistics, which adds the tail.';

create table genledger.log_epoch (
  singleton boolean not null default true,
  epoch integer not null,
  constraint log_epoch_pkey PRIMARY KEY (singleton),
  constraint log_epoch_singleton_check CHECK (singleton)
);
alter table genledger.log_epoch enable row level security;
alter table genledger.log_epoch force row level security;
create policy writer on genledger.log_epoch for all to genledger_writer using (true) with check (true);
grant select on genledger.log_epoch to genledger_writer;

create table genledger.migrations (
  id integer not null default nextval('genledger.migrations_id_seq'::regclass),
  "timestamp" bigint not null,
  name character varying not null,
  constraint "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id)
);
grant select on genledger.migrations to genledger_writer;

create table genledger.projects (
  id uuid not null,
  user_id uuid not null,
  name text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint projects_pkey PRIMARY KEY (id),
  constraint projects_id_user_id_key UNIQUE (id, user_id)
);
alter table genledger.projects enable row level security;
alter table genledger.projects force row level security;
CREATE INDEX projects_by_user ON genledger.projects USING btree (user_id, id);
create policy audit on genledger.projects for select to genledger_auditor using (true);
create policy own on genledger.projects for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.projects for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.projects to genledger_writer;
grant select on genledger.projects to authenticated;
grant select on genledger.projects to genledger_auditor;
comment on table genledger.projects is 'What a user groups jobs by.';

create table genledger.rebuilds (
  model text not null,
  reached text not null,
  done bigint not null,
  started_at timestamp with time zone not null default clock_timestamp(),
  updated_at timestamp with time zone not null default clock_timestamp(),
  constraint rebuilds_pkey PRIMARY KEY (model)
);
alter table genledger.rebuilds enable row level security;
alter table genledger.rebuilds force row level security;
create policy writer on genledger.rebuilds for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.rebuilds to genledger_writer;
comment on table genledger.rebuilds is 'Rebuilds that are under way or were stopped. reached: the last stream, or position, that is done.';

create table genledger.rebuilt_sums (
  model text not null,
  user_id uuid not null,
  project_id uuid,
  status text not null,
  job_count bigint not null,
  total_cost_cents bigint not null,
  first_job_at timestamp with time zone,
  last_job_at timestamp with time zone,
  constraint rebuilt_sums_model_user_id_project_id_status_key UNIQUE NULLS NOT DISTINCT (model, user_id, project_id, status)
);
alter table genledger.rebuilt_sums enable row level security;
alter table genledger.rebuilt_sums force row level security;
create policy writer on genledger.rebuilt_sums for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.rebuilt_sums to genledger_writer;
comment on table genledger.rebuilt_sums is 'Shadows of folded models, up to genledger.rebuilds.reached.';

create table genledger.stream_heads (
  stream_id uuid not null,
  user_id uuid not null,
  version integer not null,
  recorded_at timestamp with time zone not null,
  constraint stream_heads_pkey PRIMARY KEY (stream_id)
) with (fillfactor=60);
alter table genledger.stream_heads enable row level security;
alter table genledger.stream_heads force row level security;
create policy writer on genledger.stream_heads for all to genledger_writer using (true) with check (true);
grant insert, select, update on genledger.stream_heads to genledger_writer;
comment on table genledger.stream_heads is 'The row that is locked for a plain stream.';

create table genledger.ticks (
  "position" bigint not null,
  at timestamp with time zone not null,
  constraint ticks_pkey PRIMARY KEY ("position")
);
alter table genledger.ticks enable row level security;
alter table genledger.ticks force row level security;
CREATE INDEX ticks_at ON genledger.ticks USING btree (at, "position");
create policy anyone on genledger.ticks for select to authenticated, genledger_auditor using (true);
create policy writer on genledger.ticks for all to genledger_writer using (true) with check (true);
grant delete, insert, select on genledger.ticks to genledger_writer;
grant select on genledger.ticks to authenticated;
grant select on genledger.ticks to genledger_auditor;
comment on table genledger.ticks is 'Watermarks with the time they were read at.';

create table genledger.uploads (
  id uuid not null,
  user_id uuid not null,
  purpose text not null,
  storage_key text not null,
  mime_type text not null,
  size bigint not null,
  sha256 text not null,
  width integer not null,
  height integer not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint uploads_pkey PRIMARY KEY (id),
  constraint uploads_id_user_id_key UNIQUE (id, user_id),
  constraint uploads_storage_key_key UNIQUE (storage_key),
  constraint uploads_height_check CHECK ((height > 0)),
  constraint uploads_purpose_check CHECK ((purpose = ANY (ARRAY['generation_output'::text, 'input'::text]))),
  constraint uploads_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint uploads_size_check CHECK ((size > 0)),
  constraint uploads_width_check CHECK ((width > 0))
);
alter table genledger.uploads enable row level security;
alter table genledger.uploads force row level security;
CREATE INDEX uploads_by_user ON genledger.uploads USING btree (user_id, purpose, id DESC);
create policy audit on genledger.uploads for select to genledger_auditor using (true);
create policy own on genledger.uploads for select to authenticated using ((user_id = ( SELECT genledger.uid() AS uid)));
create policy writer on genledger.uploads for all to genledger_writer using (true) with check (true);
grant delete, insert, select, update on genledger.uploads to genledger_writer;
grant select on genledger.uploads to authenticated;
grant select on genledger.uploads to genledger_auditor;
comment on table genledger.uploads is 'Stored images. A row is written after its object is durable, and deleted before it.';
comment on column genledger.uploads.id is 'UUIDv7, from the server: id desc is newest first.';
comment on column genledger.uploads.purpose is 'input: a user sent it. generation_output: a job made it; shown once it is linked in job_outputs.';
comment on column genledger.uploads.storage_key is 'user_id/yyyy-mm/id.ext, made by the server only.';
comment on column genledger.uploads.mime_type is 'By the bytes, not by what the sender said.';
comment on column genledger.uploads.size is 'Bytes.';
comment on column genledger.uploads.sha256 is 'Of the bytes, lower-case hex.';
comment on column genledger.uploads.width is 'Pixels, as shown (after the orientation in its metadata).';
comment on column genledger.uploads.height is 'Pixels, as shown (after the orientation in its metadata).';

CREATE OR REPLACE FUNCTION genledger.advance_stream_heads(p_ids uuid[], p_user_ids uuid[], p_expected integer[], p_versions integer[], p_recorded_at timestamp with time zone[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  made  bigint;
  moved bigint;
begin
  insert into genledger.stream_heads (stream_id, user_id, version, recorded_at)
  select n.id, n.user_id, n.version, n.recorded_at
    from unnest(p_ids, p_user_ids, p_expected, p_versions, p_recorded_at) as n(id, user_id, expected, version, recorded_at)
   where n.expected = 0 order by n.id
  on conflict (stream_id) do nothing;
  get diagnostics made = row_count;
  update genledger.stream_heads h set version = n.version, recorded_at = n.recorded_at
    from unnest(p_ids, p_expected, p_versions, p_recorded_at) as n(id, expected, version, recorded_at)
   where h.stream_id = n.id and h.version = n.expected and n.expected > 0;
  get diagnostics moved = row_count;
  if made + moved < cardinality(p_ids) then
    raise exception 'a stream was started by someone else meanwhile' using errcode = '40001';
  end if;
end $function$;
grant execute on function genledger.advance_stream_heads(uuid[],uuid[],integer[],integer[],timestamp with time zone[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.announce_append()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;
grant execute on function genledger.announce_append() to genledger_writer;
comment on function genledger.announce_append() is 'Lower bound of this transaction''s positions, as a shared advisory lock (class 42).';

CREATE OR REPLACE FUNCTION genledger.append_events(p_stream_ids uuid[], p_versions integer[], p_user_ids uuid[], p_types text[], p_schema_versions integer[], p_data json[], p_meta json[], p_recorded_at timestamp with time zone[], p_scope_ids uuid[], p_tallies text[], p_accounts text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$;
grant execute on function genledger.append_events(uuid[],integer[],uuid[],text[],integer[],json[],json[],timestamp with time zone[],uuid[],text[],text[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.change_job_requests(p_ids uuid[], p_project_ids uuid[], p_modes text[], p_tags text[], p_assets uuid[], p_content_versions integer[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
  update genledger.job_requests r
     set project_id = c.project_id, mode = c.mode, input_asset_id = c.asset,
         tags = case when c.content_version is null then r.tags else c.tags::text[] end,
         content_version = coalesce(c.content_version, r.content_version)
    from unnest(p_ids, p_project_ids, p_modes, p_tags, p_assets, p_content_versions)
      as c(id, project_id, mode, tags, asset, content_version)
   where r.id = c.id
$function$;
grant execute on function genledger.change_job_requests(uuid[],uuid[],text[],text[],uuid[],integer[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.end_jobs(p_ids uuid[], p_versions integer[], p_reason text, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
begin
  with gone as (delete from genledger.job_states where id = any (p_ids) returning id, user_id)
  insert into genledger.ended_streams (stream_id, user_id, version, reason, ended_at)
  select g.id, g.user_id, n.version, p_reason, p_at
    from unnest(p_ids, p_versions) as n(id, version) join gone g on g.id = n.id;
  with gone as (delete from genledger.job_requests where id = any (p_ids) returning id, user_id, content_salt, content_body)
  insert into genledger.contents (stream_id, version, user_id, salt, body)
  select g.id, 1, g.user_id, g.content_salt, g.content_body from gone g where g.content_body is not null;
  delete from genledger.job_outputs where job_id = any (p_ids);
end $function$;
grant execute on function genledger.end_jobs(uuid[],integer[],text,timestamp with time zone) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.end_stuck_announcers(p_age interval)
 RETURNS integer
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select count(*) filter (where pg_catalog.pg_terminate_backend(a.pid))::int
    from (select distinct l.pid from pg_catalog.pg_locks l
           where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint >> 16) = 42
             and l.database = (select oid from pg_catalog.pg_database where datname = current_database())) h
    join pg_catalog.pg_stat_activity a on a.pid = h.pid
   where a.xact_start < clock_timestamp() - p_age and a.usename = session_user
$function$;
grant execute on function genledger.end_stuck_announcers(interval) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.ended_jobs(p_after bigint, p_upto bigint)
 RETURNS TABLE(id uuid)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$
  -- events.tally: the statuses left and entered; from 3 on they are terminal (genledger.job_status).
  select e.stream_id from genledger.events e
   where e.position > p_after and e.position <= p_upto and e.tally[2] >= 3 and e.tally[1] <> e.tally[2]
$function$;
grant execute on function genledger.ended_jobs(bigint,bigint) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.ensure_partitions(p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  month timestamptz := date_trunc('month', p_from);
  child text;
  made  int := 0;
begin
  perform pg_catalog.pg_advisory_xact_lock(hashtext('genledger.ensure_partitions'));
  while month <= p_to loop
    child := 'events_' || to_char(month, 'YYYY_MM');
    if to_regclass('genledger.' || child) is null then
      execute format('create table genledger.%I partition of genledger.events for values from (%L) to (%L)',
                     child, genledger.uuid_floor(month), genledger.uuid_floor(month + interval '1 month'));
      perform genledger.guard_partition(child);
      made := made + 1;
    end if;
    month := month + interval '1 month';
  end loop;
  return made;
end $function$;
grant execute on function genledger.ensure_partitions(timestamp with time zone,timestamp with time zone) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.expired_leases(p_max integer)
 RETURNS TABLE(id uuid, lease_token integer)
 LANGUAGE sql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$
  select s.id, s.lease_token from genledger.job_states s
   where s.status = 'running' and s.lease_expires_at < clock_timestamp() limit p_max
$function$;
grant execute on function genledger.expired_leases(integer) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.fold_jobs(p_expected bigint, p_watermark bigint, p_max integer)
 RETURNS TABLE(outcome text, reached bigint, folded integer)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$;
grant execute on function genledger.fold_jobs(bigint,bigint,integer) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.fold_sums(p_model text, p_after bigint, p_upto bigint)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
AS $function$
  with moves as materialized (
    select m.position, m.user_id, m.project_id, genledger.job_status(m.status) as status, m.count, m.cost_cents,
           genledger.job_time(m.job_time) as job_at
      from genledger.job_movements m where m.position > p_after and m.position <= p_upto),
  -- Entered before left: an event that stays in its group does not empty it.
  walked as (
    select m.*, s.first_job_at, s.last_job_at, coalesce(s.job_count, 0) + sum(m.count) over (
             partition by m.user_id, m.project_id, m.status order by m.position, m.count desc
             rows unbounded preceding) as held
      from moves m
      left join genledger.rebuilt_sums s
        on s.model = p_model and s.user_id = m.user_id and s.project_id is not distinct from m.project_id
       and s.status = m.status),
  emptied as (
    select w.*, max(w.position) filter (where w.held = 0) over (partition by w.user_id, w.project_id, w.status) as emptied_at
      from walked w)
  insert into genledger.rebuilt_sums as t
    (model, user_id, project_id, status, job_count, total_cost_cents, first_job_at, last_job_at)
  select p_model, e.user_id, e.project_id, e.status, sum(e.count), sum(e.cost_cents),
         least(min(e.first_job_at) filter (where e.emptied_at is null),
               min(e.job_at) filter (where e.count > 0 and e.position > coalesce(e.emptied_at, 0))),
         greatest(max(e.last_job_at) filter (where e.emptied_at is null),
                  max(e.job_at) filter (where e.count > 0 and e.position > coalesce(e.emptied_at, 0)))
    from emptied e group by e.user_id, e.project_id, e.status
  on conflict (model, user_id, project_id, status) do update
    set job_count = t.job_count + excluded.job_count, total_cost_cents = t.total_cost_cents + excluded.total_cost_cents,
        first_job_at = excluded.first_job_at, last_job_at = excluded.last_job_at
$function$;
grant execute on function genledger.fold_sums(text,bigint,bigint) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.guard_partition(p_child text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  execute format('create trigger events_no_truncate before truncate on genledger.%I
                  for each statement execute function genledger.refuse_change()', p_child);
  execute format('alter table genledger.%I enable row level security', p_child);
  execute format('alter table genledger.%I force row level security', p_child);
end $function$;

CREATE OR REPLACE FUNCTION genledger.insert_contents(p_stream_ids uuid[], p_versions integer[], p_user_ids uuid[], p_salts bytea[], p_bodies json[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  insert into genledger.contents (stream_id, version, user_id, salt, body)
  select * from unnest(p_stream_ids, p_versions, p_user_ids, p_salts, p_bodies);
end $function$;
grant execute on function genledger.insert_contents(uuid[],integer[],uuid[],bytea[],json[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.insert_job_outputs(p_job_ids uuid[], p_positions integer[], p_user_ids uuid[], p_upload_ids uuid[], p_mime_types text[], p_sizes bigint[], p_sha256 text[], p_widths integer[], p_heights integer[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into genledger.job_outputs (job_id, position, user_id, upload_id, mime_type, size, sha256, width, height)
  select * from unnest(p_job_ids, p_positions, p_user_ids, p_upload_ids, p_mime_types, p_sizes, p_sha256, p_widths, p_heights)
$function$;
grant execute on function genledger.insert_job_outputs(uuid[],integer[],uuid[],uuid[],text[],bigint[],text[],integer[],integer[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.insert_jobs(p_ids uuid[], p_user_ids uuid[], p_project_ids uuid[], p_kinds text[], p_modes text[], p_models text[], p_max_attempts integer[], p_ranks integer[], p_run_at timestamp with time zone[], p_deadlines timestamp with time zone[], p_reserved integer[], p_costs integer[], p_assets uuid[], p_collections uuid[], p_ordinals integer[], p_traits json[], p_requested json[], p_effective json[], p_tags text[], p_retry_of uuid[], p_salts bytea[], p_bodies json[], p_created_at timestamp with time zone[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$;
grant execute on function genledger.insert_jobs(uuid[],uuid[],uuid[],text[],text[],text[],integer[],integer[],timestamp with time zone[],timestamp with time zone[],integer[],integer[],uuid[],uuid[],integer[],json[],json[],json[],text[],uuid[],bytea[],json[],timestamp with time zone[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.job_account(p_data json)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$ select json_build_array(p_data ->> 'mode', p_data ->> 'kind', p_data ->> 'model')::text $function$;
grant execute on function genledger.job_account(json) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.job_status(p_number integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ select ('{queued,running,succeeded,failed,canceled}'::text[])[p_number] $function$;
grant execute on function genledger.job_status(integer) to authenticated;
grant execute on function genledger.job_status(integer) to genledger_auditor;
grant execute on function genledger.job_status(integer) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.job_time(p_head text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$ select to_timestamp(('x' || translate(p_head, '-', ''))::bit(48)::bigint / 1000.0) $function$;
grant execute on function genledger.job_time(text) to authenticated;
grant execute on function genledger.job_time(text) to genledger_auditor;
grant execute on function genledger.job_time(text) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.load_jobs(p_ids uuid[], p_wait boolean)
 RETURNS TABLE(found text, row_id tid, id uuid, user_id uuid, project_id uuid, kind text, mode text, model text, status text, version integer, attempt integer, max_attempts integer, rank integer, run_ms double precision, deadline_ms double precision, lease_token integer, lease_ms double precision, refused_tokens integer[], worker_id text, reserved_cents integer, cost_cents integer, error_code text, error_version integer, input_asset_id uuid, output_count integer, erased boolean, cancel_ms double precision, started_ms double precision, completed_ms double precision, updated_ms double precision)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET lock_timeout TO '2s'
AS $function$
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
end $function$;
grant execute on function genledger.load_jobs(uuid[],boolean) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.load_stream_heads(p_ids uuid[], p_wait boolean)
 RETURNS TABLE(stream_id uuid, version integer, recorded_ms double precision, held boolean)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET lock_timeout TO '2s'
AS $function$
#variable_conflict use_column
declare
  locked uuid[];
begin
  if p_wait then
    perform 1 from genledger.stream_heads h where h.stream_id = any (p_ids) order by h.stream_id for no key update;
    locked := p_ids;
  else
    select array_agg(l.stream_id) into locked from (
      select h.stream_id from genledger.stream_heads h where h.stream_id = any (p_ids)
       order by h.stream_id for no key update skip locked) l;
  end if;
  return query
    select h.stream_id, h.version, date_part('epoch', h.recorded_at) * 1000, h.stream_id <> all (coalesce(locked, '{}'))
      from genledger.stream_heads h where h.stream_id = any (p_ids);
end $function$;
grant execute on function genledger.load_stream_heads(uuid[],boolean) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.lock_references(p_projects uuid[], p_assets uuid[], p_uploads uuid[], p_wait boolean)
 RETURNS TABLE(target text, id uuid, user_id uuid, held boolean)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET lock_timeout TO '2s'
AS $function$
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
end $function$;
grant execute on function genledger.lock_references(uuid[],uuid[],uuid[],boolean) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.overdue_jobs(p_max integer)
 RETURNS TABLE(id uuid)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
  -- Not clock_timestamp(): a volatile function is no bound of an index scan.
  select s.id from genledger.job_states s
   where s.status = 'queued' and s.deadline <= statement_timestamp() order by s.deadline limit p_max
$function$;
grant execute on function genledger.overdue_jobs(integer) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.queue_jobs(p_ids uuid[], p_user_ids uuid[], p_data json[], p_metas json[], p_projects uuid[], p_kinds text[], p_modes text[], p_models text[], p_max_attempts integer[], p_ranks integer[], p_run_at timestamp with time zone[], p_reserved integer[], p_costs integer[], p_accounts text[], p_requested json[], p_effective json[], p_tags text[], p_salts bytea[], p_bodies json[], p_pair_projects uuid[], p_pair_users uuid[], p_key_hashes uuid[], p_fingerprints uuid[], p_settle_keys boolean, p_sent_before boolean)
 RETURNS TABLE(answer text, id uuid, at_ms double precision, last_position bigint)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_nestloop TO 'off'
 SET lock_timeout TO '250ms'
AS $function$
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
end $function$;
grant execute on function genledger.queue_jobs(uuid[],uuid[],json[],json[],uuid[],text[],text[],text[],integer[],integer[],timestamp with time zone[],integer[],integer[],text[],json[],json[],text[],bytea[],json[],uuid[],uuid[],uuid[],uuid[],boolean,boolean) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.read_watermark()
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  highest bigint;
  bound   bigint;
begin
  if pg_is_in_recovery() then
    raise exception 'a replica cannot read the watermark: advisory locks are not replicated' using errcode = '25006';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the watermark needs READ COMMITTED, not %', current_setting('transaction_isolation') using errcode = '25001';
  end if;
  select case when is_called then last_value else last_value - 1 end into highest from genledger.event_position;
  select min(((classid::bigint & 65535) << 32) | objid::bigint) into bound
    from pg_catalog.pg_locks
   where locktype = 'advisory' and objsubid = 1 and (classid::bigint >> 16) = 42
     and database = (select oid from pg_catalog.pg_database where datname = current_database());
  return least(highest, coalesce(bound, highest));
end $function$;
grant execute on function genledger.read_watermark() to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.record_tick(p_position bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform pg_catalog.pg_advisory_xact_lock(hashtext('genledger.record_tick'));
  insert into genledger.ticks (position, at)
  select p_position, greatest(clock_timestamp(), max(t.at)) from genledger.ticks t
  having coalesce(max(t.position), 0) < p_position;
end $function$;
grant execute on function genledger.record_tick(bigint) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$ begin raise exception 'genledger.events is append-only: % refused', tg_op using errcode = '42501'; end $function$;

CREATE OR REPLACE FUNCTION genledger.renew_leases(p_ids uuid[], p_tokens integer[], p_lease_ms integer)
 RETURNS TABLE(id uuid, lease_expires_at timestamp with time zone, cancel_requested boolean)
 LANGUAGE sql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
  update genledger.job_states s
     set lease_expires_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
    from unnest(p_ids, p_tokens) as l(id, token)
   -- coalesce: or the planner takes the index of running jobs and walks it whole for every id.
   where s.id = l.id and coalesce(s.status, '') = 'running' and s.lease_token = l.token
  returning s.id, s.lease_expires_at, s.cancel_requested_at is not null
$function$;
grant execute on function genledger.renew_leases(uuid[],integer[],integer) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.return_idempotency_keys(p_hashes uuid[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$ delete from genledger.idempotency_keys where key_hash = any (p_hashes) $function$;
grant execute on function genledger.return_idempotency_keys(uuid[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.start_jobs(p_external boolean, p_kinds text[], p_max integer, p_after_rank integer, p_after_run_at timestamp with time zone, p_after_id uuid, p_worker_id text, p_lease_ms integer, p_meta json)
 RETURNS TABLE(id uuid, user_id uuid, kind text, attempt integer, lease_token integer, effective json, content json, rank integer, run_at timestamp with time zone)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
end $function$;
grant execute on function genledger.start_jobs(boolean,text[],integer,integer,timestamp with time zone,uuid,text,integer,json) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.store_checkpoint(p_name text, p_expected bigint, p_next bigint)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  present bigint;
begin
  insert into genledger.checkpoints (name, position) values (p_name, 0) on conflict (name) do nothing;
  select c.position into present from genledger.checkpoints c where c.name = p_name for no key update;
  if present = p_expected and p_next > p_expected then
    update genledger.checkpoints c set position = p_next, updated_at = clock_timestamp() where c.name = p_name;
    return 'stored';
  end if;
  return case when present = p_next then 'already_there' when present > p_next then 'someone_ahead' else 'mismatch' end;
end $function$;
grant execute on function genledger.store_checkpoint(text,bigint,bigint) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.stream_time(p_id uuid)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$select pg_catalog.uuid_extract_timestamp(p_id)$function$;
grant execute on function genledger.stream_time(uuid) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.succeed_jobs(p_ids uuid[], p_tokens integer[], p_costs integer[], p_output_counts integer[], p_outputs json[], p_output_errors json[], p_metas json[], p_output_jobs uuid[], p_positions integer[], p_upload_ids uuid[], p_mime_types text[], p_sizes bigint[], p_sha256 text[], p_widths integer[], p_heights integer[], p_leave_held boolean)
 RETURNS TABLE(id uuid, version integer, last_position bigint)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET lock_timeout TO '20ms'
AS $function$
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
end $function$;
grant execute on function genledger.succeed_jobs(uuid[],integer[],integer[],integer[],json[],json[],json[],uuid[],integer[],uuid[],text[],bigint[],text[],integer[],integer[],boolean) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.take_idempotency_keys(p_hashes uuid[], p_fingerprints uuid[], p_stream_ids uuid[])
 RETURNS TABLE(key_hash uuid, fingerprint uuid, stream_id uuid, version integer)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET lock_timeout TO '250ms'
AS $function$
#variable_conflict use_column
declare
  taken uuid[];
begin
  with mine as (
    insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version)
    select k.hash, k.fingerprint, k.stream_id, 1
      from unnest(p_hashes, p_fingerprints, p_stream_ids) as k(hash, fingerprint, stream_id) order by k.hash
    on conflict (key_hash) do nothing
    returning key_hash)
  select array_agg(m.key_hash) into taken from mine m;
  if coalesce(cardinality(taken), 0) < cardinality(p_hashes) then
    return query
      select k.key_hash, k.fingerprint, k.stream_id, k.version from genledger.idempotency_keys k
       where k.key_hash = any (p_hashes) and k.key_hash <> all (coalesce(taken, '{}'));
  end if;
end $function$;
grant execute on function genledger.take_idempotency_keys(uuid[],uuid[],uuid[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.uid()
 RETURNS uuid
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$ select nullif(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub', '')::uuid $function$;
grant execute on function genledger.uid() to authenticated;
grant execute on function genledger.uid() to genledger_auditor;
grant execute on function genledger.uid() to genledger_writer;
comment on function genledger.uid() is 'The user whose claims this transaction carries, or null.';

CREATE OR REPLACE FUNCTION genledger.update_jobs(p_rows tid[], p_project_ids uuid[], p_modes text[], p_statuses text[], p_versions integer[], p_attempts integer[], p_ranks integer[], p_run_at timestamp with time zone[], p_lease_tokens integer[], p_leases timestamp with time zone[], p_refused text[], p_workers text[], p_reserved integer[], p_costs integer[], p_error_codes text[], p_error_versions integer[], p_assets uuid[], p_outputs integer[], p_erased integer[], p_cancel timestamp with time zone[], p_started timestamp with time zone[], p_completed timestamp with time zone[], p_updated timestamp with time zone[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
end $function$;
grant execute on function genledger.update_jobs(tid[],uuid[],text[],text[],integer[],integer[],integer[],timestamp with time zone[],integer[],timestamp with time zone[],text[],text[],integer[],integer[],text[],integer[],uuid[],integer[],integer[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[]) to genledger_writer;

CREATE OR REPLACE FUNCTION genledger.uuid_floor(p_at timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$ select (lpad(to_hex(floor(date_part('epoch', p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid $function$;
grant execute on function genledger.uuid_floor(timestamp with time zone) to genledger_writer;

create view genledger.event_contents with (security_invoker=true) as
 SELECT contents.stream_id,
    contents.version,
    contents.user_id,
    contents.salt,
    contents.body
   FROM genledger.contents
UNION ALL
 SELECT job_requests.id AS stream_id,
    1 AS version,
    job_requests.user_id,
    job_requests.content_salt AS salt,
    job_requests.content_body AS body
   FROM genledger.job_requests
  WHERE (job_requests.content_body IS NOT NULL);
grant select on genledger.event_contents to authenticated;
grant select on genledger.event_contents to genledger_auditor;
grant select on genledger.event_contents to genledger_writer;
comment on view genledger.event_contents is 'Erasable text of events, wherever it stands.';

create view genledger.exact_job_costs with (security_invoker=true) as
 SELECT job_costs.user_id,
    job_costs.day,
    job_costs.project_id,
    job_costs.mode,
    job_costs.kind,
    job_costs.model,
    job_costs.charges,
    job_costs.incurred_cents
   FROM genledger.job_costs
UNION ALL
 SELECT c.user_id,
    c.day,
    c.project_id,
    c.mode,
    c.kind,
    c.model,
    1 AS charges,
    c.cents AS incurred_cents
   FROM genledger.job_charges c
  WHERE (c."position" > COALESCE(( SELECT p."position"
           FROM genledger.checkpoints p
          WHERE (p.name = 'jobs'::text)), (0)::bigint));
grant select on genledger.exact_job_costs to authenticated;
grant select on genledger.exact_job_costs to genledger_auditor;
grant select on genledger.exact_job_costs to genledger_writer;

create view genledger.exact_job_statistics with (security_invoker=true) as
 SELECT user_id,
    status,
    (sum(count))::bigint AS count,
    (sum(total_cost_cents))::bigint AS total_cost_cents
   FROM ( SELECT job_statistics.user_id,
            job_statistics.status,
            job_statistics.count,
            job_statistics.total_cost_cents
           FROM genledger.job_statistics
        UNION ALL
         SELECT m.user_id,
            genledger.job_status(m.status) AS job_status,
            m.count,
            m.cost_cents
           FROM genledger.job_movements m
          WHERE (m."position" > COALESCE(( SELECT c."position"
                   FROM genledger.checkpoints c
                  WHERE (c.name = 'jobs'::text)), (0)::bigint))) t
  GROUP BY user_id, status
 HAVING (sum(count) <> (0)::numeric);
grant select on genledger.exact_job_statistics to authenticated;
grant select on genledger.exact_job_statistics to genledger_auditor;
grant select on genledger.exact_job_statistics to genledger_writer;

create view genledger.exact_job_summary with (security_invoker=true) as
 SELECT user_id,
    project_id,
    status,
    (sum(job_count))::bigint AS job_count,
    (sum(total_cost_cents))::bigint AS total_cost_cents,
    min(first_job_at) AS first_job_at,
    max(last_job_at) AS last_job_at
   FROM ( SELECT generation_job_summary.user_id,
            generation_job_summary.project_id,
            generation_job_summary.status,
            generation_job_summary.job_count,
            generation_job_summary.total_cost_cents,
                CASE
                    WHEN (generation_job_summary.job_count > 0) THEN generation_job_summary.first_job_at
                    ELSE NULL::timestamp with time zone
                END AS first_job_at,
                CASE
                    WHEN (generation_job_summary.job_count > 0) THEN generation_job_summary.last_job_at
                    ELSE NULL::timestamp with time zone
                END AS last_job_at
           FROM genledger.generation_job_summary
        UNION ALL
         SELECT m.user_id,
            m.project_id,
            genledger.job_status(m.status) AS job_status,
            m.count,
            m.cost_cents,
                CASE
                    WHEN (m.count > 0) THEN genledger.job_time(m.job_time)
                    ELSE NULL::timestamp with time zone
                END AS "case",
                CASE
                    WHEN (m.count > 0) THEN genledger.job_time(m.job_time)
                    ELSE NULL::timestamp with time zone
                END AS "case"
           FROM genledger.job_movements m
          WHERE (m."position" > COALESCE(( SELECT c."position"
                   FROM genledger.checkpoints c
                  WHERE (c.name = 'jobs'::text)), (0)::bigint))) t
  GROUP BY user_id, project_id, status
 HAVING (sum(job_count) <> (0)::numeric);
grant select on genledger.exact_job_summary to authenticated;
grant select on genledger.exact_job_summary to genledger_auditor;
grant select on genledger.exact_job_summary to genledger_writer;

create view genledger.generation_jobs with (security_invoker=true) as
 SELECT r.id,
    r.user_id,
    r.project_id,
    s.status,
    r.mode,
    r.input_asset_id,
    (e.body ->> 'message'::text) AS error,
    s.cost_cents,
    r.created_at,
    s.updated_at,
    r.kind,
    s.model,
    s.version,
    s.attempt,
    s.max_attempts,
    (- s.rank) AS priority,
    s.run_at,
    s.deadline,
    s.lease_expires_at,
    s.worker_id,
    s.reserved_cents,
    s.error_code,
    s.cancel_requested_at,
    s.started_at,
    s.completed_at,
    r.collection_id,
    r.ordinal_number,
    r.trait_overrides,
    (e.body ->> 'message'::text) AS error_message,
    (c.body ->> 'prompt'::text) AS prompt,
    (c.body ->> 'negative_prompt'::text) AS negative_prompt,
    (c.body -> 'metadata'::text) AS metadata,
    r.requested AS requested_parameters,
    r.effective AS effective_parameters,
    r.estimated_cents,
    r.tags,
    r.retry_of
   FROM (((genledger.job_requests r
     JOIN genledger.job_states s ON ((s.id = r.id)))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (r.content_version = 1) THEN r.content_body
                    ELSE ( SELECT d.body
                       FROM genledger.contents d
                      WHERE ((d.stream_id = r.id) AND (d.version = r.content_version)))
                END AS body) c)
     LEFT JOIN genledger.contents e ON (((e.stream_id = r.id) AND (e.version = s.error_version))));
grant select on genledger.generation_jobs to authenticated;
grant select on genledger.generation_jobs to genledger_auditor;
grant select on genledger.generation_jobs to genledger_writer;

create view genledger.image_generations with (security_invoker=true) as
 SELECT id,
    user_id,
    prompt,
        CASE status
            WHEN 'queued'::text THEN 'pending'::text
            WHEN 'running'::text THEN 'processing'::text
            WHEN 'succeeded'::text THEN 'completed'::text
            ELSE status
        END AS status,
    cost_cents AS tokens,
    ((requested_parameters ->> 'number_of_images'::text))::integer AS number_of_images,
    (requested_parameters ->> 'aspect_ratio'::text) AS aspect_ratio,
    jsonb_strip_nulls(jsonb_build_object('numberOfImages', (requested_parameters -> 'number_of_images'::text), 'aspectRatio', (requested_parameters -> 'aspect_ratio'::text))) AS metadata,
    jsonb_build_object('imageIds', COALESCE(( SELECT jsonb_agg(o.upload_id ORDER BY o."position") AS jsonb_agg
           FROM genledger.job_outputs o
          WHERE (o.job_id = j.id)), '[]'::jsonb)) AS ai_metadata,
    created_at,
    updated_at
   FROM genledger.generation_jobs j
  WHERE (kind = 'text_to_image'::text);
grant select on genledger.image_generations to authenticated;
grant select on genledger.image_generations to genledger_auditor;
grant select on genledger.image_generations to genledger_writer;

create view genledger.job_charges with (security_invoker=true) as
 SELECT e."position",
    e.user_id,
    ((e.recorded_at AT TIME ZONE 'UTC'::text))::date AS day,
    e.scope_id AS project_id,
    d.mode,
    d.kind,
    d.model,
    e.tally[4] AS cents
   FROM (genledger.events e
     CROSS JOIN LATERAL json_to_record(e.data) d(mode text, kind text, model text))
  WHERE (e.tally[4] <> 0);
grant select on genledger.job_charges to authenticated;
grant select on genledger.job_charges to genledger_auditor;
grant select on genledger.job_charges to genledger_writer;

create view genledger.job_movements with (security_invoker=true) as
 SELECT e."position",
    e.user_id,
    m.project_id,
    m.status,
    m.count,
    m.cost_cents,
    "left"((e.stream_id)::text, 13) AS job_time
   FROM (genledger.events e
     CROSS JOIN LATERAL ( VALUES (
                CASE
                    WHEN (e.tally[5] = 1) THEN (NULLIF((e.data ->> 'from_project_id'::text), ''::text))::uuid
                    ELSE e.scope_id
                END,e.tally[1],'-1'::integer,(e.tally[4] - e.tally[3])), (e.scope_id,e.tally[2],1,e.tally[3])) m(project_id, status, count, cost_cents))
  WHERE ((m.status > 0) AND ((e.tally[1] <> e.tally[2]) OR (e.tally[4] <> 0) OR (e.tally[5] = 1)));
grant select on genledger.job_movements to authenticated;
grant select on genledger.job_movements to genledger_auditor;
grant select on genledger.job_movements to genledger_writer;
comment on view genledger.job_movements is 'One row for each status that an event leaves or enters.';
