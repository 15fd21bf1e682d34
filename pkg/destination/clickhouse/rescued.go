package clickhouse

import (
	"context"
	"fmt"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Rescued gives each row of table that has rescued values to each, by their ids.
func (d *Destination) Rescued(ctx context.Context, table schema.Table, each func(rowID, object string) error) error {
	return d.readRescued(ctx, table, func(rescued, id string) error {
		return d.admin.each(ctx, "SELECT "+id+", "+rescued+" FROM "+d.path(table)+" WHERE "+rescued+" != '' ORDER BY "+id,
			func(row []string) error { return each(row[0], row[1]) })
	})
}

// CountRescued gives each key of rescued values to each.
func (d *Destination) CountRescued(ctx context.Context, table schema.Table, each func(key string, rows int64) error) error {
	return d.readRescued(ctx, table, func(rescued, _ string) error {
		return d.admin.each(ctx, "SELECT key, toString(count()) FROM (SELECT arrayJoin(arrayDistinct(JSONExtractKeys("+rescued+"))) AS key FROM "+d.path(table)+
			" WHERE "+rescued+" != '' AND isValidJSON("+rescued+")) GROUP BY key", func(row []string) error {
			n, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				return err
			}
			return each(row[0], n)
		})
	})
}

// readRescued runs do, which reads table, with the SQL of the texts of its columns __rescued and __row_id, if it has the first.
func (d *Destination) readRescued(ctx context.Context, table schema.Table, do func(rescued, id string) error) error {
	err := checkTable(table)
	if err == nil {
		err = d.call(func() error {
			_, cols, err := d.look(ctx, table)
			if err != nil {
				return err
			}
			rescued, id := "", "''"
			for _, c := range cols {
				switch c.Name {
				case schema.Rescued:
					rescued = textOf(c)
				case schema.RowID:
					id = textOf(c)
				}
			}
			if rescued == "" {
				return nil
			}
			return do(rescued, id)
		})
	}
	if err != nil {
		return fmt.Errorf("read the rescued values of %s: %w", table, tableFault(ctx, table, err))
	}
	return nil
}

// textOf is the SQL of a column's text, the empty one for NULL.
func textOf(c schema.Column) string { return "ifNull(toString(" + quote(c.Name) + "), '')" }
