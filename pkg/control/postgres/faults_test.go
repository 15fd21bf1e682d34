package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// at is the time that calls of the fault table say, and wire is how it is sent: microseconds since 2000.
func at() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 987_654_000, time.UTC) }

func wire(t time.Time) string {
	since := t.UnixMicro() - time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	return string(binary.BigEndian.AppendUint64(nil, uint64(since)))
}

// marked is what the calls of the fault table say, so that the proxy knows them.
const marked = "the marked call"

// mutation is a call of the port that changes something. It is made, its answer is lost, and it is made again.
type mutation struct {
	name   string
	before func(t *testing.T, s *store)
	call   func(ctx context.Context, s control.Store) error
	said   string     // what the proxy knows the call by; empty for marked
	again  fault.Kind // of the error of the second call, after the first was done; empty for none
	twice  bool       // it was done twice: that is what the port says of such a call
	check  func(t *testing.T, s *store, times int)
}

// TestLostAnswers makes every call that changes something through a proxy that loses it, before or after the server has done
// it, and makes it once more: that does no harm.
func TestLostAnswers(t *testing.T) {
	dsn := servertest.Postgres(t)
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			for _, done := range []bool{false, true} {
				proxy, through := proxied(t, dsn)
				c := settings(through)
				c.Schema = map[bool]string{false: "before ", true: "after "}[done] + m.name
				c.MaxOpenConns = 1
				s := openWith(t, c)
				if m.before != nil {
					m.before(t, s)
				}
				said := m.said
				if said == "" {
					said = marked
				}
				cut := proxy.CutBefore
				if done {
					cut = proxy.CutAfter
				}
				met := cut(said)
				err := m.call(t.Context(), s)
				<-met
				if err == nil || fault.Of(err) != fault.Internal || !fault.Retryable(err) {
					t.Errorf("the call whose answer is lost, done %t: got %v, want an error of no kind", done, err)
				}
				want, times := fault.Kind(""), 1
				if done {
					want = m.again
					if m.twice {
						times = 2
					}
				}
				err = m.call(t.Context(), s)
				if want == "" && err != nil || want != "" && !errors.Is(err, want) {
					t.Errorf("again, done %t: got %v, want %q", done, err, want)
				}
				m.check(t, s, times)
				closeStore(t, s)
			}
		})
	}
}

func mutations() []mutation {
	all := append(batchMutations(), keyMutations()...)
	return append(append(all, queryMutations()...), jobMutations()...)
}

func batchMutations() []mutation {
	ship := func(t *testing.T, s *store) {
		must(t, s.Batches().Shipped(t.Context(), control.Batch{ID: marked, Rows: 3}))
	}
	die := func(t *testing.T, s *store) { bury(t, s, marked, "r") }
	settle := func(o control.Outcome) func(ctx context.Context, s control.Store) error {
		return func(ctx context.Context, s control.Store) error { return s.Batches().Settle(ctx, marked, o) }
	}
	is := func(want control.State, attempts int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, times int) {
			t.Helper()
			if b := find(t, s, marked); b.State != want || b.Attempts != attempts*times || b.Settled.IsZero() != (want == control.StateShipped) {
				t.Errorf("got %s after %d attempts, settled %v, want %s after %d", b.State, b.Attempts, b.Settled, want, attempts*times)
			}
		}
	}
	gone := func(t *testing.T, s *store, _ int) {
		t.Helper()
		if _, err := s.Batches().Find(t.Context(), marked); !errors.Is(err, fault.NotFound) {
			t.Errorf("got %v, want fault.NotFound", err)
		}
	}
	return []mutation{
		{name: "shipped", check: is(control.StateShipped, 0), call: func(ctx context.Context, s control.Store) error {
			return s.Batches().Shipped(ctx, control.Batch{ID: marked})
		}},
		{name: "attempt", twice: true, check: is(control.StateShipped, 1), call: func(ctx context.Context, s control.Store) error {
			_, err := s.Batches().Attempt(ctx, control.Batch{ID: marked})
			return err
		}},
		{name: "settle as loaded", before: ship, check: is(control.StateLoaded, 0), call: settle(control.Outcome{State: control.StateLoaded})},
		{name: "settle as dead", before: ship, check: is(control.StateDead, 0), call: settle(control.Outcome{State: control.StateDead})},
		{name: "settle as failed", before: ship, check: is(control.StateShipped, 0), call: settle(control.Outcome{State: control.StateShipped})},
		{name: "revive", before: die, again: fault.NotFound, check: is(control.StateShipped, 0), call: func(ctx context.Context, s control.Store) error {
			return s.Dead().Revive(ctx, marked)
		}},
		{name: "forget dead", before: die, again: fault.NotFound, check: gone, call: func(ctx context.Context, s control.Store) error {
			return s.Dead().Forget(ctx, marked)
		}},
		{name: "prune", said: wire(at()), before: func(t *testing.T, s *store) {
			ship(t, s)
			must(t, settle(control.Outcome{State: control.StateLoaded})(t.Context(), s))
			run(t, s, "update batches set settled = $1", at().Add(-time.Hour))
		}, check: gone, call: func(ctx context.Context, s control.Store) error { return s.Prune(ctx, at()) }},
	}
}

func keyMutations() []mutation {
	insert := control.KeyedInsert{Destination: "1", Receipt: marked, Made: at().Add(-time.Hour)}
	total := func(want int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, _ int) {
			t.Helper()
			wantTotal(t, s, want)
		}
	}
	share := control.Share{ID: marked, Destination: "1", Query: "select 1"}
	shares := func(want int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, _ int) {
			t.Helper()
			if list, err := s.Shares().List(t.Context(), "1", time.Time{}.Add(-time.Hour)); err != nil || len(list) != want {
				t.Errorf("got %d shares and %v, want %d", len(list), err, want)
			}
		}
	}
	return []mutation{
		{name: "note columns", call: func(ctx context.Context, s control.Store) error {
			return s.Columns().Note(ctx, []control.Column{{Name: "a", Batch: marked}, {Name: "b", Batch: marked}})
		}, check: func(t *testing.T, s *store, _ int) {
			t.Helper()
			if list, err := s.Columns().List(t.Context(), "", control.Column{}.Table); err != nil || len(list) != 2 {
				t.Errorf("got %d columns and %v, want 2", len(list), err)
			}
		}},
		{name: "remember", check: total(1), call: func(ctx context.Context, s control.Store) error {
			_, err := s.Keys().Remember(ctx, []control.KeyedInsert{insert})
			return err
		}},
		{name: "forget keys", said: wire(at()), before: func(t *testing.T, s *store) {
			_, err := s.Keys().Remember(t.Context(), []control.KeyedInsert{insert})
			must(t, err)
		}, check: total(0), call: func(ctx context.Context, s control.Store) error {
			_, err := s.Keys().Forget(ctx, at(), 10)
			return err
		}},
		{name: "add share", again: fault.Exists, check: shares(1), call: func(ctx context.Context, s control.Store) error {
			return s.Shares().Add(ctx, share)
		}},
		{name: "revoke share", again: fault.NotFound, before: func(t *testing.T, s *store) { must(t, s.Shares().Add(t.Context(), share)) },
			check: shares(0), call: func(ctx context.Context, s control.Store) error { return s.Shares().Revoke(ctx, "1", marked) }},
	}
}

func queryMutations() []mutation {
	q := control.NamedQuery{Destination: "1", Name: "a", Query: marked, Public: "public"}
	save := func(fresh bool) func(ctx context.Context, s control.Store) error {
		return func(ctx context.Context, s control.Store) error {
			_, err := s.Queries().Save(ctx, q, fresh)
			return err
		}
	}
	last := func(want int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, times int) {
			t.Helper()
			got, err := s.Queries().Find(t.Context(), "1", "a", 0)
			if err != nil || got.Version != want*times || got.Query != marked {
				t.Errorf("got version %d and %v, want %d", got.Version, err, want*times)
			}
		}
	}
	return []mutation{
		{name: "save fresh query", again: fault.Exists, check: last(1), call: save(true)},
		{name: "save query", twice: true, check: last(1), call: save(false)}, // two versions that are the same
		{name: "delete query", again: fault.NotFound, before: func(t *testing.T, s *store) {
			_, err := s.Queries().Save(t.Context(), control.NamedQuery{Destination: "1", Name: marked}, true)
			must(t, err)
		}, call: func(ctx context.Context, s control.Store) error { return s.Queries().Delete(ctx, "1", marked) },
			check: func(t *testing.T, s *store, _ int) {
				t.Helper()
				if list, err := s.Queries().List(t.Context(), "1"); err != nil || len(list) != 0 {
					t.Errorf("got %d queries and %v, want none", len(list), err)
				}
			}},
	}
}

func jobMutations() []mutation {
	j := control.Job{ID: marked, Source: "1", State: control.JobQueued}
	add := func(t *testing.T, s *store) { must(t, s.Jobs().Add(t.Context(), j)) }
	is := func(want control.JobState, run int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, _ int) {
			t.Helper()
			got, err := s.Jobs().Find(t.Context(), marked)
			if err != nil || got.State != want || got.Run != run {
				t.Errorf("got a job that is %s, run %d, and %v, want %s, run %d", got.State, got.Run, err, want, run)
			}
		}
	}
	save := func(state control.JobState) func(ctx context.Context, s control.Store) error {
		return func(ctx context.Context, s control.Store) error {
			given := j
			given.State = state
			_, err := s.Jobs().Save(ctx, given)
			return err
		}
	}
	put := func(ctx context.Context, s control.Store) error {
		return s.Staged().Put(ctx, marked, control.StagedBatch{ID: "a"})
	}
	staged := func(want int) func(t *testing.T, s *store, times int) {
		return func(t *testing.T, s *store, _ int) {
			t.Helper()
			if list, err := s.Staged().List(t.Context(), marked); err != nil || len(list) != want {
				t.Errorf("got %d staged batches and %v, want %d", len(list), err, want)
			}
		}
	}
	return []mutation{
		{name: "add job", again: fault.Exists, check: is(control.JobQueued, 0), call: func(ctx context.Context, s control.Store) error {
			return s.Jobs().Add(ctx, j)
		}},
		// Whoever does not hear that he has the job does not work on it. It is free again when his time has passed.
		{name: "claim job", said: wire(at()), again: fault.NotFound, before: add, check: is(control.JobQueued, 1),
			call: func(ctx context.Context, s control.Store) error {
				_, err := s.Jobs().Claim(ctx, at(), at().Add(time.Minute))
				return err
			}},
		{name: "save job", before: add, check: is(control.JobReading, 0), call: save(control.JobReading)},
		{name: "save job's end", again: fault.Closed, before: add, check: is(control.JobDone, 0), call: save(control.JobDone)},
		{name: "cancel job", before: add, check: is(control.JobCanceled, 0), call: func(ctx context.Context, s control.Store) error {
			_, err := s.Jobs().Cancel(ctx, "1", marked, at())
			return err
		}},
		{name: "put", check: staged(1), call: put},
		{name: "forget staged", before: func(t *testing.T, s *store) { must(t, put(t.Context(), s)) }, check: staged(0),
			call: func(ctx context.Context, s control.Store) error { return s.Staged().Forget(ctx, marked, -1) }},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
