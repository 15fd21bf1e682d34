package query_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
)

func TestEachDestinationHasItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := runner(query.Limits{Timeout: time.Minute, Rows: 5}, destination.ByID{"1": numbers(5), "2": numbers(5), "3": stuck(), "4": stuck()})
		own := map[string]query.Limits{"2": {Rows: 4}, "4": {Timeout: time.Second}}
		r.SetLimits(query.Limits{Timeout: time.Minute, Rows: 5}, own)
		clear(own) // it was copied
		for dest, want := range map[string]string{"1": "", "2": "4 rows", "3": "1m0s", "4": "1s"} {
			rows, err := r.Run(t.Context(), dest, "select 1", nil, ndjson(t), io.Discard)
			if want == "" {
				if err != nil || rows != 5 {
					t.Errorf("destination %s: got %d rows and %v, want 5", dest, rows, err)
				}
				continue
			}
			code := "query_timeout"
			if dest == "2" {
				code = "result_too_large"
			}
			wantFault(t, err, fault.Unprocessable, code, "limit of "+want)
		}
	})
}

// A query keeps the limits that it began with.
func TestLimitsChangeForQueriesToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := runner(query.Limits{Timeout: time.Minute}, destination.ByID{"1": stuck()})
		first := make(chan error)
		go func() {
			_, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard)
			first <- err
		}()
		synctest.Wait()
		r.SetLimits(query.Limits{Timeout: time.Second}, nil)
		_, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard)
		wantFault(t, err, fault.Unprocessable, "query_timeout", "1s")
		wantFault(t, <-first, fault.Unprocessable, "query_timeout", "1m0s")
		r.SetLimits(query.Limits{Timeout: time.Minute}, map[string]query.Limits{"1": {Timeout: time.Hour}})
		_, err = r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard)
		wantFault(t, err, fault.Unprocessable, "query_timeout", "1h0m0s")
	})
}

// turnstile is a destination whose queries tell that they run, by their SQL, and end when they are let out.
type turnstile struct {
	mu  sync.Mutex
	in  []string // guarded by mu
	out chan struct{}
}

func (s *turnstile) asked() asked {
	return asked{query: func(_ context.Context, sql string, _ []any, _ result.Writer) error {
		s.mu.Lock()
		s.in = append(s.in, sql)
		s.mu.Unlock()
		<-s.out
		return nil
	}}
}

// entered gives the queries that ran so far, sorted: several that go in at once do so in any order.
func (s *turnstile) entered() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.in))
}

func TestConcurrencyChangesWhileQueriesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &turnstile{out: make(chan struct{})}
		limit := func(n int) (query.Limits, map[string]query.Limits) {
			return query.Limits{Concurrent: 1}, map[string]query.Limits{"1": {Concurrent: n}}
		}
		r, _ := runner(query.Limits{Concurrent: 2}, destination.ByID{"1": s.asked()})
		want := func(what string, n int) {
			t.Helper()
			if got, first := s.entered(), strings.Split("012345678"[:n], ""); !slices.Equal(got, first) {
				t.Errorf("%s: %v ran, want %v", what, got, first)
			}
		}
		var all sync.WaitGroup
		for n := range 9 {
			all.Go(func() {
				if _, err := r.Run(t.Context(), "1", fmt.Sprint(n), nil, ndjson(t), io.Discard); err != nil {
					t.Errorf("query %d: %v", n, err)
				}
			})
			synctest.Wait()
		}
		want("two at a time", 2)
		r.SetLimits(limit(4))
		want("raised to four", 4)
		r.SetLimits(limit(2))
		want("lowered to two", 4)
		s.out <- struct{}{}
		s.out <- struct{}{}
		want("two of four ended", 4)
		s.out <- struct{}{}
		want("three of four ended", 5)
		r.SetLimits(query.Limits{Concurrent: 3}, nil)
		want("the common three", 6)
		r.SetLimits(query.Limits{}, nil)
		want("no limit", 9)
		close(s.out)
		all.Wait()
	})
}

// Limits change at random under queries of which some give up: none is lost, and none runs beyond the highest limit.
func TestLimitsChangeUnderLoad(t *testing.T) {
	const highest, callers, each = 5, 16, 60
	var now, most atomic.Int64
	d := asked{query: func(ctx context.Context, _ string, _ []any, _ result.Writer) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return ctx.Err()
	}}
	r, _ := runner(query.Limits{Concurrent: highest}, destination.ByID{"1": d})
	changing, stop := context.WithCancel(t.Context())
	var changer, all sync.WaitGroup
	changer.Go(func() {
		for n := 0; changing.Err() == nil; n++ {
			r.SetLimits(query.Limits{Concurrent: 1 + n%highest}, nil)
		}
	})
	for c := range callers {
		all.Go(func() {
			for range each {
				ctx, cancel := context.WithCancel(t.Context())
				if c%4 == 0 {
					go cancel()
				}
				if _, err := r.Run(ctx, "1", "select 1", nil, ndjson(t), io.Discard); err != nil && fault.Of(err) != fault.Canceled {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	stop()
	changer.Wait()
	if most.Load() > highest {
		t.Errorf("%d queries ran at a time, want at most %d", most.Load(), highest)
	}
	r.SetLimits(query.Limits{Concurrent: 1}, nil) // were a slot lost, this one would wait in vain
	if _, err := r.Run(t.Context(), "1", "select 1", nil, ndjson(t), io.Discard); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}
