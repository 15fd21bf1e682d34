package duckdb

import (
	"context"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// mostReasons is how often a query is run again to find out why it failed.
const mostReasons = 5

// unexplained reports whether the engine gave a query up as interrupted though nobody had interrupted it: the thread that
// fails marks the query so, to stop its other threads, and a fetch that sees the mark first tells of nothing else.
func unexplained(ctx context.Context, err error) bool {
	return classOf(err) == classInterrupt && ctx.Err() == nil
}

// reason finds out why the query failed, by running it again for nobody. Its answer is lost all the same, as rows of it may
// have left; but who wrote it is told of the mistake.
func (d *Destination) reason(ctx context.Context, sql string, args []any) error {
	for range mostReasons {
		err := d.asking(ctx, sql, func(c *conn) error { return c.answer(sql, args, nobody{}) })
		if err == nil {
			break // it does not always fail
		}
		if !unexplained(ctx, err) {
			return err
		}
	}
	return fault.New(fault.Invalid, "bad_sql", "the query failed, and the engine does not tell why")
}

// nobody is the result.Writer of an answer that nobody reads.
type nobody struct{}

var _ result.Writer = nobody{}

func (nobody) Begin([]vector.Field) error { return nil }
func (nobody) Write(*vector.Batch) error  { return nil }
func (nobody) End() error                 { return nil }
