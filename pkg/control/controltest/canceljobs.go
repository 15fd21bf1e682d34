package controltest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkCancelQueued(t *testing.T, s control.Store) {
	a, other := job(t, "a", 0), job(t, "other", 1)
	addJobs(t, s, a, other)
	a.State, a.Canceling, a.Finished = control.JobCanceled, true, created(50)
	cancelJob(t, s, created(50), a)
	cancelJob(t, s, created(60), a) // it is finished since
	wantJobs(t, s, other)
	wantJobList(t, s, "1", 9, other, a)
	claim(t, s, created(100), created(200), other)
	wantNoClaim(t, s, created(100))
	wantNotSaved(t, s, a, a)
}

func checkCancelClaimed(t *testing.T, s control.Store) {
	for i, state := range openStates {
		a, other := job(t, string(state), i), job(t, "other than "+string(state), 50+i)
		addJobs(t, s, a, other)
		a = claim(t, s, created(100), created(200), a)
		other = claim(t, s, created(100), created(200), other)
		a.State = state
		saveJob(t, s, a, false)
		a.Canceling = true
		for _, n := range []int{150, 160, 900} { // also again, and when the time of the claim has passed
			cancelJob(t, s, created(n), a)
			wantJobs(t, s, other)
		}
		a = claim(t, s, created(200), created(300), a) // whoever takes it over is told
		cancelJob(t, s, created(900), a)
		a.State = control.JobCanceled
		saveJob(t, s, a, true)
		cancelJob(t, s, created(900), a)
		other.State = control.JobDone
		saveJob(t, s, other, false)
	}
}

func checkCancelEnded(t *testing.T, s control.Store) {
	for i, state := range endStates {
		a := job(t, string(state), i)
		addJobs(t, s, a)
		a = further(claim(t, s, created(100), created(200), a))
		a.State = state
		saveJob(t, s, a, false)
		never := ended(t, "never claimed "+string(state), state, i)
		never.Run = 0
		addJobs(t, s, never)
		for range 2 {
			cancelJob(t, s, created(900), a)
			cancelJob(t, s, created(900), never)
		}
	}
}

func checkCancelUnknown(t *testing.T, s control.Store) {
	wantNotCanceled(t, s, "1", "a")
	a, claimed, done := job(t, "a", 0), job(t, "claimed", 1), ended(t, "done", control.JobDone, 2)
	claimed.Run = 1
	other := job(t, "other", 3)
	other.Source = "2"
	addJobs(t, s, a, claimed, done, other)
	for _, id := range []string{"", "A", "a ", "b", "%", "a' or '1'='1", "other"} {
		wantNotCanceled(t, s, "1", id)
	}
	for _, source := range []string{"", "2", "%", "1 ", "10"} {
		for _, id := range []string{"a", "claimed", "done"} {
			wantNotCanceled(t, s, source, id)
		}
	}
	wantJobList(t, s, "", 9, other, done, claimed, a)
}

// checkCancelConcurrent has four who cancel a job and four who claim it: either it is over before somebody has it, or who has
// it is told.
func checkCancelConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 4, 12
	for n := range rounds {
		j := job(t, fmt.Sprint(n), n)
		addJobs(t, s, j)
		var claimed atomic.Int32
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				_, err := s.Jobs().Claim(t.Context(), created(100), created(200))
				if err == nil {
					claimed.Add(1)
				} else if !errors.Is(err, fault.NotFound) {
					t.Errorf("claim: got %v, want fault.NotFound", err)
				}
			})
			wg.Go(func() {
				got, err := s.Jobs().Cancel(t.Context(), j.Source, j.ID, created(150))
				if err != nil || !got.Canceling || got.State.Ended() != (got.Run == 0) {
					t.Errorf("cancel: got %s and %v, want one that is canceled, or claimed and to be canceled", jobText(got), err)
				}
			})
		}
		wg.Wait()
		j.Canceling = true
		if claimed.Load() == 0 {
			j.State, j.Finished = control.JobCanceled, created(150)
			wantJobs(t, s, j)
			continue
		}
		j.Run, j.Until = 1, created(200)
		wantJobs(t, s, j)
		j.State = control.JobCanceled
		saveJob(t, s, j, true)
		if got := claimed.Load(); got != 1 {
			t.Errorf("got %d who claimed it, want 1", got)
		}
	}
}
