-- Looking back: which position a time stands for, and one user's events without walking everyone's.
-- Runs as genledger_owner.

-- The last tick at or before a time.
create index ticks_at on genledger.ticks (at, position);

-- Writes a tick, unless there is one at or above it. Ticks rise in both columns, whoever writes them and however clocks
-- are set, so that a later time never stands for an earlier position. One writer at a time: the lock.
create function genledger.record_tick(p_position bigint) returns void
  language plpgsql volatile set search_path = ''
  as $$
begin
  perform pg_catalog.pg_advisory_xact_lock(hashtext('genledger.record_tick'));
  insert into genledger.ticks (position, at)
  select p_position, greatest(clock_timestamp(), max(t.at)) from genledger.ticks t
  having coalesce(max(t.position), 0) < p_position;
end $$;

-- Sums as of a position read a user's events from the beginning. A btree on (user_id, position) would cost each event
-- 2 µs or more at its append; block ranges with a Bloom filter cost it nothing that can be measured, and leave out the
-- ranges that have nothing of the user (ADR 9). They are made by (auto)vacuum: what was appended since is always read.
create index events_user_ranges on genledger.events using brin (user_id uuid_bloom_ops) with (pages_per_range = 32);

revoke execute on function genledger.record_tick(bigint) from public;
grant execute on function genledger.record_tick(bigint) to genledger_writer;
