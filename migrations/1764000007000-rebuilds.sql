-- How far rebuilds of read models have come, so that one that was stopped goes on where it was. Runs as genledger_owner.

create table genledger.rebuilds (
  model      text        primary key,
  reached    text        not null,
  done       bigint      not null,
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
comment on table genledger.rebuilds is 'Rebuilds that are under way or were stopped. reached: the last stream, or position, that is done.';

-- Sums that a rebuild of a folded model adds up beside it. The summary's groups: statistics are sums of theirs.
create table genledger.rebuilt_sums (
  model            text   not null,
  user_id          uuid   not null,
  project_id       uuid,
  status           text   not null,
  job_count        bigint not null,
  total_cost_cents bigint not null,
  first_job_at     timestamptz,
  last_job_at      timestamptz,
  unique nulls not distinct (model, user_id, project_id, status)
);
comment on table genledger.rebuilt_sums is 'Shadows of folded models, up to genledger.rebuilds.reached.';

alter table genledger.rebuilds enable row level security;
alter table genledger.rebuilds force row level security;
create policy writer on genledger.rebuilds for all to genledger_writer using (true) with check (true);
grant select, insert, update, delete on genledger.rebuilds to genledger_writer;

alter table genledger.rebuilt_sums enable row level security;
alter table genledger.rebuilt_sums force row level security;
create policy writer on genledger.rebuilt_sums for all to genledger_writer using (true) with check (true);
grant select, insert, update, delete on genledger.rebuilt_sums to genledger_writer;

-- Adds the movements in (p_after, p_upto] to a shadow. Unlike the fold, it walks each group from event to event, so that
-- the times span the jobs that have entered since the group was last empty, however the log is cut into pieces. The
-- fold's own spans reach as far or further: it sees a group only where its batches end.
create function genledger.fold_sums(p_model text, p_after bigint, p_upto bigint) returns void
  language sql volatile set search_path = '' set enable_seqscan = off
  as $$
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
$$;

revoke execute on function genledger.fold_sums(text, bigint, bigint) from public;
grant execute on function genledger.fold_sums(text, bigint, bigint) to genledger_writer;
