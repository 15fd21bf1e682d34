package duckdb

import (
	"context"
	"fmt"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Rescued gives each row of table that has rescued values to each, in the table's order.
func (d *Destination) Rescued(ctx context.Context, table schema.Table, each func(rowID, object string) error) error {
	return d.readRescued(ctx, table, func(e *engine, c *conn, rescued string, id string) error {
		return c.each("SELECT "+id+", "+rescued+"::VARCHAR FROM "+e.path(table)+" WHERE "+rescued+" IS NOT NULL",
			func(row []string) error { return each(row[0], row[1]) })
	})
}

// CountRescued gives each key of rescued values to each.
func (d *Destination) CountRescued(ctx context.Context, table schema.Table, each func(key string, rows int64) error) error {
	return d.readRescued(ctx, table, func(e *engine, c *conn, rescued, _ string) error {
		return c.each("SELECT key, count(*)::VARCHAR FROM (SELECT unnest(json_keys("+rescued+"::JSON)) AS key FROM "+e.path(table)+
			" WHERE json_valid("+rescued+"::VARCHAR)) GROUP BY key", func(row []string) error {
			n, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				return err
			}
			return each(row[0], n)
		})
	})
}

// readRescued runs do, which reads table, with the SQL of its columns __rescued and __row_id, if it has the first.
func (d *Destination) readRescued(ctx context.Context, table schema.Table, do func(e *engine, c *conn, rescued, id string) error) error {
	if err := checkTable(table); err != nil {
		return err
	}
	err := d.call(ctx, func(e *engine) error {
		c, err := e.queries.take(ctx)
		if err != nil {
			return err
		}
		defer e.queries.put(c)
		err = c.within(ctx, beginRead, rollback, func() error {
			cols, err := e.describe(c, table)
			if err != nil {
				return err
			}
			rescued, id := "", "''"
			for _, col := range cols {
				switch fold(col.Name) {
				case schema.Rescued:
					rescued = quote(col.Name)
				case schema.RowID:
					id = "COALESCE(" + quote(col.Name) + "::VARCHAR, '')"
				}
			}
			if rescued == "" {
				return nil
			}
			return do(e, c, rescued, id)
		})
		return e.tableFault(ctx, c, table, err)
	})
	if err != nil {
		return fmt.Errorf("read the rescued values of %s: %w", table, err)
	}
	return nil
}
