-- +goose Up
create table shares (
  id bytea not null,
  destination bytea not null,
  key bytea not null,
  name bytea not null,
  query bytea not null,
  params bytea, -- null without any
  created timestamptz not null,
  expires timestamptz not null,
  added bigint generated always as identity -- of those created at once the one that was added last is the newest
);

create unique index shares_id_idx on shares (sha256(id));
create index shares_destination_idx on shares (sha256(destination), created, added);
create index shares_expires_idx on shares (expires);
