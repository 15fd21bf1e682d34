package query_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// asked is a destination of which only Query is used.
type asked struct {
	destination.Destination
	query func(ctx context.Context, sql string, args []any, out result.Writer) error
}

func (a asked) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	return a.query(ctx, sql, args, out)
}

// numbers answers with batches of the given sizes, one column of integers, and stops at the first error of out or ctx.
func numbers(sizes ...int) asked {
	return asked{query: func(ctx context.Context, _ string, _ []any, out result.Writer) error {
		typ := vector.Type{Kind: vector.Int, Bits: 64}
		if err := out.Begin([]vector.Field{{Name: "n", Type: typ}}); err != nil {
			return err
		}
		for _, rows := range sizes {
			if err := ctx.Err(); err != nil {
				return err
			}
			b := &vector.Batch{Rows: rows, Cols: []*vector.Vector{{Type: typ, Ints: make([]int64, rows)}}}
			if err := out.Write(b); err != nil {
				return err
			}
		}
		return out.End()
	}}
}

// stuck answers when its context ends, with the error of an engine that was interrupted.
func stuck() asked {
	return asked{query: func(ctx context.Context, _ string, _ []any, _ result.Writer) error {
		<-ctx.Done()
		return errors.New("INTERRUPT Error: interrupted")
	}}
}

func failing(err error) asked {
	return asked{query: func(context.Context, string, []any, result.Writer) error { return err }}
}

func runner(l query.Limits, dests destination.ByID) (*query.Runner, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return query.New(l, nil, destination.NewSet(dests), slog.New(slog.DiscardHandler), query.NewMetrics(reg)), reg
}

func ndjson(t *testing.T) result.Format {
	t.Helper()
	f, err := result.FormatOf("ndjson", "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantFault checks kind and code, and that the caller's text has part in it.
func wantFault(t *testing.T, err error, kind fault.Kind, code, part string) {
	t.Helper()
	if fault.Of(err) != kind || fault.CodeOf(err) != code || !strings.Contains(fault.TextOf(err), part) {
		t.Errorf("got %s, %s, %q; want %s, %s, a text with %q", fault.Of(err), fault.CodeOf(err), fault.TextOf(err), kind, code, part)
	}
}

func TestRunGivesRows(t *testing.T) {
	var sql string
	var args []any
	d := numbers(2, 1)
	inner := d.query
	d.query = func(ctx context.Context, s string, a []any, out result.Writer) error {
		sql, args = s, a
		return inner(ctx, s, a, out)
	}
	r, reg := runner(query.DefaultLimits(), destination.ByID{"1": d})
	var out bytes.Buffer
	rows, err := r.Run(t.Context(), "1", "select n", []any{7}, ndjson(t), &out)
	if err != nil || rows != 3 {
		t.Fatalf("got %d rows, error %v, want 3", rows, err)
	}
	if want := strings.Repeat("{\"n\":0}\n", 3); out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if sql != "select n" || len(args) != 1 || args[0] != 7 {
		t.Errorf("the destination got %q and %v", sql, args)
	}
	for name, want := range map[string]float64{"scratchdata_query_rows_total": 3, "scratchdata_query_bytes_total": 24, "scratchdata_queries_running": 0} {
		if got := figure(t, reg, name, "1"); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// figure reads one figure of a destination.
func figure(t *testing.T, reg *prometheus.Registry, name, dest string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == "destination" && l.GetValue() == dest {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	t.Fatalf("no figure %s of %s", name, dest)
	return 0
}

func TestFailuresKeepTheirKind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		kind    fault.Kind
		outcome string
	}{
		{"mistake", fault.New(fault.Invalid, "invalid_sql", "no such table"), fault.Invalid, "invalid"},
		{"refused", fault.New(fault.Denied, "read_only", "not a select"), fault.Denied, "denied"},
		{"broken", errors.New("disk on fire"), fault.Internal, "internal"},
		{"two words", fault.NotFound, fault.NotFound, "not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, reg := runner(query.DefaultLimits(), destination.ByID{"1": failing(tt.err)})
			var out bytes.Buffer
			rows, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), &out)
			if !errors.Is(err, tt.err) || fault.Of(err) != tt.kind || rows != 0 || out.Len() != 0 {
				t.Errorf("got %d rows, %d bytes, error %v; want none and %v", rows, out.Len(), err, tt.err)
			}
			if got := outcomes(t, reg); got != tt.outcome {
				t.Errorf("outcome: got %s, want %s", got, tt.outcome)
			}
		})
	}
	r, _ := runner(query.DefaultLimits(), destination.ByID{})
	_, err := r.Run(t.Context(), "9", "select 1", nil, ndjson(t), io.Discard)
	wantFault(t, err, fault.NotFound, "unknown_destination", `"9"`)
}

// outcomes lists the outcomes that were counted.
func outcomes(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" {
					all = append(all, l.GetValue())
				}
			}
		}
	}
	return strings.Join(all, " ")
}

func TestLimitsOnTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits query.Limits
		sizes  []int
		rows   int64
		sent   int
		text   string // "" when the answer is whole
	}{
		{"no limit", query.Limits{}, []int{2048, 2048}, 4096, 4096 * 8, ""},
		{"as many rows as may", query.Limits{Rows: 10}, []int{6, 4}, 10, 80, ""},
		{"a row too many at once", query.Limits{Rows: 10}, []int{11}, 0, 0, "10 rows"},
		{"a row too many later", query.Limits{Rows: 10}, []int{6, 5}, 6, 48, "10 rows"},
		{"as many bytes as may", query.Limits{Bytes: 80}, []int{10}, 10, 80, ""},
		{"a byte too many at once", query.Limits{Bytes: 79}, []int{10}, 0, 0, "79 bytes"},
		{"a byte too many at the end", query.Limits{Bytes: 79}, []int{6, 4}, 10, 48, "79 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, reg := runner(tt.limits, destination.ByID{"1": numbers(tt.sizes...)})
			var out bytes.Buffer
			rows, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), &out)
			if rows != tt.rows || out.Len() != tt.sent {
				t.Errorf("got %d rows and %d bytes, want %d and %d", rows, out.Len(), tt.rows, tt.sent)
			}
			want := "ok"
			if tt.text != "" {
				want = "result_too_large"
				wantFault(t, err, fault.Unprocessable, want, tt.text)
			} else if err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if got := outcomes(t, reg); got != want {
				t.Errorf("outcome: got %s, want %s", got, want)
			}
		})
	}
}

// A driver may hide the error of the writer behind its own; the writer's is the one that counts.
func TestTheWritersErrorIsTheReason(t *testing.T) {
	d := numbers(10)
	inner := d.query
	d.query = func(ctx context.Context, sql string, args []any, out result.Writer) error {
		if err := inner(ctx, sql, args, out); err != nil {
			return errors.New("the stream was closed")
		}
		return nil
	}
	r, _ := runner(query.Limits{Rows: 1}, destination.ByID{"1": d})
	_, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard)
	wantFault(t, err, fault.Unprocessable, "result_too_large", "1 rows")
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, reg := runner(query.Limits{Timeout: 90 * time.Second}, destination.ByID{"1": stuck()})
		start := time.Now()
		_, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard)
		wantFault(t, err, fault.Unprocessable, "query_timeout", "1m30s")
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("it took %v, want 1m30s", took)
		}
		if got := outcomes(t, reg); got != "query_timeout" {
			t.Errorf("outcome: got %s, want query_timeout", got)
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, reg := runner(query.DefaultLimits(), destination.ByID{"1": stuck()})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := r.Run(ctx, "1", "select 1", nil, ndjson(t), io.Discard)
		wantFault(t, err, fault.Canceled, "canceled", "went away")
		if got := outcomes(t, reg); got != "canceled" {
			t.Errorf("outcome: got %s, want canceled", got)
		}
	})
}

// gate answers when it is opened.
func gate() (asked, func()) {
	open := make(chan struct{})
	return asked{query: func(ctx context.Context, _ string, _ []any, out result.Writer) error {
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, func() { close(open) }
}

func TestFullDestination(t *testing.T) {
	for _, tt := range []struct {
		name  string
		meant func(cancel, open func()) // what happens while the third query waits
		check func(t *testing.T, err error)
	}{
		{"a slot gets free", func(_, open func()) { open() }, func(t *testing.T, err error) {
			if err != nil {
				t.Errorf("got %v, want no error", err)
			}
		}},
		{"the caller leaves", func(cancel, _ func()) { cancel() }, func(t *testing.T, err error) {
			wantFault(t, err, fault.Canceled, "canceled", "went away")
		}},
		{"nothing happens", func(_, _ func()) {}, func(t *testing.T, err error) {
			wantFault(t, err, fault.Busy, "too_many_queries", "2 queries")
			if fault.AfterOf(err) <= 0 {
				t.Error("the error does not say when to try again")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, open := gate()
				opened := sync.OnceFunc(open)
				r, _ := runner(query.Limits{Concurrent: 2}, destination.ByID{"1": d, "2": numbers(1)})
				var others sync.WaitGroup
				for range 2 {
					others.Go(func() {
						if _, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard); err != nil {
							t.Errorf("one that runs: got %v, want no error", err)
						}
					})
				}
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				third := make(chan error)
				go func() {
					_, err := r.Run(ctx, "1", "select 1", nil, ndjson(t), io.Discard)
					third <- err
				}()
				synctest.Wait()
				if _, err := r.Run(t.Context(), "2", "select 1", nil, ndjson(t), io.Discard); err != nil {
					t.Errorf("another destination: got %v, want no error", err)
				}
				tt.meant(cancel, opened)
				tt.check(t, <-third)
				opened()
				others.Wait()
			})
		})
	}
}

// Who waits for a slot gets it in turn: whoever came later, also while one gets free, comes later.
func TestWaitersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiters = 50
		var order []int // the queries run one at a time
		turn := make(chan struct{})
		d := asked{query: func(_ context.Context, _ string, args []any, _ result.Writer) error {
			<-turn
			order = append(order, args[0].(int))
			return nil
		}}
		r, _ := runner(query.Limits{Concurrent: 1}, destination.ByID{"1": d})
		var all sync.WaitGroup
		begin := func(n int) {
			all.Go(func() {
				if _, err := r.Run(t.Context(), "1", "select 1", []any{n}, ndjson(t), io.Discard); err != nil {
					t.Error(err)
				}
			})
		}
		for n := range waiters {
			begin(n)
			synctest.Wait()
		}
		for n := range waiters {
			begin(waiters + n) // just before a slot gets free
			turn <- struct{}{}
			if n%2 == 0 {
				synctest.Wait()
			}
		}
		close(turn)
		all.Wait()
		for n := range waiters {
			if order[n] != n {
				t.Fatalf("the turns were %v", order)
			}
		}
	})
}

func TestNeverMoreThanConcurrent(t *testing.T) {
	const limit, callers, each = 3, 12, 50
	var now, most atomic.Int64
	d := asked{query: func(context.Context, string, []any, result.Writer) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return nil
	}}
	r, reg := runner(query.Limits{Concurrent: limit}, destination.ByID{"1": d})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if _, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > limit {
		t.Errorf("%d queries ran at a time, want at most %d", most.Load(), limit)
	}
	if got := figure(t, reg, "scratchdata_query_seconds", "1"); got != callers*each {
		t.Errorf("got %v queries counted, want %d", got, callers*each)
	}
}

func TestLogsHaveNoSQLAndNoValue(t *testing.T) {
	var logs bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dests := destination.ByID{"1": failing(fault.New(fault.Invalid, "invalid_sql", "cannot cast 'hunter2'")), "2": numbers(5)}
	r := query.New(query.DefaultLimits(), nil, destination.NewSet(dests), log, query.NewMetrics(prometheus.NewRegistry()))
	for id := range dests {
		_, err := r.Run(t.Context(), id, "select 'hunter2'", []any{"hunter2"}, ndjson(t), io.Discard)
		if (err != nil) != (id == "1") {
			t.Errorf("destination %s: got %v", id, err)
		}
	}
	got := logs.String()
	if strings.Contains(got, "hunter2") || strings.Contains(got, "select") {
		t.Errorf("the log has what the caller sent:\n%s", got)
	}
	for _, part := range []string{"destination=1 outcome=invalid rows=0", "destination=2 outcome=ok rows=5 bytes=40"} {
		if !strings.Contains(got, part) {
			t.Errorf("the log has no %q:\n%s", part, got)
		}
	}
}
