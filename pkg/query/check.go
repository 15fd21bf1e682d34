package query

import (
	"context"
	"fmt"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/sqltext"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Checker is a Destination that can say what is wrong with a query without running it.
type Checker interface {
	// Check says what is wrong with sql, as it is, with the errors that Query would give.
	Check(ctx context.Context, sql string) error
}

// Check says what is wrong with sql, without its answer. First it is looked at as it is: a text such as `SELECT 1) AS a,
// (SELECT 2` is a query only inside of another.
func (r *Runner) Check(ctx context.Context, dest, sql string, args []any) error {
	if !r.dests.Has(dest) {
		return destination.Unknown(dest)
	}
	err := r.within(ctx, dest, r.begin(dest), func(ctx context.Context, d destination.Destination) error {
		if c, ok := d.(Checker); ok {
			if err := c.Check(ctx, sql); err != nil {
				return err
			}
		}
		return d.Query(ctx, First(sql, 0), args, nowhere{})
	})
	if err != nil {
		return fmt.Errorf("check a query of %s: %w", dest, err)
	}
	return nil
}

// First is the SQL of the first rows of sql's answer. What cannot be put into it stays as it is: the engine says what is wrong.
func First(sql string, rows int) string {
	statement, ok := sqltext.One(sql)
	if !ok {
		return sql
	}
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS first_rows LIMIT %d", statement, rows)
}

// nowhere takes an answer that nobody wants.
type nowhere struct{}

func (nowhere) Begin([]vector.Field) error { return nil }
func (nowhere) Write(*vector.Batch) error  { return nil }
func (nowhere) End() error                 { return nil }
