// Package controltest holds the drivers of control stores to their port's promises.
package controltest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// exact is how exactly times are kept. Dead batches are replayed by the time of their death, which is copied through
// JSON, so a time that was given out once is the same ever after.
const exact = time.Microsecond

// Run tests the store that open opens. Each subtest has the words of the promise that it checks and an empty store of its
// own, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) control.Store) {
	for _, tt := range slices.Concat(batchPromises(), columnPromises(), keyPromises(), sharePromises(), queryPromises(),
		jobPromises(), stagedPromises()) {
		t.Run(tt.words, func(t *testing.T) {
			tt.check(t, started(t, open(t)))
		})
	}
}

// promise is one sentence of the port with its check.
type promise struct {
	words string
	check func(t *testing.T, s control.Store)
}

// batchPromises are those of the store itself, of Batches and of Dead.
func batchPromises() []promise {
	return []promise{
		{"each part is safe for concurrent use", checkConcurrent},
		{"Now is the time by which batches are settled", checkNow},
		{"Prune forgets the loaded batches that were settled before the time", checkPrune},
		{"Prune keeps others", checkPruneKeeps},
		{"Shipped notes that b is in the blob store and on its way into the queue", checkShipped},
		{"Shipped leaves one that is known already, in any state, as it is", checkShippedKnown},
		{"Attempt counts one more try to load b, 1 at the first", checkAttempt},
		{"Attempt returns how far it had come before", checkAttemptReturns},
		{"Attempt notes an unknown batch as by Shipped first", checkAttemptUnknown},
		{"Settle notes StateLoaded with rows and rescued values", checkLoaded},
		{"Settle notes StateDead with the reason", checkDead},
		{"Settle notes StateShipped with the reason why this try failed", checkFailed},
		{"StateLoaded is never changed again", checkLoadedStays},
		{"settling it again is not an error", checkLoadedAgain},
		{"Settle of an unknown id is fault.NotFound", checkSettleUnknown},
		{"Find returns the batch id, or fault.NotFound", checkFind},
		{"Pending counts the batches in StateShipped", checkPendingCount},
		{"Pending tells when the oldest of them was created (zero if none)", checkPendingOldest},
		{"Waiting gives the bytes of the batches in StateShipped and StateDead, by destination", checkWaiting},
		{"List gives the dead batches of destination", checkListDestination},
		{"List gives oldest first", checkListOrder},
		{"List of an empty destination means all", checkListAll},
		{"Revive makes the dead batch id StateShipped again with no attempts counted", checkRevive},
		{"Revive of one that is not dead is fault.NotFound", func(t *testing.T, s control.Store) {
			checkNotDead(t, s, s.Dead().Revive)
		}},
		{"Forget removes the record of the dead batch id", checkForget},
		{"Forget of one that is not dead is fault.NotFound", func(t *testing.T, s control.Store) {
			checkNotDead(t, s, s.Dead().Forget)
		}},
		{"Message is kept until the batch is loaded", checkMessages},
		{"Reason is kept whole", checkReasons},
		{"Table and destination are kept", checkTables},
		{"Created is when it was opened for rows", checkCreated},
		{"Settled is zero until loaded or dead", checkSettled},
		{"Settled is the same wherever it is read, also through JSON", checkSettledExact},
		{"Settled tells a death from the one before", checkDeaths},
	}
}

// RunDurable tests that the memory outlives the store. fresh returns what opens one new, empty place again and again.
func RunDurable(t *testing.T, fresh func(t *testing.T) (open func() control.Store)) {
	for _, tt := range []struct {
		what string
		make func(t *testing.T, s control.Store) (wantKept func(t *testing.T, s control.Store))
	}{
		{"What became of a batch", func(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
			want := everyState(t, s)
			return func(t *testing.T, s control.Store) { wantKept(t, s, want) }
		}},
		{"What was noted of columns", someColumns},
		{"What was remembered by keys", someKeys},
		{"What was added and revoked of shares", someShares},
		{"What was saved and deleted of queries", someQueries},
		{"How far jobs are", someJobs},
		{"What was staged and forgotten", someStaged},
	} {
		t.Run(tt.what+" is kept when the store is closed", func(t *testing.T) {
			open := fresh(t)
			s := open()
			kept := tt.make(t, s)
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			kept(t, started(t, open()))
		})
		t.Run(tt.what+" is kept when the process dies", func(t *testing.T) {
			open := fresh(t)
			kept := tt.make(t, started(t, open()))
			// The first store is not closed, as after a crash.
			kept(t, started(t, open()))
		})
	}
}

// everyState puts a batch in each state into s and gives what s says of them.
func everyState(t *testing.T, s control.Store) (known []control.Batch) {
	t.Helper()
	for i, state := range states {
		state.make(t, s, batch(t, state.name, i))
		if b, err := s.Batches().Find(t.Context(), state.name); err == nil {
			known = append(known, b)
		} else if state.name != "forgotten" {
			t.Fatalf("find %s: %v", state.name, err)
		}
	}
	return known
}

func wantKept(t *testing.T, s control.Store, want []control.Batch) {
	t.Helper()
	for _, w := range want {
		wantBatch(t, s, w)
		if got := find(t, s, w.ID); !got.Settled.Equal(w.Settled) {
			t.Errorf("batch %s settled: got %v, want %v", w.ID, got.Settled, w.Settled)
		}
	}
	wantUnknown(t, s, "forgotten")
	wantDead(t, s, "", "dead", "dead of many attempts")
	wantPending(t, s, 4, created(0))
}

// states are ways of a batch into every state that there is.
var states = []struct {
	name string
	make func(t *testing.T, s control.Store, b control.Batch)
}{
	{"shipped", ship},
	{"tried", attempt},
	{"failed", func(t *testing.T, s control.Store, b control.Batch) {
		attempt(t, s, b)
		settle(t, s, b.ID, control.Outcome{State: control.StateShipped, Reason: "destination is down"})
	}},
	{"loaded", load},
	{"dead", bury},
	{"dead of many attempts", func(t *testing.T, s control.Store, b control.Batch) {
		attempt(t, s, b)
		attempt(t, s, b)
		bury(t, s, b)
	}},
	{"revived", func(t *testing.T, s control.Store, b control.Batch) {
		bury(t, s, b)
		revive(t, s, b.ID)
	}},
	{"forgotten", func(t *testing.T, s control.Store, b control.Batch) {
		bury(t, s, b)
		forget(t, s, b.ID)
	}},
}

// checkConcurrent lets many try the same batch, while each settles one of its own and others look on.
func checkConcurrent(t *testing.T, s control.Store) {
	const workers, tries = 6, 10
	shared := batch(t, "shared", 0)
	var mu sync.Mutex
	var counts []int
	var wg sync.WaitGroup
	for w := range workers {
		own := batch(t, fmt.Sprint("own ", w), 1+w)
		wg.Go(func() {
			for range tries {
				b, err := s.Batches().Attempt(t.Context(), shared)
				if err := errors.Join(err, s.Batches().Shipped(t.Context(), shared)); err != nil {
					t.Errorf("attempt: %v", err)
				}
				mu.Lock()
				counts = append(counts, b.Attempts)
				mu.Unlock()
			}
			err := errors.Join(s.Batches().Shipped(t.Context(), own),
				s.Batches().Settle(t.Context(), own.ID, control.Outcome{State: control.StateDead, Reason: "r"}))
			if w%2 == 0 {
				err = errors.Join(err, s.Dead().Revive(t.Context(), own.ID),
					s.Batches().Settle(t.Context(), own.ID, control.Outcome{State: control.StateLoaded, Rows: 1}))
			}
			if err != nil {
				t.Errorf("settle %s: %v", own.ID, err)
			}
		})
		wg.Go(func() {
			_, _, err := s.Batches().Pending(t.Context())
			_, lerr := s.Dead().List(t.Context(), "")
			if err := errors.Join(err, lerr, s.Prune(t.Context(), time.Unix(0, 0))); err != nil {
				t.Errorf("look on: %v", err)
			}
		})
	}
	wg.Wait()
	slices.Sort(counts)
	for i, n := range counts {
		if n != i+1 {
			t.Fatalf("counts of attempts: got %v, want each from 1 to %d once", counts, workers*tries)
		}
	}
	wantDead(t, s, "", "own 1", "own 3", "own 5")
	wantPending(t, s, 1, shared.Created)
}

func checkPrune(t *testing.T, s control.Store) {
	early := batch(t, "early", 0)
	load(t, s, early)
	settled := find(t, s, early.ID).Settled
	late := batch(t, "late", 1)
	for load(t, s, late); !find(t, s, late.ID).Settled.After(settled); load(t, s, late) {
		late.ID += "r" // settled within the same tick of the clock
	}
	prune(t, s, settled)
	find(t, s, early.ID) // it was settled then, not before
	prune(t, s, settled.Add(exact))
	wantUnknown(t, s, early.ID)
	find(t, s, late.ID)
	for range 2 { // at the second there is nothing left to forget
		prune(t, s, time.Now().Add(time.Hour))
		wantUnknown(t, s, late.ID)
	}
	attempt(t, s, early) // it begins anew
	early.Attempts = 1
	wantBatch(t, s, early)
}

func checkPruneKeeps(t *testing.T, s control.Store) {
	want := everyState(t, s)
	prune(t, s, time.Now().Add(time.Hour))
	want = slices.DeleteFunc(want, func(b control.Batch) bool { return b.State == control.StateLoaded })
	wantKept(t, s, want)
	wantUnknown(t, s, "loaded")
}
