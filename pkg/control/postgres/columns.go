package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

const (
	noteColumns = `insert into columns (destination, tbl, name, kind, batch, made)
		select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::bytea[], $6::timestamptz[])
		on conflict (destination, tbl, sha256(name)) do update set kind = excluded.kind, batch = excluded.batch, made = excluded.made`
	listColumns = `select name, kind, batch, made from columns where destination = $1 and tbl = $2`
)

type columns struct{ s *store }

// Note implements control.Columns.
func (v columns) Note(ctx context.Context, cols []control.Column) error {
	if len(cols) == 0 {
		return nil
	}
	cols = lastOfEach(cols)
	n := len(cols)
	destinations, tables, names, batches := make([]text, n), make([]text, n), make([]text, n), make([]text, n)
	kinds, made := make([]string, n), make([]time.Time, n)
	for i, c := range cols {
		destinations[i], tables[i], names[i] = text(c.Destination), text(c.Table.String()), text(c.Name)
		kinds[i], batches[i], made[i] = c.Kind.String(), text(c.Batch), c.Made
	}
	if _, err := v.s.exec(ctx, noteColumns, destinations, tables, names, kinds, batches, made); err != nil {
		return v.s.failed("note columns", err)
	}
	return nil
}

// lastOfEach gives the columns in an order that is the same for all, so that no two calls wait for each other, and the last
// of those that are the same, as a statement cannot replace what it has put.
func lastOfEach(cols []control.Column) []control.Column {
	cols = slices.Clone(cols)
	compare := func(a, b control.Column) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Table.String(), b.Table.String()),
			cmp.Compare(a.Name, b.Name))
	}
	slices.Reverse(cols)
	slices.SortStableFunc(cols, compare)
	return slices.CompactFunc(cols, func(a, b control.Column) bool { return compare(a, b) == 0 })
}

// List implements control.Columns.
func (v columns) List(ctx context.Context, destination string, table schema.Table) ([]control.Column, error) {
	list, err := listOf(ctx, v.s, scanColumn, listColumns, text(destination), text(table.String()))
	if err != nil {
		return nil, v.s.failed("list columns of table "+table.String(), err)
	}
	for i := range list {
		list[i].Destination, list[i].Table = destination, table
	}
	return list, nil
}

func scanColumn(row pgx.CollectableRow) (c control.Column, err error) {
	var kind string
	if err := row.Scan((*text)(&c.Name), &kind, (*text)(&c.Batch), &c.Made); err != nil {
		return c, err
	}
	c.Kind, err = parseKind(kind)
	return c, err
}
