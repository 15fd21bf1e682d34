package controltest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkSaveJob(t *testing.T, s control.Store) {
	a, other := job(t, "a", 0), job(t, "other", 1)
	addJobs(t, s, a, other)
	a = claim(t, s, created(0), created(1000), a)
	other = claim(t, s, created(0), created(1000), other)
	for range 3 {
		a = further(a)
		for _, state := range openStates { // also back to one before, as after a crash
			a.State = state
			saveJob(t, s, a, false)
			wantJobs(t, s, a, other)
		}
	}
	a.Plan, a.Error, a.Started, a.Finished = nil, "", time.Time{}, time.Time{}
	a.Read, a.Written, a.Rescued, a.Counted = control.Amount{}, control.Amount{}, 0, -1
	saveJob(t, s, a, false)
	wantJobs(t, s, a, other)
	for _, state := range endStates {
		done := job(t, "done as "+string(state), 2)
		addJobs(t, s, done)
		done = further(claim(t, s, created(0), created(1000), done))
		done.State = state
		saveJob(t, s, done, false)
		wantJobs(t, s, done, a, other)
	}
}

func checkSaveOnly(t *testing.T, s control.Store) {
	a := job(t, "a", 0)
	addJobs(t, s, a)
	a = further(claim(t, s, created(0), created(1000), a))
	given := a
	given.Source, given.Key, given.Query, given.Params = "other", "other", "other", []byte("other")
	given.Destination, given.Table, given.Created, given.Canceling = "other", table(t, "other"), created(99), true
	saveJob(t, s, given, false)
	wantJobs(t, s, a)
	wantJobList(t, s, "1", 9, a)
	wantJobList(t, s, "other", 9)
}

func checkSaveCanceling(t *testing.T, s control.Store) {
	for i, end := range endStates {
		a := job(t, string(end), i)
		other := job(t, "other than "+a.ID, 50+i)
		addJobs(t, s, a, other)
		a = claim(t, s, created(100), created(1000), a)
		other = claim(t, s, created(100), created(1000), other)
		saveJob(t, s, a, false)
		a.Canceling = true
		cancelJob(t, s, created(150), a)
		for range 2 {
			given := further(a)
			given.Canceling = false // it was read before
			saveJob(t, s, given, true)
			saveJob(t, s, other, false)
			a = further(a)
			wantJobs(t, s, a, other)
		}
		a.State = end // it may have come to its end nonetheless
		saveJob(t, s, a, true)
		other.State = end
		saveJob(t, s, other, false)
		wantJobs(t, s, a, other)
	}
}

func checkSaveEnded(t *testing.T, s control.Store) {
	for i, state := range endStates {
		a := job(t, string(state), i)
		addJobs(t, s, a)
		a = further(claim(t, s, created(0), created(1000), a))
		a.State = state
		saveJob(t, s, a, false)
		wantNotSaved(t, s, a, a)
		a.Run = 0
		addedSo := a
		addedSo.ID = "added as " + a.ID
		addJobs(t, s, addedSo)
		wantNotSaved(t, s, addedSo, addedSo)
	}
	canceled := job(t, "canceled at once", 9)
	addJobs(t, s, canceled)
	canceled.State, canceled.Canceling, canceled.Finished = control.JobCanceled, true, created(50)
	cancelJob(t, s, created(50), canceled)
	wantNotSaved(t, s, canceled, canceled)
}

func checkSaveClaimedAgain(t *testing.T, s control.Store) {
	a := job(t, "a", 0)
	addJobs(t, s, a)
	runs := []control.Job{a}
	for n := range 4 {
		a = claim(t, s, created(100*n), created(100*n+100), a)
		runs = append(runs, a)
		for i, earlier := range runs {
			if i < len(runs)-1 {
				wantNotSaved(t, s, earlier, a)
			}
		}
		later := a
		later.Run++ // which nobody was given
		wantNotSaved(t, s, later, a)
		a.Read.Rows++
		saveJob(t, s, a, false)
		wantJobs(t, s, a)
	}
	a = further(a)
	a.State = control.JobDone
	saveJob(t, s, a, false)
	for _, earlier := range runs {
		wantNotSaved(t, s, earlier, a)
	}
}

func checkSaveUnknown(t *testing.T, s control.Store) {
	a := job(t, "a", 0)
	wantNotSaved(t, s, a)
	wantNoJobs(t, s, a.ID)
	addJobs(t, s, a)
	a = claim(t, s, created(0), created(1000), a)
	for _, id := range []string{"", "A", "a ", "%"} {
		other := a
		other.ID = id
		wantNotSaved(t, s, other, a)
		wantNoJobs(t, s, id)
	}
	a.State, a.Finished = control.JobDone, created(1)
	saveJob(t, s, a, false)
	prune(t, s, created(2))
	wantNotSaved(t, s, a)
	wantNoJobs(t, s, a.ID)
}

func checkSaveLate(t *testing.T, s control.Store) {
	a := job(t, "a", 0)
	addJobs(t, s, a)
	a = claim(t, s, created(0), created(100), a)
	a.Until = time.Unix(0, 0) // whatever clock it is
	a.Read.Rows++
	for range 2 {
		saveJob(t, s, a, false)
		wantJobs(t, s, a)
		a.Read.Rows++
	}
	a.State = control.JobDone
	saveJob(t, s, a, false)
	wantJobs(t, s, a)
}

// checkEndConcurrent has eight who end the same job, as may be when one was thought to be gone: one of them does.
func checkEndConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 8, 5
	for n := range rounds {
		j := job(t, fmt.Sprint(n), n)
		addJobs(t, s, j)
		j = claim(t, s, created(0), created(1000), j)
		var first atomic.Pointer[control.Job]
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				own := j
				own.State, own.Error, own.Finished = endStates[w%len(endStates)], fmt.Sprint("by ", w), created(w)
				_, err := s.Jobs().Save(t.Context(), own)
				if err == nil && !first.CompareAndSwap(nil, &own) {
					t.Error("got two who ended it, want one")
				}
				if err != nil && !errors.Is(err, fault.Closed) {
					t.Errorf("got %v, want fault.Closed", err)
				}
				got, err := s.Jobs().Find(t.Context(), j.ID)
				if err != nil || !got.State.Ended() {
					t.Errorf("find: got one that is %s and %v, want one that is finished", got.State, err)
				}
			})
		}
		wg.Wait()
		if first.Load() == nil {
			t.Fatal("got nobody who ended it, want one")
		}
		wantJobs(t, s, *first.Load())
	}
}
