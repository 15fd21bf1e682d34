// Package query runs SQL on a destination within limits, encoding its answer.
package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// patience is how long a query waits for others of its destination to end before it is refused.
const patience = 10 * time.Second

// errLate is why the context of a query that reached its time limit ended.
var errLate = errors.New("the query's time is up")

// Limits bound what one query may use. Zero means no limit.
type Limits struct {
	Timeout    time.Duration // how long a query may run, the time its reader takes included
	Concurrent int           // queries at a time on one destination
	Rows       int64         // of one answer
	Bytes      int64         // of one encoded answer
}

// DefaultLimits gives every query five minutes and each destination eight queries at a time.
func DefaultLimits() Limits { return Limits{Timeout: 5 * time.Minute, Concurrent: 8} }

// Runner runs queries. Safe for concurrent use.
type Runner struct {
	limits  Limits
	dests   *destination.Set
	log     *slog.Logger
	metrics *Metrics

	mu    sync.Mutex
	slots map[string]chan struct{} // by destination id, guarded by mu; full when Concurrent queries run
}

// New makes a Runner over dests.
func New(l Limits, dests *destination.Set, log *slog.Logger, m *Metrics) *Runner {
	return &Runner{limits: l, dests: dests, log: log, metrics: m, slots: map[string]chan struct{}{}}
}

// Run runs sql with args on the destination dest and writes its rows to w in format f, as they arrive. It gives the
// number of rows. After an error what went to w is not a whole answer; nothing went to w when the query failed before
// its first row.
func (r *Runner) Run(ctx context.Context, dest, sql string, args []any, f result.Format, w io.Writer) (int64, error) {
	if !r.dests.Has(dest) {
		return 0, destination.Unknown(dest)
	}
	start := time.Now()
	out := newMeter(r.limits, f, w)
	err := r.run(ctx, dest, sql, args, out)
	if out.err != nil {
		err = out.err // it is why the destination stopped, whatever it made of it
	}
	if err != nil && ctx.Err() != nil {
		err = fault.New(fault.Canceled, "canceled", "the caller went away").Because(err)
	}
	took, outcome := time.Since(start), outcomeOf(err)
	r.metrics.done(dest, outcome, took, out.rows, out.bytes)
	r.log.DebugContext(ctx, "query done", "destination", dest, "outcome", outcome, "rows", out.rows, "bytes", out.bytes, "took", took)
	if err != nil {
		return out.rows, fmt.Errorf("query %s: %w", dest, err)
	}
	return out.rows, nil
}

// run asks within the limits on time and concurrency.
func (r *Runner) run(ctx context.Context, dest, sql string, args []any, out result.Writer) error {
	free, err := r.enter(ctx, dest)
	if err != nil {
		return err
	}
	defer free()
	defer r.metrics.running(dest)()
	query := func(ctx context.Context) error {
		return r.dests.Use(ctx, dest, func(d destination.Destination) error { return d.Query(ctx, sql, args, out) })
	}
	if r.limits.Timeout <= 0 {
		return query(ctx)
	}
	timed, cancel := context.WithTimeoutCause(ctx, r.limits.Timeout, errLate)
	defer cancel()
	err = query(timed)
	if err != nil && errors.Is(context.Cause(timed), errLate) {
		return fault.New(fault.Unprocessable, "query_timeout", "the query took longer than the limit of %v", r.limits.Timeout).Because(err)
	}
	return err
}

// enter waits for a free slot of dest; free gives it back.
func (r *Runner) enter(ctx context.Context, dest string) (free func(), err error) {
	if r.limits.Concurrent <= 0 {
		return func() {}, nil
	}
	slot := r.slot(dest)
	free = func() { <-slot }
	select {
	case slot <- struct{}{}:
		return free, nil
	default:
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case slot <- struct{}{}:
		return free, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, fault.New(fault.Busy, "too_many_queries",
			"%d queries, as many as may, run on this destination already", r.limits.Concurrent).Retry(patience)
	}
}

func (r *Runner) slot(dest string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.slots[dest]
	if !ok {
		s = make(chan struct{}, r.limits.Concurrent)
		r.slots[dest] = s
	}
	return s
}
