// Package query runs SQL on a destination within limits, encoding its answer.
package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
)

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
	dests   *destination.Set
	log     *slog.Logger
	metrics *Metrics

	mu     sync.Mutex
	common Limits            // guarded by mu; of destinations that are not in own
	own    map[string]Limits // by destination id; guarded by mu
	gates  map[string]*gate  // by destination id; guarded by mu
}

// New makes a Runner over dests. Destinations that are not in own, by their ids, have the common limits.
func New(common Limits, own map[string]Limits, dests *destination.Set, log *slog.Logger, m *Metrics) *Runner {
	return &Runner{common: common, own: maps.Clone(own), dests: dests, log: log, metrics: m, gates: map[string]*gate{}}
}

// SetLimits changes the limits, as New has them. A query that runs keeps those that it began with; how many may run at a
// time holds at once, also for those that wait.
func (r *Runner) SetLimits(common Limits, own map[string]Limits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.common, r.own = common, maps.Clone(own)
	for dest, g := range r.gates {
		g.resize(r.limitsOf(dest).Concurrent)
	}
}

// limitsOf gives the limits of a destination. The caller holds mu.
func (r *Runner) limitsOf(dest string) Limits {
	if l, ok := r.own[dest]; ok {
		return l
	}
	return r.common
}

// terms are what one query is held to.
type terms struct {
	Limits
	gate *gate
}

// begin gives the terms of a query of dest that begins now.
func (r *Runner) begin(dest string) terms {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := terms{r.limitsOf(dest), r.gates[dest]}
	if t.gate == nil {
		t.gate = &gate{most: t.Concurrent}
		r.gates[dest] = t.gate
	}
	return t
}

// Run runs sql with args on the destination dest and writes its rows to w in format f, as they arrive. It gives the
// number of rows. After an error what went to w is not a whole answer; nothing went to w when the query failed before
// its first row.
func (r *Runner) Run(ctx context.Context, dest, sql string, args []any, f result.Format, w io.Writer) (int64, error) {
	if !r.dests.Has(dest) {
		return 0, destination.Unknown(dest)
	}
	start := time.Now()
	t := r.begin(dest)
	out := newMeter(t.Limits, f, w)
	err := r.within(ctx, dest, t, func(ctx context.Context, d destination.Destination) error { return d.Query(ctx, sql, args, out) })
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

// within runs ask within the terms on time and concurrency.
func (r *Runner) within(ctx context.Context, dest string, t terms, ask func(context.Context, destination.Destination) error) error {
	if err := t.gate.enter(ctx); err != nil {
		return err
	}
	defer t.gate.leave()
	defer r.metrics.running(dest)()
	query := func(ctx context.Context) error {
		return r.dests.Use(ctx, dest, func(d destination.Destination) error { return ask(ctx, d) })
	}
	if t.Timeout <= 0 {
		return query(ctx)
	}
	timed, cancel := context.WithTimeoutCause(ctx, t.Timeout, errLate)
	defer cancel()
	err := query(timed)
	if err != nil && errors.Is(context.Cause(timed), errLate) {
		return fault.New(fault.Unprocessable, "query_timeout", "the query took longer than the limit of %v", t.Timeout).Because(err)
	}
	return err
}
