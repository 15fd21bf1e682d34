-- +goose Up
create table queries (
  destination bytea not null,
  name bytea not null,
  version bigint not null, -- from 1, without gaps
  last boolean not null, -- whether it is the last version of its name; changed with it in one transaction
  description bytea not null,
  query bytea not null,
  params bytea, -- null without any, as fixed
  public bytea not null, -- empty without a public link
  fixed bytea,
  saved timestamptz not null
);

create unique index queries_version_idx on queries (sha256(destination), sha256(name), version);

-- Most versions are earlier ones, which are found by their version alone.
create unique index queries_last_idx on queries (sha256(destination), sha256(name)) where last;
create unique index queries_public_idx on queries (sha256(public)) where last and public <> '';
