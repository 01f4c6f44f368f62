import { NIL_ID } from '../verification/invariants';

// Comparison and swap of folded models with their shadow, `$1`. Groups that are empty need no row.

const STATISTICS = `select user_id, status, sum(job_count)::bigint as count, sum(total_cost_cents)::bigint as cents
  from genledger.rebuilt_sums where model = $1 group by 1, 2 having sum(job_count) <> 0 or sum(total_cost_cents) <> 0`;

const SUMMARY = `select user_id, project_id, status, job_count, total_cost_cents, first_job_at, last_job_at
  from genledger.rebuilt_sums where model = $1 and (job_count <> 0 or total_cost_cents <> 0)`;

export const SUM_DIFFERENCES = {
  job_statistics: `
    select coalesce(s.user_id, f.user_id) as user_id, null::uuid as project_id, coalesce(s.status, f.status) as status,
           format('%s jobs, %s cents', coalesce(s.count, 0), coalesce(s.total_cost_cents, 0)) as stored,
           format('%s jobs, %s cents', coalesce(f.count, 0), coalesce(f.cents, 0)) as folded
      from (select * from genledger.job_statistics where count <> 0 or total_cost_cents <> 0) s
      full join (${STATISTICS}) f on f.user_id = s.user_id and f.status = s.status
     where (s.count, s.total_cost_cents) is distinct from (f.count, f.cents)
     order by 1, 3`,
  // The fold's spans may reach further than the shadow's.
  generation_job_summary: `
    select coalesce(s.user_id, f.user_id) as user_id, coalesce(s.project_id, f.project_id) as project_id,
           coalesce(s.status, f.status) as status,
           format('%s jobs, %s cents, %s to %s', coalesce(s.job_count, 0), coalesce(s.total_cost_cents, 0),
                  s.first_job_at, s.last_job_at) as stored,
           format('%s jobs, %s cents, %s to %s', coalesce(f.job_count, 0), coalesce(f.total_cost_cents, 0),
                  f.first_job_at, f.last_job_at) as folded
      from (select * from genledger.generation_job_summary where job_count <> 0 or total_cost_cents <> 0) s
      full join (${SUMMARY}) f
        on f.user_id = s.user_id and f.status = s.status
       and coalesce(f.project_id, '${NIL_ID}') = coalesce(s.project_id, '${NIL_ID}')
     where (s.job_count, s.total_cost_cents) is distinct from (f.job_count, f.total_cost_cents)
        or (s.first_job_at <= f.first_job_at and s.last_job_at >= f.last_job_at) is not true
     order by 1, 2, 3`,
} as const;

export const SUM_SWAP = {
  job_statistics: {
    empty: 'delete from genledger.job_statistics',
    fill: `insert into genledger.job_statistics (user_id, status, count, total_cost_cents) ${STATISTICS}`,
  },
  generation_job_summary: {
    empty: 'delete from genledger.generation_job_summary',
    fill: `insert into genledger.generation_job_summary
      (user_id, project_id, status, job_count, total_cost_cents, first_job_at, last_job_at) ${SUMMARY}`,
  },
} as const;
