-- +goose Up
create table columns (
  destination text not null,
  tbl text not null,
  name text not null,
  kind text not null,
  batch text not null,
  made integer not null, -- microseconds since 1970, as below
  primary key (destination, tbl, name)
) strict, without rowid;

-- The keys are random. With a rowid only the index that they are in is changed all over, which is a quarter of the table.
create table keyed_inserts (
  destination text not null,
  key blob not null,
  body blob not null,
  receipt text not null,
  batch text not null,
  row_count integer not null,
  row_ids blob, -- how many, and each with its length before it; null when they were not asked for
  made integer not null,
  primary key (destination, key)
) strict;

create index keyed_inserts_made_idx on keyed_inserts (made);

-- How many keyed_inserts there are: counting them would read an index of all. Changed with them in one transaction.
create table keyed_total (
  n integer not null
) strict;

insert into keyed_total (n) values (0);
