-- Texts of callers and errors may have any bytes, which a text of Postgres may not: so they are bytea. Bytes also sort as the
-- program sorts. Read them with convert_from(reason, 'UTF8').
-- +goose Up
create table batches (
  id bytea primary key,
  destination bytea not null,
  tbl bytea not null,
  state text not null,
  row_count bigint not null,
  bytes bigint not null,
  rescued bigint not null default 0,
  attempts bigint not null default 0,
  reason bytea not null default '',
  message bytea not null,
  created timestamptz, -- null is the zero time
  settled timestamptz -- null until loaded or dead
);

-- What is shipped or dead is little, and what is loaded much: each has an index of its own.
create index batches_shipped_idx on batches (created) where state = 'shipped';
create index batches_dead_idx on batches (created nulls first, id) where state = 'dead';
create index batches_loaded_idx on batches (settled) where state = 'loaded';
