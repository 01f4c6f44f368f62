-- The event log: append-only, range-partitioned by the month of its streams, read in order by a watermark.
-- Runs as genledger_owner; schema and roles exist (libs/platform/src/database-roles.ts).

grant usage on schema genledger to genledger_writer, authenticated, genledger_auditor;
grant select on genledger.migrations to genledger_writer;

-- Who asks. Claims are set transaction-locally by the server (or a trusted login) for every read.
create function genledger.uid() returns uuid
  language sql stable parallel safe set search_path = ''
  as $$ select nullif(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub', '')::uuid $$;
comment on function genledger.uid() is 'The user whose claims this transaction carries, or null.';

-- CACHE 1: the watermark relies on positions being handed out one by one, in order.
create sequence genledger.event_position cache 1;

-- Bumped at a restore or failover, so that consumers outside can tell two histories of one position apart.
create table genledger.log_epoch (
  singleton boolean primary key default true check (singleton),
  epoch     int not null
);
insert into genledger.log_epoch (epoch) values (1);

create table genledger.events (
  position       bigint      not null,
  stream_id      uuid        not null,
  version        int         not null,
  user_id        uuid        not null,
  type           text        not null,
  schema_version smallint    not null,
  data           json        not null,
  meta           json        not null,
  recorded_at    timestamptz not null,
  epoch          int         not null,
  scope_id       uuid,
  tally          int[],
  primary key (stream_id, version)
) partition by range (stream_id);
create index events_position on genledger.events (position);

comment on table genledger.events is 'The log. Append-only: UPDATE, DELETE and TRUNCATE are refused.';
comment on column genledger.events.position is 'Global order. Gaps are rolled-back appends; read up to genledger.read_watermark().';
comment on column genledger.events.stream_id is 'UUIDv7 of the thing whose history this is; its month names the partition.';
comment on column genledger.events.version is '1, 2, 3 … within the stream, without gaps.';
comment on column genledger.events.user_id is 'Owner of the stream.';
comment on column genledger.events.data is 'What happened, kept byte for byte. Holds nothing erasable: see genledger.contents.';
comment on column genledger.events.meta is 'Actor, correlation, causation, command and trace ids.';
comment on column genledger.events.scope_id is 'What folds group by besides the owner (a job''s project): a copy from data.';
comment on column genledger.events.tally is 'Numbers that folds add up: a copy from data, so that they need not parse it (ADR 5).';
comment on column genledger.events.recorded_at is 'Never earlier than the previous event of the stream.';

-- What people and providers wrote. The event carries SHA-256(salt || body), so erasing a row leaves the log whole.
create table genledger.contents (
  stream_id uuid  not null,
  version   int   not null,
  user_id   uuid  not null,
  salt      bytea not null,
  body      json  not null,
  primary key (stream_id, version)
);
comment on table genledger.contents is 'Erasable text of events (prompts, metadata, messages), joined in when histories are read.';

-- Heads of streams that have no hot row of their own in a context.
create table genledger.stream_heads (
  stream_id   uuid        primary key,
  user_id     uuid        not null,
  version     int         not null,
  recorded_at timestamptz not null
) with (fillfactor = 60);
comment on table genledger.stream_heads is 'The row that is locked for a plain stream.';

-- Streams whose state has left the hot tables. Every load checks it, so a late command cannot restart a history.
create table genledger.ended_streams (
  stream_id uuid        primary key,
  user_id   uuid        not null,
  version   int         not null,
  reason    text        not null check (reason in ('deleted', 'archived')),
  ended_at  timestamptz not null
);
comment on table genledger.ended_streams is 'Tombstones of deleted and archived streams.';

-- key_hash = first 16 bytes of SHA-256(user id, key): the key itself is the client''s and is not kept.
create table genledger.idempotency_keys (
  key_hash    uuid        primary key,
  fingerprint uuid        not null,
  stream_id   uuid        not null,
  version     int         not null,
  created_at  timestamptz not null default clock_timestamp()
);
comment on table genledger.idempotency_keys is 'Which command a key stood for; swept after 24 h.';

create table genledger.checkpoints (
  name       text        primary key,
  position   bigint      not null,
  updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
comment on table genledger.checkpoints is 'How far each folded projection has read.';

-- One row a second or so while events arrive: turns a time into a position (as of).
create table genledger.ticks (
  position bigint      primary key,
  at       timestamptz not null
);
comment on table genledger.ticks is 'Watermarks with the time they were read at.';

-- Append-only, whoever asks: grants keep the server out, these keep the owner out.
create function genledger.refuse_change() returns trigger
  language plpgsql set search_path = ''
  as $$ begin raise exception 'genledger.events is append-only: % refused', tg_op using errcode = '42501'; end $$;
create trigger events_append_only before update or delete on genledger.events
  for each row execute function genledger.refuse_change();
create trigger events_no_truncate before truncate on genledger.events
  for each statement execute function genledger.refuse_change();

-- Smallest UUIDv7 of a moment.
create function genledger.uuid_floor(p_at timestamptz) returns uuid
  language sql immutable strict parallel safe set search_path = ''
  as $$ select (lpad(to_hex(floor(date_part('epoch', p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid $$;

-- Makes the monthly partitions of [p_from, p_to]. There is no DEFAULT partition: it would block DETACH … CONCURRENTLY.
create function genledger.ensure_partitions(p_from timestamptz, p_to timestamptz) returns int
  language plpgsql security definer set search_path = '' set timezone = 'UTC'
  as $$
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
end $$;

-- Row triggers are inherited by partitions; TRUNCATE's and row-level security are not.
create function genledger.guard_partition(p_child text) returns void
  language plpgsql set search_path = ''
  as $$
begin
  execute format('create trigger events_no_truncate before truncate on genledger.%I
                  for each statement execute function genledger.refuse_change()', p_child);
  execute format('alter table genledger.%I enable row level security', p_child);
  execute format('alter table genledger.%I force row level security', p_child);
end $$;

-- Streams that live long (budgets, collections, schedules) use ids of a reserved high range: one permanent partition.
create table genledger.events_permanent partition of genledger.events
  for values from ('f0000000-0000-0000-0000-000000000000') to (maxvalue);
select genledger.guard_partition('events_permanent');
select genledger.ensure_partitions(now() - interval '1 month', now() + interval '12 months');

-- Announces a lower bound before positions are taken: "I may use positions above lo". One lock a transaction.
-- Callers hold the rows of their streams, so position order is stream order.
create function genledger.announce_append() returns void
  language plpgsql volatile set search_path = ''
  as $$
declare
  lo    bigint;
  known bigint := nullif(current_setting('genledger.bound', true), '')::bigint;
  bound bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'appending needs READ COMMITTED, not %', current_setting('transaction_isolation') using errcode = '25001';
  end if;
  select case when is_called then last_value else last_value - 1 end into lo from genledger.event_position;
  -- Locked again where it is held already, which costs no lock memory: a bound that somebody made up only delays.
  bound := greatest(least(lo, known), 0);
  perform pg_catalog.pg_advisory_xact_lock_shared((42::bigint << 48) | bound);
  if bound is distinct from known then
    perform pg_catalog.set_config('genledger.bound', bound::text, true);
  end if;
end $$;
comment on function genledger.announce_append() is 'Lower bound of this transaction''s positions, as a shared advisory lock (class 42).';

-- The highest position below which nothing can still appear. Read events in a LATER statement than this one.
create function genledger.read_watermark() returns bigint
  language plpgsql volatile set search_path = ''
  as $$
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
end $$;

-- Appends events of any number of streams whose heads the caller has locked. Returns the last position.
create function genledger.append_events(
  p_stream_ids uuid[], p_versions int[], p_user_ids uuid[], p_types text[], p_schema_versions int[],
  p_data json[], p_meta json[], p_recorded_at timestamptz[], p_scope_ids uuid[], p_tallies text[]) returns bigint
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
  as $$
begin
  perform genledger.announce_append();
  insert into genledger.events
    (position, stream_id, version, user_id, type, schema_version, data, meta, recorded_at, epoch, scope_id, tally)
  select nextval('genledger.event_position'), e.stream_id, e.version, e.user_id, e.type, e.schema_version,
         e.data, e.meta, e.recorded_at, (select epoch from genledger.log_epoch), e.scope_id, e.tally::int[]
    from unnest(p_stream_ids, p_versions, p_user_ids, p_types, p_schema_versions, p_data, p_meta, p_recorded_at,
                p_scope_ids, p_tallies)
      as e(stream_id, version, user_id, type, schema_version, data, meta, recorded_at, scope_id, tally);
  return currval('genledger.event_position');
end $$;

create function genledger.insert_contents(
  p_stream_ids uuid[], p_versions int[], p_user_ids uuid[], p_salts bytea[], p_bodies json[]) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
  as $$
begin
  insert into genledger.contents (stream_id, version, user_id, salt, body)
  select * from unnest(p_stream_ids, p_versions, p_user_ids, p_salts, p_bodies);
end $$;

-- Locks the heads of plain streams, in id order; a stream without a head is not returned. p_wait = false leaves rows
-- that someone else holds alone: held = true.
create function genledger.load_stream_heads(p_ids uuid[], p_wait boolean)
  returns table (stream_id uuid, version int, recorded_ms float8, held boolean)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set lock_timeout = '2s'
  as $$
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
end $$;

-- Moves heads on from the version that was loaded (0: makes them). A head that someone else made meanwhile: 40001.
create function genledger.advance_stream_heads(
  p_ids uuid[], p_user_ids uuid[], p_expected int[], p_versions int[], p_recorded_at timestamptz[]) returns void
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  as $$
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
end $$;

-- Takes idempotency keys, in order. Returns those that were already taken, with what they stood for.
create function genledger.take_idempotency_keys(
  p_hashes uuid[], p_fingerprints uuid[], p_stream_ids uuid[])
  returns table (key_hash uuid, fingerprint uuid, stream_id uuid, version int)
  language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set lock_timeout = '250ms'
  as $$
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
end $$;

create function genledger.return_idempotency_keys(p_hashes uuid[]) returns void
  language sql volatile set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  as $$ delete from genledger.idempotency_keys where key_hash = any (p_hashes) $$;

-- Moves a checkpoint from p_expected to p_next. 'stored' | 'already_there' | 'mismatch' (not where the caller thinks,
-- behind p_next) | 'someone_ahead' (at or past p_next by another hand).
create function genledger.store_checkpoint(p_name text, p_expected bigint, p_next bigint) returns text
  language plpgsql volatile set search_path = ''
  as $$
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
end $$;

-- Ends the sessions that have held an announcement for longer than p_age: they hold every feed back.
create function genledger.end_stuck_announcers(p_age interval) returns int
  language sql volatile set search_path = ''
  as $$
  select count(*) filter (where pg_catalog.pg_terminate_backend(a.pid))::int
    from (select distinct l.pid from pg_catalog.pg_locks l
           where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint >> 16) = 42
             and l.database = (select oid from pg_catalog.pg_database where datname = current_database())) h
    join pg_catalog.pg_stat_activity a on a.pid = h.pid
   where a.xact_start < clock_timestamp() - p_age and a.usename = session_user
$$;

-- Row-level security, forced everywhere. The writer mixes users in a batch and relies on `decide`; readers see their own.
do $$
declare
  t text;
begin
  foreach t in array array['log_epoch', 'events', 'contents', 'stream_heads', 'ended_streams', 'idempotency_keys',
                           'checkpoints', 'ticks'] loop
    execute format('alter table genledger.%I enable row level security', t);
    execute format('alter table genledger.%I force row level security', t);
    execute format('create policy writer on genledger.%I for all to genledger_writer using (true) with check (true)', t);
  end loop;
  foreach t in array array['events', 'contents'] loop
    execute format('create policy own on genledger.%I for select to authenticated using (user_id = (select genledger.uid()))', t);
    execute format('create policy audit on genledger.%I for select to genledger_auditor using (true)', t);
  end loop;
  foreach t in array array['checkpoints', 'ticks'] loop
    execute format('create policy anyone on genledger.%I for select to authenticated, genledger_auditor using (true)', t);
  end loop;
end $$;

grant select, insert on genledger.events to genledger_writer;
grant select, insert, delete on genledger.contents to genledger_writer;
grant select, insert, update on genledger.stream_heads, genledger.checkpoints to genledger_writer;
grant select, insert, delete on genledger.ended_streams, genledger.idempotency_keys, genledger.ticks to genledger_writer;
grant select on genledger.log_epoch to genledger_writer;
grant usage, select on sequence genledger.event_position to genledger_writer;
grant select on genledger.events, genledger.contents, genledger.checkpoints, genledger.ticks to authenticated, genledger_auditor;

revoke execute on all functions in schema genledger from public;
grant execute on function genledger.uid() to genledger_writer, authenticated, genledger_auditor;
grant execute on function
  genledger.ensure_partitions(timestamptz, timestamptz), genledger.announce_append(), genledger.read_watermark(),
  genledger.append_events(uuid[], int[], uuid[], text[], int[], json[], json[], timestamptz[], uuid[], text[]),
  genledger.insert_contents(uuid[], int[], uuid[], bytea[], json[]),
  genledger.load_stream_heads(uuid[], boolean),
  genledger.advance_stream_heads(uuid[], uuid[], int[], int[], timestamptz[]),
  genledger.take_idempotency_keys(uuid[], uuid[], uuid[]),
  genledger.return_idempotency_keys(uuid[]),
  genledger.store_checkpoint(text, bigint, bigint),
  genledger.end_stuck_announcers(interval),
  genledger.uuid_floor(timestamptz)
  to genledger_writer;
