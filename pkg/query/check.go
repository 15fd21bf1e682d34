package query

import (
	"context"
	"fmt"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/sqltext"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Check says what is wrong with sql, without its answer.
func (r *Runner) Check(ctx context.Context, dest, sql string, args []any) error {
	if !r.dests.Has(dest) {
		return destination.Unknown(dest)
	}
	if err := r.run(ctx, dest, First(sql, 0), args, nowhere{}, r.begin(dest)); err != nil {
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
