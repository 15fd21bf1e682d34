package controltest

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
)

// RunShared tests that stores of several processes, which know nothing of each other, can have one database. fresh returns
// what opens a new, empty one again and again, also at the same time.
func RunShared(t *testing.T, fresh func(t *testing.T) (open func() (control.Store, error))) {
	for _, tt := range []struct {
		words string
		check func(t *testing.T, stores []control.Store)
	}{
		{"the tries of a batch are counted over all stores", checkSharedBatches},
		{"Now is one time for all stores", checkSharedNow},
		{"whoever comes last, a batch that was loaded is loaded", checkSharedEnd},
		{"a job is claimed by one store", checkSharedJobs},
		{"a version of a query is saved by one store", checkSharedQueries},
		{"inserts that two stores remember and forget are counted once", checkSharedKeys},
		{"columns that two stores note at once are those of one call", checkSharedColumns},
	} {
		t.Run(tt.words, func(t *testing.T) { tt.check(t, openTwo(t, fresh(t))) })
	}
}

// openTwo opens both at once.
func openTwo(t *testing.T, open func() (control.Store, error)) []control.Store {
	t.Helper()
	stores := make([]control.Store, 2)
	errs := make([]error, len(stores))
	both(stores, func(i int, _ control.Store) { stores[i], errs[i] = open() })
	for i, err := range errs {
		if err == nil {
			started(t, stores[i])
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return stores
}

// both does something with each of stores at the same time.
func both(stores []control.Store, do func(i int, s control.Store)) {
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() { do(i, s) })
	}
	wg.Wait()
}

func checkSharedBatches(t *testing.T, stores []control.Store) {
	const workers, each = 3, 25
	all := slices.Concat(stores, stores, stores)
	both(all, func(w int, s control.Store) {
		for n := range each {
			own := control.Batch{ID: fmt.Sprintf("%d/%d", w, n)}
			_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "shared"})
			_, lerr := s.Dead().List(t.Context(), "")
			err = errors.Join(err, lerr, s.Batches().Shipped(t.Context(), own),
				s.Batches().Settle(t.Context(), own.ID, control.Outcome{State: control.StateDead}))
			if err != nil {
				t.Errorf("worker %d: %v", w, err)
			}
		}
	})
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

// checkSharedEnd has some who say how a batch ended: that it was loaded, that it is dead, that a try failed.
func checkSharedEnd(t *testing.T, stores []control.Store) {
	outcomes := []control.Outcome{
		{State: control.StateLoaded, Rows: 7}, {State: control.StateDead, Reason: "r"}, {State: control.StateShipped, Reason: "f"},
	}
	for n := range 20 {
		id := fmt.Sprint(n)
		ship(t, stores[0], control.Batch{ID: id})
		both([]control.Store{stores[0], stores[1], stores[0]}, func(i int, s control.Store) {
			if err := s.Batches().Settle(t.Context(), id, outcomes[i]); err != nil {
				t.Errorf("settle as %s: %v", outcomes[i].State, err)
			}
		})
		if b := find(t, stores[0], id); b.State != control.StateLoaded || b.Rows != 7 || b.Reason != "" {
			t.Errorf("got %s, %d rows, reason %q, want loaded, 7 rows", b.State, b.Rows, b.Reason)
		}
	}
}

func checkSharedJobs(t *testing.T, stores []control.Store) {
	const many = 60
	for n := range many {
		err := stores[0].Jobs().Add(t.Context(), control.Job{ID: fmt.Sprint(n), Created: time.UnixMicro(int64(n))})
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	finished := map[string]int{}
	both(slices.Concat(stores, stores, stores), func(w int, s control.Store) {
		for {
			id, err := finishOne(t.Context(), s)
			if err != nil {
				t.Errorf("worker %d: %v", w, err)
			}
			if id == "" {
				return
			}
			mu.Lock()
			finished[id]++
			mu.Unlock()
		}
	})
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

func checkSharedQueries(t *testing.T, stores []control.Store) {
	const each = 20
	var mu sync.Mutex
	var versions []int
	both(stores, func(i int, s control.Store) {
		for n := range each {
			version, err := s.Queries().Save(t.Context(), control.NamedQuery{Destination: "1", Name: "a", Query: fmt.Sprint(n)}, false)
			if err != nil {
				t.Errorf("store %d: save: %v", i, err)
			}
			mu.Lock()
			versions = append(versions, version)
			mu.Unlock()
		}
	})
	slices.Sort(versions)
	for i, version := range versions {
		if version != i+1 {
			t.Fatalf("got the versions %v, want each from 1 to %d once", versions, len(stores)*each)
		}
	}
}

// checkSharedKeys has inserts of two orders, so that nobody waits for ever for whoever waits for him.
func checkSharedKeys(t *testing.T, stores []control.Store) {
	const each, rounds = 130, 6
	both(slices.Concat(stores, stores), func(w int, s control.Store) {
		for r := range rounds {
			inserts := KeyedInserts((w%2+r)*each, each) // most of them twice
			if w >= len(stores) {
				slices.Reverse(inserts)
			}
			if _, err := s.Keys().Remember(t.Context(), inserts); err != nil {
				t.Errorf("worker %d: remember: %v", w, err)
			}
			if _, err := s.Keys().Forget(t.Context(), time.UnixMicro(0), 2*each); err != nil {
				t.Errorf("worker %d: forget: %v", w, err)
			}
		}
	})
	left, err := stores[0].Keys().Forget(t.Context(), time.UnixMicro(0), plenty)
	if err != nil || left.Count != 2*each {
		t.Errorf("got %d inserts and %v, want %d", left.Count, err, 2*each)
	}
}

// checkSharedColumns has two that note the same columns, each in another order.
func checkSharedColumns(t *testing.T, stores []control.Store) {
	const many = 50
	both(stores, func(i int, s control.Store) {
		var cols []control.Column
		for n := range many {
			cols = append(cols, control.Column{Destination: "1", Name: fmt.Sprint(n), Batch: fmt.Sprint(i)})
		}
		if i > 0 {
			slices.Reverse(cols)
		}
		for range 10 {
			if err := s.Columns().Note(t.Context(), cols); err != nil {
				t.Errorf("store %d: note: %v", i, err)
			}
		}
	})
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
