-- Where a text of any length is a key, its SHA-256 is in the index, as an entry has room for 2,700 bytes.
-- +goose Up
create table columns (
  destination bytea not null,
  tbl bytea not null,
  name bytea not null,
  kind text not null,
  batch bytea not null,
  made timestamptz not null -- the zero time is that of the year 1, here and below
);

create unique index columns_name_idx on columns (destination, tbl, sha256(name));

create table keyed_inserts (
  destination bytea not null,
  key bytea not null,
  body bytea not null,
  receipt bytea not null,
  batch bytea not null,
  row_count bigint not null,
  row_ids bytea, -- how many, and each with its length before it; null when they were not asked for
  made timestamptz not null,
  primary key (destination, key)
);

create index keyed_inserts_made_idx on keyed_inserts (made);

-- How many keyed_inserts there are: counting them would read an index of all. Changed with them in one transaction; who
-- removes some locks it before, who adds some after.
create table keyed_total (
  n bigint not null
);

insert into keyed_total (n) values (0);
