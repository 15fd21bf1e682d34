package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

type columns struct{ s *store }

// Note implements control.Columns. It is synced: a column is noted before it is made, and once it is there nobody notes
// it again.
func (v columns) Note(ctx context.Context, cols []control.Column) error {
	if len(cols) == 0 {
		return nil
	}
	stmt := v.s.stmts.note
	err := v.s.inTx(ctx, stmt.db, func(ctx context.Context, tx *sql.Tx) error {
		note := tx.StmtContext(ctx, stmt.Stmt)
		for _, c := range cols {
			_, err := note.ExecContext(ctx, c.Destination, c.Table.String(), c.Name, c.Kind.String(), c.Batch, c.Made.UnixMicro())
			if err != nil {
				return fmt.Errorf("column %.40q of table %s: %w", c.Name, c.Table, err)
			}
		}
		return nil
	})
	if err != nil {
		return v.s.failed("note columns", err)
	}
	return nil
}

// List implements control.Columns.
func (v columns) List(ctx context.Context, destination string, table schema.Table) ([]control.Column, error) {
	list, err := listOf(ctx, v.s.stmts.noted, scanColumn, destination, table.String())
	if err != nil {
		return nil, v.s.failed("list columns of table "+table.String(), err)
	}
	for i := range list {
		list[i].Destination, list[i].Table = destination, table
	}
	return list, nil
}

func scanColumn(row row) (c control.Column, err error) {
	var kind string
	var made int64
	if err := row.Scan(&c.Name, &kind, &c.Batch, &made); err != nil {
		return c, err
	}
	c.Made = time.UnixMicro(made).UTC()
	c.Kind, err = parseKind(kind)
	return c, err
}

// parseKind reads a kind's name. Kinds are kept by name, as their numbers may change with the program.
func parseKind(name string) (schema.Kind, error) {
	for k := schema.Null; k <= schema.Foreign; k++ {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a kind", name)
}
