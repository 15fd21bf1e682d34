package controltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

func checkPruneJobs(t *testing.T, s control.Store) {
	early, next := ended(t, "early", control.JobDone, 10), ended(t, "next", control.JobFailed, 11)
	late := ended(t, "late", control.JobDone, 30)
	early.Created, next.Source = created(99), "2" // it is by their end, not their beginning
	addJobs(t, s, late, early, next)
	prune(t, s, time.Time{})
	prune(t, s, created(10)) // it was finished then, not before
	wantJobs(t, s, early, next, late)
	prune(t, s, created(11))
	wantNoJobs(t, s, early.ID)
	wantJobs(t, s, next, late)
	for range 2 { // at the second there is nothing left to forget
		prune(t, s, created(12))
		wantNoJobs(t, s, early.ID, next.ID)
		wantJobList(t, s, "", 9, late)
	}
	canceled := job(t, "canceled at once", 0)
	addJobs(t, s, canceled)
	canceled.State, canceled.Canceling, canceled.Finished = control.JobCanceled, true, created(40)
	cancelJob(t, s, created(40), canceled)
	prune(t, s, created(40))
	wantJobList(t, s, "", 9, canceled)
	prune(t, s, created(41))
	wantJobList(t, s, "", 9)
	addJobs(t, s, early) // its id is free
	wantJobs(t, s, early)
}

func checkPruneStaged(t *testing.T, s control.Store) {
	batches := []control.StagedBatch{{ID: "a", Run: 1, Rows: 2, Bytes: 3}, {ID: "b", Run: 2, Rows: 3, Bytes: 4}}
	without := ended(t, "without", control.JobDone, 0)
	jobs := []control.Job{without, ended(t, "early", control.JobDone, 0), ended(t, "late", control.JobFailed, 10), job(t, "open", 0)}
	addJobs(t, s, jobs...)
	for _, id := range []string{"early", "late", "open", "unknown"} {
		put(t, s, id, batches...)
	}
	prune(t, s, created(0))
	wantJobs(t, s, jobs...)
	for _, id := range []string{"early", "late", "open"} {
		wantStaged(t, s, id, batches...)
	}
	for range 2 {
		prune(t, s, created(10))
		wantNoJobs(t, s, "without", "early")
		wantStaged(t, s, "early")
		wantJobs(t, s, jobs[2:]...)
		for _, id := range []string{"late", "open", "unknown"} {
			wantStaged(t, s, id, batches...)
		}
	}
	prune(t, s, created(1_000_000))
	wantJobList(t, s, "", 9, jobs[3])
	wantStaged(t, s, "late")
	wantStaged(t, s, "open", batches...)
	wantStaged(t, s, "unknown", batches...)
	addJobs(t, s, jobs[1]) // one of the same id has none
	wantStaged(t, s, "early")
}

func checkPruneKeepsJobs(t *testing.T, s control.Store) {
	var want []control.Job
	for i, state := range openStates {
		fresh, claimed := job(t, "fresh "+string(state), 100-i), job(t, "claimed "+string(state), 50-i)
		fresh.State = state
		claimed.State, claimed.Run, claimed.Until, claimed.Finished = state, 7, created(0), created(-1000)
		claimed.Canceling = i == 0
		want = append(want, fresh, claimed)
	}
	addJobs(t, s, want...)
	batches := everyState(t, s)
	add(t, s, share("past", 0))
	for _, before := range []time.Time{created(0), time.Now().AddDate(100, 0, 0)} {
		prune(t, s, before)
		wantJobs(t, s, want...)
	}
	wantNoShares(t, s, "past") // the others go as ever
	for _, b := range batches {
		if b.State == control.StateLoaded {
			wantUnknown(t, s, b.ID)
		} else {
			wantBatch(t, s, b)
		}
	}
}

// someJobs adds, claims, saves, cancels and prunes jobs and gives what holds that this is kept.
func someJobs(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	pruned := ended(t, "pruned", control.JobDone, 0)
	fresh, claimed, saved := job(t, "it's a 🦆", 9), job(t, "claimed", 1), job(t, "saved", 2)
	canceling, canceled, done := job(t, "canceling", 3), job(t, "canceled", 8), job(t, "done", 4)
	fresh.Params = nil
	addJobs(t, s, pruned, canceled, fresh, claimed, saved, canceling, done)
	canceled.State, canceled.Canceling, canceled.Finished = control.JobCanceled, true, created(50)
	cancelJob(t, s, created(50), canceled)
	for _, j := range []*control.Job{&claimed, &saved, &canceling, &done} {
		*j = claim(t, s, created(0), created(100), *j)
	}
	before := saved
	claimed = claim(t, s, created(100), created(300), claimed)
	saved = further(claim(t, s, created(100), created(300), saved))
	saved.Until = created(400)
	saveJob(t, s, saved, false)
	canceling.Canceling = true
	cancelJob(t, s, created(50), canceling)
	done = further(done)
	done.State = control.JobDone
	saveJob(t, s, done, false)
	prune(t, s, created(1))
	return func(t *testing.T, s control.Store) {
		wantNoJobs(t, s, pruned.ID)
		wantJobList(t, s, "1", 9, fresh, canceled, done, canceling, saved, claimed)
		wantNotSaved(t, s, before, saved)
		wantNotSaved(t, s, done, done)
		saveJob(t, s, saved, false)
		saveJob(t, s, canceling, true)
		claim(t, s, created(200), created(300), canceling)
		claim(t, s, created(200), created(300), fresh)
		wantNoClaim(t, s, created(200))
	}
}

// someStaged puts and forgets batches and gives what holds that this is kept.
func someStaged(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	var want []control.StagedBatch
	for n := range 5 {
		b := control.StagedBatch{ID: fmt.Sprint("batch ", n), Run: n, Rows: int64(10 * n), Bytes: int64(1000 * n)}
		put(t, s, "a", b)
		put(t, s, "it's a 🦆", b)
		want = append(want, b)
	}
	want[4].Rows++
	put(t, s, "a", want[4])
	forgetStaged(t, s, "a", 2)
	forgetStaged(t, s, "it's a 🦆", -1)
	return func(t *testing.T, s control.Store) {
		wantStaged(t, s, "a", want[2:]...)
		wantStaged(t, s, "it's a 🦆")
	}
}
