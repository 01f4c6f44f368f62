-- How far rebuilds of read models have come, so that one that was stopped goes on where it was. Runs as genledger_owner.

create table genledger.rebuilds (
  model      text        primary key,
  reached    uuid        not null,
  streams    bigint      not null,
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
comment on table genledger.rebuilds is 'Rebuilds that are under way or were stopped: streams up to this id are done.';

alter table genledger.rebuilds enable row level security;
alter table genledger.rebuilds force row level security;
create policy writer on genledger.rebuilds for all to genledger_writer using (true) with check (true);
grant select, insert, update, delete on genledger.rebuilds to genledger_writer;
