package controltest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// openStates and endStates are all states of a job.
var (
	openStates = []control.JobState{control.JobQueued, control.JobReading, control.JobLoading}
	endStates  = []control.JobState{control.JobDone, control.JobFailed, control.JobCanceled}
)

// job is one that nobody has told the store of, as it is before it is claimed.
func job(t *testing.T, id string, n int) control.Job {
	t.Helper()
	return control.Job{ID: id, Source: "1", Key: "key of " + id, Query: "select '" + id + "'", Params: fmt.Appendf(nil, `{"n":%d}`, n),
		Destination: "2", Table: table(t, "events"), State: control.JobQueued, Counted: -1, Created: created(n)}
}

// ended is as job, claimed once and in an end state since created(n).
func ended(t *testing.T, id string, state control.JobState, n int) control.Job {
	t.Helper()
	j := further(job(t, id, n))
	j.State, j.Run, j.Finished = state, 1, created(n)
	return j
}

// further is j with all that Save notes changed, but not ended.
func further(j control.Job) control.Job {
	j.State = control.JobLoading
	j.Plan = fmt.Appendf(nil, "plan of run %d of %s", j.Run, j.ID)
	j.Read = control.Amount{Rows: j.Read.Rows + 1, Bytes: j.Read.Bytes + 2, Batches: j.Read.Batches + 3}
	j.Written = control.Amount{Rows: j.Written.Rows + 4, Bytes: j.Written.Bytes + 5, Batches: j.Written.Batches + 6}
	j.Rescued, j.Counted = j.Rescued+7, j.Counted+8
	j.Error = fmt.Sprintf("error of run %d of %s", j.Run, j.ID)
	j.Started, j.Finished, j.Until = created(5001), created(5002), created(5003)
	return j
}

func addJobs(t *testing.T, s control.Store, jobs ...control.Job) {
	t.Helper()
	for _, j := range jobs {
		if err := s.Jobs().Add(t.Context(), j); err != nil {
			t.Fatalf("add job %.40q: %v", j.ID, err)
		}
	}
}

// claim claims want, which must be the job that is given, and gives it as it must be then.
func claim(t *testing.T, s control.Store, now, until time.Time, want control.Job) control.Job {
	t.Helper()
	want.Run++
	want.Until = until
	got, err := s.Jobs().Claim(t.Context(), now, until)
	if err != nil {
		t.Fatalf("claim job %.40q: %v", want.ID, err)
	}
	wantSameJob(t, got, want)
	wantJobs(t, s, want)
	return want
}

func wantNoClaim(t *testing.T, s control.Store, now time.Time) {
	t.Helper()
	got, err := s.Jobs().Claim(t.Context(), now, created(1_000_000))
	if !errors.Is(err, fault.NotFound) || jobText(got) != jobText(control.Job{}) {
		t.Errorf("claim: got %.300s and %v, want fault.NotFound", jobText(got), err)
	}
}

// saveJob saves j, of which canceling must be told.
func saveJob(t *testing.T, s control.Store, j control.Job, canceling bool) {
	t.Helper()
	if got, err := s.Jobs().Save(t.Context(), j); err != nil || got != canceling {
		t.Fatalf("save job %.40q: got canceling %t and %v, want %t", j.ID, got, err, canceling)
	}
}

// wantNotSaved holds that j cannot be saved, whatever of it, and that want is as it was.
func wantNotSaved(t *testing.T, s control.Store, j control.Job, want ...control.Job) {
	t.Helper()
	for _, state := range slices.Concat(endStates, openStates) {
		again := further(further(j))
		again.State = state
		if canceling, err := s.Jobs().Save(t.Context(), again); canceling || !errors.Is(err, fault.Closed) {
			t.Errorf("save job %.40q, run %d, as %s: got canceling %t and %v, want fault.Closed", j.ID, j.Run, state, canceling, err)
		}
		wantJobs(t, s, want...)
	}
}

// cancelJob cancels the job of want's source and id, which must be as want then.
func cancelJob(t *testing.T, s control.Store, now time.Time, want control.Job) {
	t.Helper()
	got, err := s.Jobs().Cancel(t.Context(), want.Source, want.ID, now)
	if err != nil {
		t.Fatalf("cancel job %.40q: %v", want.ID, err)
	}
	wantSameJob(t, got, want)
	wantJobs(t, s, want)
}

func wantNotCanceled(t *testing.T, s control.Store, source, id string) {
	t.Helper()
	got, err := s.Jobs().Cancel(t.Context(), source, id, created(0))
	if !errors.Is(err, fault.NotFound) || jobText(got) != jobText(control.Job{}) {
		t.Errorf("cancel job %.40q of %.40q: got %.300s and %v, want fault.NotFound", id, source, jobText(got), err)
	}
}

func wantJobs(t *testing.T, s control.Store, want ...control.Job) {
	t.Helper()
	for _, w := range want {
		got, err := s.Jobs().Find(t.Context(), w.ID)
		if err != nil {
			t.Errorf("find job %.40q: %v", w.ID, err)
			continue
		}
		wantSameJob(t, got, w)
	}
}

func wantNoJobs(t *testing.T, s control.Store, unknown ...string) {
	t.Helper()
	for _, id := range unknown {
		if got, err := s.Jobs().Find(t.Context(), id); !errors.Is(err, fault.NotFound) {
			t.Errorf("find job %.40q: got %.300s and %v, want fault.NotFound", id, jobText(got), err)
		}
	}
}

// wantJobList holds that up to most jobs that ask source are want, in this order.
func wantJobList(t *testing.T, s control.Store, source string, most int, want ...control.Job) {
	t.Helper()
	got, err := s.Jobs().List(t.Context(), source, most)
	if err != nil || len(got) != len(want) {
		t.Errorf("up to %d jobs of %.40q: got %d and %v, want %d", most, source, len(got), err, len(want))
		return
	}
	for i := range got {
		wantSameJob(t, got[i], want[i])
	}
}

func wantSameJob(t *testing.T, got, want control.Job) {
	t.Helper()
	if a, b := jobText(got), jobText(want); a != b {
		t.Errorf("job\n got %.700s\nwant %.700s", a, b)
	}
}

func jobText(j control.Job) string {
	at := func(m time.Time) string { return m.UTC().Truncate(exact).Format(time.RFC3339Nano) }
	return fmt.Sprintf("%q of %q into %q of %q, %s, canceling %t, run %d, read %d, written %d, %d rescued, %d counted, "+
		"created %s, started %s, finished %s, until %s, key %q, error %q, plan %q, none %t, params %q, none %t, query %q",
		j.ID, j.Source, j.Table, j.Destination, j.State, j.Canceling, j.Run, j.Read, j.Written, j.Rescued, j.Counted,
		at(j.Created), at(j.Started), at(j.Finished), at(j.Until), j.Key, j.Error, j.Plan, j.Plan == nil, j.Params, j.Params == nil,
		j.Query)
}
