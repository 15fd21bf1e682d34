package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// openTwo opens two stores on one database, which know nothing of each other, as two servers have.
func openTwo(t *testing.T) []*store {
	t.Helper()
	dsn := servertest.Postgres(t)
	var stores []*store
	for range 2 {
		s := openWith(t, settings(dsn))
		t.Cleanup(func() { closeStore(t, s) })
		stores = append(stores, s)
	}
	return stores
}

func TestServersShareBatches(t *testing.T) {
	const workers, each = 3, 25
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		for w := range workers {
			wg.Go(func() {
				for n := range each {
					own := control.Batch{ID: fmt.Sprintf("%d/%d/%d", i, w, n)}
					_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "shared"})
					err = errors.Join(err, s.Batches().Shipped(t.Context(), own),
						s.Batches().Settle(t.Context(), own.ID, control.Outcome{State: control.StateDead}))
					_, lerr := s.Dead().List(t.Context(), "")
					if err := errors.Join(err, lerr); err != nil {
						t.Errorf("store %d: %v", i, err)
					}
				}
			})
		}
	}
	wg.Wait()
	for i, s := range stores {
		list, err := s.Dead().List(t.Context(), "")
		if err != nil || len(list) != len(stores)*workers*each {
			t.Errorf("store %d: got %d dead and %v, want %d", i, len(list), err, len(stores)*workers*each)
		}
		if b := find(t, s, "shared"); b.Attempts != len(stores)*workers*each {
			t.Errorf("store %d: got %d attempts, want %d", i, b.Attempts, len(stores)*workers*each)
		}
	}
}

// TestServersEndABatchOnce has two who say how a batch ended, one that it was loaded and one that it is dead: whoever comes
// last, it is loaded, and once it is, nothing of it changes.
func TestServersEndABatchOnce(t *testing.T) {
	stores := openTwo(t)
	for n := range 20 {
		id := fmt.Sprint(n)
		if err := stores[0].Batches().Shipped(t.Context(), control.Batch{ID: id}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i, o := range []control.Outcome{
			{State: control.StateLoaded, Rows: 7}, {State: control.StateDead, Reason: "r"}, {State: control.StateShipped, Reason: "f"},
		} {
			wg.Go(func() {
				if err := stores[i%2].Batches().Settle(t.Context(), id, o); err != nil {
					t.Errorf("settle as %s: %v", o.State, err)
				}
			})
		}
		wg.Wait()
		if b := find(t, stores[0], id); b.State != control.StateLoaded || b.Rows != 7 || b.Reason != "" {
			t.Errorf("got %s, %d rows, reason %q, want loaded, 7 rows", b.State, b.Rows, b.Reason)
		}
	}
}

func TestServersClaimJobs(t *testing.T) {
	const workers, many = 3, 60
	stores := openTwo(t)
	for n := range many {
		err := stores[0].Jobs().Add(t.Context(), control.Job{ID: fmt.Sprint(n), Created: time.UnixMicro(int64(n))})
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	finished := map[string]int{}
	var wg sync.WaitGroup
	for i, s := range stores {
		for range workers {
			wg.Go(func() {
				for {
					id, err := finishOne(t.Context(), s)
					if err != nil {
						t.Errorf("store %d: %v", i, err)
					}
					if id == "" {
						return
					}
					mu.Lock()
					finished[id]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	for n := range many {
		if got := finished[fmt.Sprint(n)]; got != 1 {
			t.Errorf("job %d: got finished %d times, want once", n, got)
		}
	}
}

// finishOne claims a job and saves that it is done; it gives its id, or none when there was no job.
func finishOne(ctx context.Context, s control.Store) (id string, err error) {
	j, err := s.Jobs().Claim(ctx, time.UnixMicro(0), time.UnixMicro(1000))
	if errors.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if j.Run != 1 {
		return "", fmt.Errorf("job %s: got run %d, want 1", j.ID, j.Run)
	}
	j.State, j.Finished = control.JobDone, time.UnixMicro(1)
	_, err = s.Jobs().Save(ctx, j)
	return j.ID, err
}

func TestServersSaveAQuery(t *testing.T) {
	const each = 20
	var mu sync.Mutex
	var versions []int
	var wg sync.WaitGroup
	for _, s := range openTwo(t) {
		wg.Go(func() {
			for n := range each {
				q := control.NamedQuery{Destination: "1", Name: "a", Query: fmt.Sprint(n)}
				version, err := s.Queries().Save(t.Context(), q, false)
				if err != nil {
					t.Errorf("save: %v", err)
				}
				mu.Lock()
				versions = append(versions, version)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(versions)
	for i, version := range versions {
		if version != i+1 {
			t.Fatalf("got the versions %v, want each from 1 to %d once", versions, 2*each)
		}
	}
}

// TestTotalOfManyServers has two that remember and forget the same inserts: nobody waits for ever, and the total is right.
func TestTotalOfManyServers(t *testing.T) {
	const each, rounds = 130, 6
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		for w := range 2 {
			wg.Go(func() {
				for r := range rounds {
					inserts := keyedInserts((i+r)*each, each) // most of them twice
					if w > 0 {
						slices.Reverse(inserts)
					}
					if _, err := s.Keys().Remember(t.Context(), inserts); err != nil {
						t.Errorf("store %d: remember: %v", i, err)
					}
					if _, err := s.Keys().Forget(t.Context(), time.UnixMicro(0), 2*each); err != nil {
						t.Errorf("store %d: forget: %v", i, err)
					}
				}
			})
		}
	}
	wg.Wait()
	wantTotal(t, stores[0], 2*each)
}

// TestServersNoteColumns has two that note the same columns in another order.
func TestServersNoteColumns(t *testing.T) {
	const many = 50
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		var cols []control.Column
		for n := range many {
			cols = append(cols, control.Column{Destination: "1", Name: fmt.Sprint(n), Batch: fmt.Sprint(i)})
		}
		if i > 0 {
			slices.Reverse(cols)
		}
		wg.Go(func() {
			for range 10 {
				if err := s.Columns().Note(t.Context(), cols); err != nil {
					t.Errorf("note: %v", err)
				}
			}
		})
	}
	wg.Wait()
	list, err := stores[0].Columns().List(t.Context(), "1", control.Column{}.Table)
	if err != nil || len(list) != many {
		t.Fatalf("got %d columns and %v, want %d", len(list), err, many)
	}
	for _, c := range list {
		if c.Batch != list[0].Batch {
			t.Errorf("got columns of the batches %s and %s, want those of one call", c.Batch, list[0].Batch)
		}
	}
}
