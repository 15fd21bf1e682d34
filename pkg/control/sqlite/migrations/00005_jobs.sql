-- +goose Up
create table jobs (
  id text primary key,
  source text not null,
  key text not null,
  query text not null,
  params blob, -- null without any, as plan
  destination text not null,
  tbl text not null,
  state text not null,
  canceling integer not null, -- 1 once somebody has asked to cancel it, else 0
  run integer not null,
  plan blob,
  read_rows integer not null,
  read_bytes integer not null,
  read_batches integer not null,
  written_rows integer not null,
  written_bytes integer not null,
  written_batches integer not null,
  rescued integer not null,
  counted integer not null,
  error text not null,
  created integer not null, -- microseconds since 1970, as the others; the zero time is that of the year 1
  started integer not null,
  finished integer not null,
  until integer not null
) strict;

create index jobs_created_idx on jobs (created, id);
create index jobs_source_idx on jobs (source, created, id);

-- What is not finished is little, and asked for often.
create index jobs_open_idx on jobs (created, id) where state not in ('done', 'failed', 'canceled');
create index jobs_ended_idx on jobs (finished) where state in ('done', 'failed', 'canceled');

create table staged (
  job text not null,
  id text not null,
  run integer not null,
  row_count integer not null,
  bytes integer not null,
  primary key (job, id)
) strict, without rowid;
