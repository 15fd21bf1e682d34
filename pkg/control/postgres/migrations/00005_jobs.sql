-- +goose Up
create table jobs (
  id bytea not null,
  source bytea not null,
  key bytea not null,
  query bytea not null,
  params bytea, -- null without any, as plan
  destination bytea not null,
  tbl bytea not null,
  state text not null,
  canceling boolean not null, -- once somebody has asked to cancel it
  run bigint not null,
  plan bytea,
  read_rows bigint not null,
  read_bytes bigint not null,
  read_batches bigint not null,
  written_rows bigint not null,
  written_bytes bigint not null,
  written_batches bigint not null,
  rescued bigint not null,
  counted bigint not null,
  error bytea not null,
  created timestamptz not null,
  started timestamptz not null,
  finished timestamptz not null,
  until timestamptz not null
);

create unique index jobs_id_idx on jobs (sha256(id));
create index jobs_created_idx on jobs (created);
create index jobs_source_idx on jobs (sha256(source), created);

-- What is not finished is little, and asked for often.
create index jobs_open_idx on jobs (created) where state not in ('done', 'failed', 'canceled');
create index jobs_ended_idx on jobs (finished) where state in ('done', 'failed', 'canceled');

create table staged (
  job bytea not null,
  id bytea not null,
  run bigint not null,
  row_count bigint not null,
  bytes bigint not null
);

create unique index staged_id_idx on staged (sha256(job), sha256(id));
