package controltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func jobPromises() []promise {
	return []promise{
		{"Add remembers j", checkAddJob},
		{"Add of the id of a job that is taken is fault.Exists", checkJobTaken},
		{"Add of a job of an ended context remembers nothing", checkJobsEnded},
		{"Params and Plan of a job are kept, nil without any", checkJobBytes},
		{"The text of a job is kept whole", checkJobTexts},
		{"The counts of a job are kept", checkJobCounts},
		{"The times of a job are kept in microseconds", checkJobTimes},
		{"Find of a job returns it, or fault.NotFound", checkFindJob},
		{"List gives jobs that ask the destination source", checkListJobs},
		{"List of jobs of an empty source means all", checkListAllJobs},
		{"List gives up to most jobs, for a most below 1 none", checkListMost},
		{"List gives jobs newest first", checkListNewestJobs},
		{"Claim gives the oldest job", checkClaimOldest},
		{"Claim gives no job that is finished", checkClaimEnded},
		{"Claim gives a job to its caller alone until that time", checkClaimAlone},
		{"Claim counts Run up by one", checkClaimRun},
		{"Claim changes nothing besides Run and Until", checkClaimKeeps},
		{"Claim is fault.NotFound when there is none", checkClaimNone},
		{"Many may claim at once, and each job is given to one", checkClaimConcurrent},
		{"Many may claim the same job, and Save is of who did so last", checkStealConcurrent},
		{"Save notes how far j is", checkSaveJob},
		{"Save changes nothing else of a job", checkSaveOnly},
		{"Save returns whether somebody has asked to cancel it", checkSaveCanceling},
		{"Save of a job that is finished is fault.Closed and changes nothing", checkSaveEnded},
		{"Save of a job that was claimed again is fault.Closed and changes nothing", checkSaveClaimedAgain},
		{"Save of an unknown job is fault.Closed and changes nothing", checkSaveUnknown},
		{"Save of a job whose Until has passed is noted as long as nobody has claimed it again", checkSaveLate},
		{"Many may finish a job at once, and one does", checkEndConcurrent},
		{"Cancel of a job that nobody has claimed ever makes it JobCanceled at once, Finished now", checkCancelQueued},
		{"Cancel of a job that was claimed makes it Canceling", checkCancelClaimed},
		{"Cancel of a job that is finished returns it as it is", checkCancelEnded},
		{"Cancel of an unknown job, or one of another source, is fault.NotFound", checkCancelUnknown},
		{"Many may cancel and claim the same job at once", checkCancelConcurrent},
		{"Prune forgets the jobs that were finished before the time", checkPruneJobs},
		{"Prune forgets the staged batches of the jobs that it forgets", checkPruneStaged},
		{"Prune keeps jobs that are not finished", checkPruneKeepsJobs},
	}
}

func checkAddJob(t *testing.T, s control.Store) {
	a, b := job(t, "a", 0), job(t, "b", 1)
	b.Source, b.Key, b.Query, b.Params, b.Destination, b.Table, b.Counted = "2", "", "", nil, "1", table(t, "main.other table-1"), 0
	addJobs(t, s, a)
	wantJobs(t, s, a)
	addJobs(t, s, b)
	wantJobs(t, s, a, b)
	for i, state := range slices.Concat(openStates, endStates) { // whatever is in j
		j := ended(t, "in state "+string(state), state, 10+i)
		j.Canceling, j.Run = i%2 == 0, i
		addJobs(t, s, j)
		wantJobs(t, s, j)
	}
	bare := control.Job{ID: "bare"}
	addJobs(t, s, bare)
	wantJobs(t, s, bare, a, b)
}

func checkJobTaken(t *testing.T, s control.Store) {
	first, done := job(t, "a", 0), ended(t, "done", control.JobDone, 1)
	addJobs(t, s, first, done)
	elsewhere := job(t, "a", 5)
	elsewhere.Source = "2"
	for _, again := range []control.Job{first, elsewhere, further(first), job(t, "done", 9), {ID: "a", Query: "other"}} {
		if err := s.Jobs().Add(t.Context(), again); !errors.Is(err, fault.Exists) {
			t.Errorf("got %v, want fault.Exists", err)
		}
		wantJobs(t, s, first, done)
		wantJobList(t, s, "", 9, done, first)
	}
}

func checkJobsEnded(t *testing.T, s control.Store) {
	known, done := job(t, "known", 0), ended(t, "done", control.JobDone, 1)
	addJobs(t, s, known, done)
	batch := control.StagedBatch{ID: "a", Run: 1}
	put(t, s, "known", batch)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, find := s.Jobs().Find(over, "known")
	list, lerr := s.Jobs().List(over, "", 9)
	_, claim := s.Jobs().Claim(over, created(0), created(9))
	_, save := s.Jobs().Save(over, further(known))
	_, canceled := s.Jobs().Cancel(over, "1", "known", created(0))
	batches, berr := s.Staged().List(over, "known")
	for call, err := range map[string]error{
		"add": s.Jobs().Add(over, job(t, "other", 2)), "find": find, "list": lerr, "claim": claim, "save": save, "cancel": canceled,
		"put": s.Staged().Put(over, "known", control.StagedBatch{ID: "b"}), "list batches": berr,
		"forget": s.Staged().Forget(over, "known", -1), "prune": s.Prune(over, created(1000)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context canceled", call, err)
		}
	}
	if len(list) != 0 || len(batches) != 0 {
		t.Errorf("list: got %d jobs and %d batches, want none", len(list), len(batches))
	}
	wantJobList(t, s, "", 9, done, known)
	wantStaged(t, s, "known", batch)
}

func checkJobBytes(t *testing.T, s control.Store) {
	bytesOf := func(text string) []byte {
		if text == "nil" {
			return nil
		}
		return []byte(text)
	}
	texts := []string{"nil", "", "{}", `{"a":"it's","b":[1.50,null]}`, "a\x00b\xff\xfe", strings.Repeat("\x00\x01\xffA", 100_000)}
	for i, text := range texts {
		other := texts[(i+1)%len(texts)]
		given, want := job(t, fmt.Sprint(i), i), job(t, fmt.Sprint(i), i)
		given.Params, given.Plan = bytesOf(text), bytesOf(other)
		want.Params, want.Plan = bytesOf(text), bytesOf(other)
		addJobs(t, s, given)
		copy(given.Params, "????????") // the caller may use its memory again
		copy(given.Plan, "????????")
		wantJobs(t, s, want)
		wantJobList(t, s, "", 1, want)
		want = claim(t, s, created(0), created(9), want)
		given = want
		given.Plan = bytesOf(text)
		saveJob(t, s, given, false)
		copy(given.Plan, "????????")
		want.Plan = bytesOf(text)
		wantJobs(t, s, want)
	}
}

func checkJobTexts(t *testing.T, s control.Store) {
	for i, text := range []string{
		"", " ", "it's", `"quoted"`, "`ticks`", "'\"''--", "; drop table jobs; --", "ümläut 漢字 🦆", "u\u0308", "a\nb\r\n\tc",
		"a\x00b", "\xff\xfe", "?", "?1", ":a", "%s", "{{a}}", "null", "12", "1e3", "0x10", strings.Repeat("select 1 union all ", 5_000),
	} {
		whole := job(t, fmt.Sprint("whole ", i), i)
		whole.Source, whole.Key, whole.Query, whole.Destination, whole.Error = "1 "+text, "2 "+text, text, "3 "+text, text
		addJobs(t, s, whole)
		wantJobs(t, s, whole)
		wantJobList(t, s, whole.Source, 2, whole)
		whole = claim(t, s, created(0), created(1000), whole)
		whole.Error = text + " of the claim"
		saveJob(t, s, whole, false)
		wantJobs(t, s, whole)
		id := ended(t, "id "+text, control.JobDone, i)
		addJobs(t, s, id)
		wantJobs(t, s, id)
		cancelJob(t, s, created(0), id)
		wantNotSaved(t, s, id, id)
	}
}

func checkJobCounts(t *testing.T, s control.Store) {
	for i, n := range []int64{0, 1, -1, 1 << 40, math.MaxInt64, math.MinInt64} {
		j := job(t, fmt.Sprint(n), i)
		j.Read, j.Written = control.Amount{Rows: n, Bytes: 1, Batches: 2}, control.Amount{Rows: 3, Bytes: n, Batches: 4}
		j.Rescued, j.Counted = n, 5
		addJobs(t, s, j)
		wantJobs(t, s, j)
		j = claim(t, s, created(0), created(9), j)
		j.Read, j.Written = control.Amount{Rows: 6, Bytes: 7, Batches: n}, control.Amount{Rows: n, Bytes: 8, Batches: n}
		j.Rescued, j.Counted = 9, n
		saveJob(t, s, j, false)
		wantJobs(t, s, j)
	}
}

func checkJobTimes(t *testing.T, s control.Store) {
	long := created(0).AddDate(9000, 0, 0) // so that nobody claims those before
	for name, want := range moments() {
		a := job(t, "added "+name, 0)
		a.Created, a.Started, a.Finished, a.Until = want, want.Add(time.Microsecond), want.Add(time.Hour), long
		addJobs(t, s, a)
		b := job(t, "claimed "+name, 0)
		b.Created = want
		addJobs(t, s, b)
		wantJobs(t, s, a, b)
		b = claim(t, s, created(0), long, b)
		b.Started, b.Finished, b.Until = want, want.Add(time.Microsecond), long
		saveJob(t, s, b, false)
		wantJobs(t, s, a, b)
		c := job(t, "until "+name, 0)
		addJobs(t, s, c)
		c = claim(t, s, created(0), want, c)
		c.State = control.JobDone // it may be free by now
		saveJob(t, s, c, false)
		d := job(t, "canceled "+name, 0)
		addJobs(t, s, d)
		d.State, d.Canceling, d.Finished = control.JobCanceled, true, want
		cancelJob(t, s, want, d)
	}
}

func checkFindJob(t *testing.T, s control.Store) {
	wantNoJobs(t, s, "a")
	ids := []string{"a", "A", "a ", "a%", "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2C", "quote'\"--"}
	for i, id := range ids {
		addJobs(t, s, job(t, id, i))
	}
	for i, id := range ids {
		wantJobs(t, s, job(t, id, i))
	}
	wantNoJobs(t, s, "", "b", "%", "_", "01j8zq4t3y5v6w7x8y9z0a1b2c", "aa", " a", "1", strings.Repeat("a", 1000))
	got, err := s.Jobs().Find(t.Context(), "a")
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	copy(got.Params, "????????") // it is the caller's
	wantJobs(t, s, job(t, "a", 0))
}

func checkListJobs(t *testing.T, s control.Store) {
	wantJobList(t, s, "1", 9)
	want := map[string][]control.Job{}
	for i, source := range []string{"1", "2", "10", "1 ", "a", "A", "it's", `"🦆"`, "%", "1' or '1'='1", "a\x00b"} {
		older, newer := job(t, "older of "+source, i), ended(t, "newer of "+source, control.JobDone, 100-i)
		older.Source, newer.Source = source, source
		addJobs(t, s, newer, older)
		want[source] = []control.Job{newer, older}
	}
	for source, jobs := range want {
		wantJobList(t, s, source, 9, jobs...)
	}
	for _, source := range []string{"3", "_", "b", "11", " 1"} {
		wantJobList(t, s, source, 9)
	}
}

func checkListAllJobs(t *testing.T, s control.Store) {
	wantJobList(t, s, "", 9)
	a, b, without := job(t, "a", 0), job(t, "b", 1), job(t, "without", 2)
	b.Source, without.Source = "2", ""
	addJobs(t, s, a, b, without)
	wantJobList(t, s, "", 9, without, b, a)
	wantJobList(t, s, "1", 9, a)
}

func checkListMost(t *testing.T, s control.Store) {
	var newest []control.Job
	for n := range 7 {
		j := job(t, fmt.Sprint(n), n)
		addJobs(t, s, j)
		newest = append([]control.Job{j}, newest...)
	}
	for _, most := range []int{-1, math.MinInt, 0, 1, 2, 6, 7, 8, math.MaxInt} {
		for _, source := range []string{"1", ""} {
			wantJobList(t, s, source, most, newest[:min(max(most, 0), 7)]...)
		}
		wantJobList(t, s, "2", most)
	}
}

// someAges are jobs in an order that is neither that of their ids nor that of their age.
func someAges(t *testing.T) (added, oldest []control.Job) {
	t.Helper()
	for _, tt := range []struct {
		id      string
		created int
	}{{"c", 1_000_000}, {"f", 2}, {"a", 2}, {"e", 0}, {"b", 60_000_000}, {"d", 1}, {"aa", 2}} {
		added = append(added, job(t, tt.id, tt.created))
	}
	oldest = slices.SortedFunc(slices.Values(added), func(a, b control.Job) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return added, oldest
}

func checkListNewestJobs(t *testing.T, s control.Store) {
	added, want := someAges(t)
	addJobs(t, s, added...)
	slices.Reverse(want)
	wantJobList(t, s, "1", 9, want...)
	wantJobList(t, s, "", 9, want...)
}
