-- +goose Up
create table batches (
  id text primary key,
  destination text not null,
  "table" text not null,
  state text not null check (state in ('shipped', 'loaded', 'dead')),
  rows integer not null,
  bytes integer not null,
  rescued integer not null default 0,
  attempts integer not null default 0,
  reason text not null default '',
  message blob not null,
  created integer not null, -- microseconds since 1970, as is settled
  settled integer not null default 0
) strict, without rowid;

create index batches_shipped on batches (created) where state = 'shipped';
create index batches_dead on batches (settled) where state = 'dead';
create index batches_loaded on batches (settled) where state = 'loaded';
