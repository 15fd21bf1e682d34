-- +goose Up
create table queries (
  destination text not null,
  name text not null,
  version integer not null, -- from 1, without gaps
  last integer not null, -- 1 for the last version of its name, 0 for earlier ones; changed with them in one transaction
  description text not null,
  query text not null,
  params blob, -- null without any, as fixed
  public text not null, -- empty without a public link
  fixed blob,
  saved integer not null, -- microseconds since 1970
  primary key (destination, name, version)
) strict;

-- Most versions are earlier ones, which are found by their primary key alone.
create unique index queries_last_idx on queries (destination, name) where last = 1;
create unique index queries_public_idx on queries (public) where last = 1 and public <> '';
