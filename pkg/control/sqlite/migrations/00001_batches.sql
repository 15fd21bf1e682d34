-- +goose Up
create table batches (
  id text primary key,
  destination text not null,
  tbl text not null,
  state text not null,
  row_count integer not null,
  bytes integer not null,
  rescued integer not null default 0,
  attempts integer not null default 0,
  reason text not null default '',
  message blob not null,
  created integer, -- microseconds since 1970, as settled; null is the zero time
  settled integer
) strict;

-- What is shipped or dead is little, and what is loaded much: each has an index of its own.
create index batches_shipped_idx on batches (created) where state = 'shipped';
create index batches_dead_idx on batches (created, id) where state = 'dead';
create index batches_loaded_idx on batches (settled) where state = 'loaded';
