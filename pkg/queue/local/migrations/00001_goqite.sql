-- The table of maragu.dev/goqite v0.4.0, with two changes. Its trigger that keeps "updated" is left out: nobody reads that
-- column, and each change would be two. Its index on (queue, priority, created) has all that a receive looks at, so that
-- messages that are hidden, which may be many, are passed over without reading their bodies.

-- +goose Up
create table goqite (
  id text primary key default ('m_' || lower(hex(randomblob(16)))),
  created text not null default (strftime('%Y-%m-%dT%H:%M:%fZ')),
  updated text not null default (strftime('%Y-%m-%dT%H:%M:%fZ')),
  queue text not null,
  body blob not null,
  timeout text not null default (strftime('%Y-%m-%dT%H:%M:%fZ')),
  received integer not null default 0,
  priority integer not null default 0
) strict;

create index goqite_receive_idx on goqite (queue, priority desc, created, timeout, received, id);
