package copier

import (
	"context"
	"fmt"
	"net/url"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/tables"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// compare counts the copy's rows in the table, and fails when they are not as many as were read.
func (w *Worker) compare(ctx context.Context, k *keeper) error {
	j := k.snapshot()
	var counted int64
	err := insist(ctx, k.log, "counting the rows", func() error {
		return w.dests.Use(ctx, j.Destination, func(d destination.Destination) (err error) {
			counted, err = countRows(ctx, d, j)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("count the rows of copy %s: %w", j.ID, err)
	}
	k.count(func(j *control.Job) { j.Counted = counted })
	if counted >= 0 && counted != j.Read.Rows {
		return fault.New(fault.Unprocessable, "copy_differs", "the answer had %d rows, the table has %d of them", j.Read.Rows, counted)
	}
	return nil
}

// countRows counts the rows of j's table that have its id as their batch file; -1 when the destination cannot be asked so.
func countRows(ctx context.Context, d destination.Destination, j control.Job) (int64, error) {
	speaker, ok := d.(tables.Speaker)
	if !ok {
		return -1, nil
	}
	cols, err := d.Columns(ctx, j.Table)
	if err != nil {
		return 0, err
	}
	of := url.Values{schema.BatchFile: {"eq." + j.ID}}
	stmt, err := postgrest.Translate(postgrest.Request{Query: of.Encode(), Prefer: "count=exact"}, j.Table, cols, speaker.Dialect())
	if err != nil {
		return 0, err
	}
	n := number(-1)
	err = d.Query(ctx, stmt.Count, stmt.Args, &n)
	return int64(n), err
}

// number is the Writer of an answer that is one integer. It stays as it is when the answer is none.
type number int64

func (n *number) Begin([]vector.Field) error { return nil }

func (n *number) Write(b *vector.Batch) error {
	if b.Rows != 1 || len(b.Cols) != 1 || b.Cols[0].IsNull(0) {
		return nil
	}
	switch c := b.Cols[0]; c.Type.Kind {
	case vector.Int:
		*n = number(c.Ints[0])
	case vector.Uint:
		*n = number(c.Uints[0])
	}
	return nil
}

func (n *number) End() error { return nil }
