package controltest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkClaimOldest(t *testing.T, s control.Store) {
	added, oldest := someAges(t)
	for i := range added {
		added[i].Source = strconv.Itoa(i % 3) // of whatever destination
	}
	addJobs(t, s, added...)
	for _, w := range oldest {
		got, err := s.Jobs().Claim(t.Context(), created(0), created(10))
		if err != nil || got.ID != w.ID {
			t.Errorf("got %q and %v, want %q", got.ID, err, w.ID)
		}
	}
	wantNoClaim(t, s, created(9))
	for _, w := range oldest { // once more, as their time has passed
		got, err := s.Jobs().Claim(t.Context(), created(10), created(20))
		if err != nil || got.ID != w.ID {
			t.Errorf("again: got %q and %v, want %q", got.ID, err, w.ID)
		}
	}
}

func checkClaimEnded(t *testing.T, s control.Store) {
	for i, state := range endStates {
		j := ended(t, string(state), state, i)
		j.Until = time.Time{}
		unclaimed := j
		unclaimed.ID, unclaimed.Run = "unclaimed "+j.ID, 0
		addJobs(t, s, j, unclaimed)
	}
	wantNoClaim(t, s, created(1000))
	for i, state := range openStates {
		j := job(t, string(state), 10+i)
		j.State, j.Canceling = state, i%2 == 0 // also one that somebody has asked to cancel
		addJobs(t, s, j)
		j = claim(t, s, created(100), created(200), j)
		wantNoClaim(t, s, created(199))
		j.State = endStates[i]
		saveJob(t, s, j, j.Canceling)
		wantNoClaim(t, s, created(1000))
	}
}

func checkClaimAlone(t *testing.T, s control.Store) {
	a, b := job(t, "a", 0), job(t, "b", 1)
	addJobs(t, s, a)
	a = claim(t, s, created(100), created(200), a)
	for _, n := range []int{0, 100, 199} {
		wantNoClaim(t, s, created(n))
	}
	addJobs(t, s, b)
	b = claim(t, s, created(150), created(300), b) // a is older, but not free
	wantNoClaim(t, s, created(199).UTC())
	a = claim(t, s, created(200), created(250), a) // somebody else takes it over when the time has come
	wantNoClaim(t, s, created(249))
	a.Until = created(400)
	saveJob(t, s, a, false) // whoever works on it may have it longer,
	wantNoClaim(t, s, created(299))
	b = claim(t, s, created(300), created(500), b)
	wantNoClaim(t, s, created(399))
	b.Until = created(350)
	saveJob(t, s, b, false) // or give it up
	b = claim(t, s, created(350), created(500), b)
	wantNoClaim(t, s, created(399))
	claim(t, s, created(5000), created(6000), a)
	claim(t, s, created(5000), created(6000), b)
}

func checkClaimRun(t *testing.T, s control.Store) {
	a := job(t, "a", 0)
	other := job(t, "other", 1)
	addJobs(t, s, a, other)
	for n := range 12 {
		now := created(10 * n)
		a = claim(t, s, now, now.Add(10*exact), a)
		if n%3 == 0 {
			other = claim(t, s, now, now.Add(30*exact), other)
		}
		wantNoClaim(t, s, now)
		if a.Run != n+1 || other.Run != n/3+1 {
			t.Errorf("got the runs %d and %d, want %d and %d", a.Run, other.Run, n+1, n/3+1)
		}
		a.Plan = fmt.Appendf(nil, "plan %d", n)
		saveJob(t, s, a, false)
	}
}

func checkClaimKeeps(t *testing.T, s control.Store) {
	for i, state := range openStates {
		j := job(t, string(state), i)
		addJobs(t, s, j)
		j = claim(t, s, created(100), created(1000), j) // it is queued still, and not started
		j = further(j)
		j.State, j.Until = state, created(200)
		saveJob(t, s, j, false)
		j.Canceling = true
		cancelJob(t, s, created(150), j)
		claim(t, s, created(200), created(1000), j)
	}
}

func checkClaimNone(t *testing.T, s control.Store) {
	wantNoClaim(t, s, created(0))
	wantNoClaim(t, s, time.Time{})
	a := job(t, "a", 0)
	addJobs(t, s, a)
	claim(t, s, time.Time{}, created(9), a) // a job is free from the first
	wantNoClaim(t, s, time.Time{})
	wantNoClaim(t, s, created(8))
}

// checkClaimConcurrent has eight who claim until there is none, and once more whenever the time of all has passed, while
// others look on.
func checkClaimConcurrent(t *testing.T, s control.Store) {
	const workers, many, leases = 8, 24, 3
	for n := range many {
		addJobs(t, s, job(t, fmt.Sprint(n), n))
	}
	for lease := range leases {
		var taken [many]atomic.Int32
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for before := -1; ; {
					n, ok := claimOne(t, s, lease)
					if !ok {
						return
					}
					if n <= before {
						t.Errorf("got job %d after %d, want the oldest first", n, before)
					}
					before = n
					taken[n].Add(1)
				}
			})
		}
		wg.Go(func() {
			list, err := s.Jobs().List(t.Context(), "", 2*many)
			if err := errors.Join(err, s.Prune(t.Context(), created(1_000_000))); err != nil || len(list) != many {
				t.Errorf("look on: got %d jobs and %v, want %d", len(list), err, many)
			}
		})
		wg.Wait()
		for n := range taken {
			if got := taken[n].Load(); got != 1 {
				t.Errorf("lease %d: got job %d %d times, want once", lease, n, got)
			}
		}
	}
}

// claimOne claims a job for the lease of that number, saves it and gives its id.
func claimOne(t *testing.T, s control.Store, lease int) (id int, ok bool) {
	now, until := created(1000*lease), created(1000*lease+1000)
	j, err := s.Jobs().Claim(t.Context(), now, until)
	if errors.Is(err, fault.NotFound) {
		return 0, false
	}
	if err != nil {
		t.Errorf("claim: %v", err)
		return 0, false
	}
	if id, err = strconv.Atoi(j.ID); err != nil || j.Run != lease+1 || j.Read.Rows != int64(lease) || !j.Until.Equal(until) {
		t.Errorf("got job %q, run %d of %d saves, until %v, and %v, want run %d of %d saves, until %v", j.ID, j.Run, j.Read.Rows,
			j.Until, err, lease+1, lease, until)
		return 0, false
	}
	j.Read.Rows++
	if canceling, err := s.Jobs().Save(t.Context(), j); err != nil || canceling {
		t.Errorf("save: got canceling %t and %v", canceling, err)
	}
	return id, true
}

// checkStealConcurrent has eight who take one job from each other again and again, and each tries to save it.
func checkStealConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 8, 10
	addJobs(t, s, job(t, "shared", 0))
	var saved [workers * rounds]atomic.Int64 // what was saved by each run, from 1; 0 is nothing
	var claims [workers * rounds]atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range rounds {
				j, err := s.Jobs().Claim(t.Context(), created(0), created(0)) // free at once
				if err != nil || j.Run < 1 || j.Run > len(saved) {
					t.Errorf("claim: got run %d and %v, want one from 1 to %d", j.Run, err, len(saved))
					return
				}
				claims[j.Run-1].Add(1)
				j.Read.Rows = int64(1 + w*rounds + n)
				if _, err := s.Jobs().Save(t.Context(), j); err == nil {
					saved[j.Run-1].Store(j.Read.Rows)
				} else if !errors.Is(err, fault.Closed) {
					t.Errorf("save: got %v, want fault.Closed", err)
				}
			}
		})
	}
	wg.Wait()
	var last int64
	for i := range saved {
		if got := claims[i].Load(); got != 1 {
			t.Errorf("got run %d %d times, want once", i+1, got)
		}
		if rows := saved[i].Load(); rows != 0 {
			last = rows
		}
	}
	got, err := s.Jobs().Find(t.Context(), "shared")
	if err != nil || got.Run != len(saved) || got.Read.Rows != last || saved[len(saved)-1].Load() == 0 {
		t.Errorf("got run %d, what %d saved, and %v, want run %d, and what %d saved, who claimed it last", got.Run, got.Read.Rows,
			err, len(saved), last)
	}
}
