-- Jobs that are to be failed for their deadline, and jobs that somebody waits for. Runs as genledger_owner.

-- Jobs without a deadline are not in it. A deadline never changes and other indexes hold the status already, so no
-- update becomes less HOT by it.
create index job_states_deadline on genledger.job_states (deadline) where status = 'queued' and deadline is not null;

-- Queued jobs whose deadline has passed, the longest ago first.
create function genledger.overdue_jobs(p_max int) returns table (id uuid)
  language sql stable set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  set enable_sort = off set enable_bitmapscan = off
  as $$
  -- Not clock_timestamp(): a volatile function is no bound of an index scan.
  select s.id from genledger.job_states s
   where s.status = 'queued' and s.deadline <= statement_timestamp() order by s.deadline limit p_max
$$;

-- Jobs that ended at a position in (p_after, p_upto]. The caller read the watermark in an earlier statement.
create function genledger.ended_jobs(p_after bigint, p_upto bigint) returns table (id uuid)
  language sql stable set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off
  as $$
  -- events.tally: the statuses left and entered; from 3 on they are terminal (genledger.job_status).
  select e.stream_id from genledger.events e
   where e.position > p_after and e.position <= p_upto and e.tally[2] >= 3 and e.tally[1] <> e.tally[2]
$$;

revoke execute on function genledger.overdue_jobs(int), genledger.ended_jobs(bigint, bigint) from public;
grant execute on function genledger.overdue_jobs(int), genledger.ended_jobs(bigint, bigint) to genledger_writer;
