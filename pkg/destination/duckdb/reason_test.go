package duckdb

import (
	"context"
	"errors"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// marked is a result.Writer that lets a query be given up in the way in which the engine does it when one thread has failed
// and another sees the mark of that first.
type marked struct {
	nobody
	err error
}

func (m marked) Write(*vector.Batch) error { return m.err }

// A query that the engine gives up without a reason is asked for it again.
func TestReasonIsFound(t *testing.T) {
	d := open(t)
	mark := marked{err: newEngineError("INTERRUPT Error: Interrupted!")}
	for _, tt := range []struct{ name, sql, want string }{
		{"it fails again", "SELECT CASE WHEN i < 50000 THEN i ELSE error('at the end') END FROM range(50001) r(i)", "Invalid Input Error: at the end"},
		{"it does not", "SELECT 1", "the query failed, and the engine does not tell why"},
	} {
		if err := d.Query(t.Context(), tt.sql, nil, mark); fault.Of(err) != fault.Invalid || fault.TextOf(err) != tt.want {
			t.Errorf("%s: got %v, %q, want %q", tt.name, err, fault.TextOf(err), tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Query(ctx, "SELECT 1", nil, mark); !errors.Is(err, context.Canceled) {
		t.Errorf("a query that was interrupted: got %v, want %v", err, context.Canceled)
	}
}
