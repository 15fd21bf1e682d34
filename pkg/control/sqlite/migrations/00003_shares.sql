-- +goose Up
create table shares (
  id text primary key,
  destination text not null,
  key text not null,
  name text not null,
  query text not null,
  params blob, -- null without any
  created integer not null, -- microseconds since 1970, as expires
  expires integer not null
) strict;

create index shares_destination_idx on shares (destination, created);
create index shares_expires_idx on shares (expires);
