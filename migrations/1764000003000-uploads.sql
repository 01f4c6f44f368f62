-- Files: what is known of each one. The bytes are in the object storage under storage_key. Runs as genledger_owner.

create table genledger.uploads (
  id          uuid        primary key,
  user_id     uuid        not null,
  purpose     text        not null check (purpose in ('generation_output', 'input')),
  storage_key text        not null unique,
  mime_type   text        not null,
  size        bigint      not null check (size > 0),
  sha256      text        not null check (sha256 ~ '^[0-9a-f]{64}$'),
  width       int         not null check (width > 0),
  height      int         not null check (height > 0),
  created_at  timestamptz not null default clock_timestamp(),
  unique (id, user_id)
);
comment on table genledger.uploads is 'Stored images. A row is written after its object is durable, and deleted before it.';
comment on column genledger.uploads.id is 'UUIDv7, from the server: id desc is newest first.';
comment on column genledger.uploads.purpose is 'input: a user sent it. generation_output: a job made it; shown once it is linked in job_outputs.';
comment on column genledger.uploads.storage_key is 'user_id/yyyy-mm/id.ext, made by the server only.';
comment on column genledger.uploads.mime_type is 'By the bytes, not by what the sender said.';
comment on column genledger.uploads.size is 'Bytes.';
comment on column genledger.uploads.sha256 is 'Of the bytes, lower-case hex.';
comment on column genledger.uploads.width is 'Pixels, as shown (after the orientation in its metadata).';
comment on column genledger.uploads.height is 'Pixels, as shown (after the orientation in its metadata).';
create index uploads_by_user on genledger.uploads (user_id, purpose, id desc);

alter table genledger.uploads enable row level security;
alter table genledger.uploads force row level security;
create policy writer on genledger.uploads for all to genledger_writer using (true) with check (true);
create policy own on genledger.uploads for select to authenticated using (user_id = (select genledger.uid()));
create policy audit on genledger.uploads for select to genledger_auditor using (true);
grant select, insert, update, delete on genledger.uploads to genledger_writer;
grant select on genledger.uploads to authenticated, genledger_auditor;
