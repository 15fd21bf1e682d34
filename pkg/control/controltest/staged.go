package controltest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
)

func stagedPromises() []promise {
	return []promise{
		{"Put notes that b is about to be stored for the job id", checkPut},
		{"Put replaces one that is known", checkPutKnown},
		{"A staged batch is kept whole", checkStagedWhole},
		{"List gives the batches of the job id", checkListStaged},
		{"List gives staged batches in the order of their ids", checkListStagedOrder},
		{"Forget forgets the batches that were stored by claims before run", checkForgetStaged},
		{"Forget forgets all batches for a negative run", checkForgetAllStaged},
		{"Forget of no batches is not an error", checkForgetNoStaged},
		{"Many may put and forget at once", checkStagedConcurrent},
	}
}

func checkPut(t *testing.T, s control.Store) {
	wantStaged(t, s, "job")
	var want []control.StagedBatch
	for n := range 12 {
		b := control.StagedBatch{ID: fmt.Sprintf("batch %02d", n), Run: 1, Rows: int64(n), Bytes: int64(100 * n)}
		put(t, s, "job", b)
		want = append(want, b)
		wantStaged(t, s, "job", want...)
	}
	addJobs(t, s, job(t, "job", 0)) // whether the job is there changes nothing
	wantStaged(t, s, "job", want...)
}

func checkPutKnown(t *testing.T, s control.Store) {
	a, b := control.StagedBatch{ID: "a", Run: 1, Rows: 2, Bytes: 3}, control.StagedBatch{ID: "b", Run: 4, Rows: 5, Bytes: 6}
	put(t, s, "job", a, b)
	put(t, s, "other", a)
	larger := a
	larger.Bytes++
	for _, again := range []control.StagedBatch{{ID: "a", Run: 2, Rows: 9, Bytes: 1}, {ID: "a"}, a, a, larger} {
		put(t, s, "job", again)
		wantStaged(t, s, "job", again, b)
		wantStaged(t, s, "other", a)
	}
}

func checkStagedWhole(t *testing.T, s control.Store) {
	for _, text := range []string{
		"", " ", "it's", `"🦆"`, "; drop table staged; --", "a\x00b", "\xff\xfe", "?1", "null", "12", "1e3",
		strings.Repeat("long", 10_000),
	} {
		var want []control.StagedBatch
		for i, n := range []int64{0, 1, -1, 1 << 40, math.MaxInt64, math.MinInt64} {
			want = append(want, control.StagedBatch{ID: fmt.Sprint(i, text), Run: int(n), Rows: n, Bytes: -n})
		}
		put(t, s, text, want...)
		wantStaged(t, s, text, want...)
		put(t, s, "of one", control.StagedBatch{ID: text})
		wantStaged(t, s, "of one", control.StagedBatch{ID: text})
		forgetStaged(t, s, "of one", -1)
	}
}

func checkListStaged(t *testing.T, s control.Store) {
	ids := []string{"1", "2", "10", "", "1 ", "a", "A", "it's", "%", "1' or '1'='1"}
	for i, id := range ids {
		put(t, s, id, control.StagedBatch{ID: "same", Run: i}, control.StagedBatch{ID: "own of " + id, Run: i})
	}
	for i, id := range ids {
		wantStaged(t, s, id, control.StagedBatch{ID: "own of " + id, Run: i}, control.StagedBatch{ID: "same", Run: i})
	}
	for _, id := range []string{"3", "_", "b", "11", " 1"} {
		wantStaged(t, s, id)
	}
}

// checkListStagedOrder puts in an order that is neither that of the ids nor its reverse, nor that of the runs.
func checkListStagedOrder(t *testing.T, s control.Store) {
	var want []control.StagedBatch
	for i, id := range []string{"m", "b", "z", "a10", "a", "B", "_", "a9", "é", "🦆", "-", "Z", "0", "aa"} {
		b := control.StagedBatch{ID: id, Run: i % 4, Rows: int64(i), Bytes: int64(100 - i)}
		put(t, s, "job", b)
		want = append(want, b)
	}
	want[2].Rows = 99
	put(t, s, "job", want[2]) // it does not move
	slices.SortFunc(want, func(a, b control.StagedBatch) int { return cmp.Compare(a.ID, b.ID) })
	wantStaged(t, s, "job", want...)
}

func checkForgetStaged(t *testing.T, s control.Store) {
	var batches []control.StagedBatch
	for i, run := range []int{3, 1, 2, 0, 10, 1, 3} {
		batches = append(batches, control.StagedBatch{ID: fmt.Sprint(i), Run: run})
	}
	put(t, s, "job", batches...)
	put(t, s, "other", batches...)
	for _, run := range []int{0, 1, 2, 2, 3, 10, 1, 11, 100} {
		forgetStaged(t, s, "job", run)
		batches = slices.DeleteFunc(batches, func(b control.StagedBatch) bool { return b.Run < run })
		wantStaged(t, s, "job", batches...)
	}
	if list, err := s.Staged().List(t.Context(), "other"); err != nil || len(list) != 7 {
		t.Errorf("another job: got %d batches and %v, want 7", len(list), err)
	}
	b := control.StagedBatch{ID: "0", Run: 1}
	put(t, s, "job", b) // it is noted anew
	wantStaged(t, s, "job", b)
	b.Run = 7
	put(t, s, "job", b)
	forgetStaged(t, s, "job", 7) // it is of the claim that stored it last
	wantStaged(t, s, "job", b)
}

func checkForgetAllStaged(t *testing.T, s control.Store) {
	for _, run := range []int{-1, -100, math.MinInt} {
		for n := range 5 {
			put(t, s, "job", control.StagedBatch{ID: fmt.Sprint(n), Run: n * n * n * 1000})
		}
		other := control.StagedBatch{ID: "0"}
		put(t, s, "other", other)
		forgetStaged(t, s, "job", run)
		wantStaged(t, s, "job")
		wantStaged(t, s, "other", other)
	}
}

func checkForgetNoStaged(t *testing.T, s control.Store) {
	for range 2 {
		for _, run := range []int{0, 5, -1} {
			forgetStaged(t, s, "job", run)
		}
		put(t, s, "other", control.StagedBatch{ID: "a"})
	}
	wantStaged(t, s, "other", control.StagedBatch{ID: "a"})
}

// checkStagedConcurrent has eight who put batches of their own run for one job, while one forgets those of the first half.
func checkStagedConcurrent(t *testing.T, s control.Store) {
	const workers, each = 8, 10
	var want []control.StagedBatch
	var wg sync.WaitGroup
	for w := range workers {
		for n := range each {
			if w >= workers/2 {
				want = append(want, control.StagedBatch{ID: fmt.Sprint(w, " ", n), Run: w, Rows: int64(n)})
			}
		}
		wg.Go(func() {
			for n := range each {
				err := s.Staged().Put(t.Context(), "job", control.StagedBatch{ID: fmt.Sprint(w, " ", n), Run: w, Rows: int64(n)})
				_, lerr := s.Staged().List(t.Context(), "job")
				if err := errors.Join(err, lerr, s.Staged().Forget(t.Context(), "job", workers/2)); err != nil {
					t.Errorf("run %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	wantStaged(t, s, "job", want...)
}

func put(t *testing.T, s control.Store, id string, batches ...control.StagedBatch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Staged().Put(t.Context(), id, b); err != nil {
			t.Fatalf("put batch %.40q of job %.40q: %v", b.ID, id, err)
		}
	}
}

func forgetStaged(t *testing.T, s control.Store, id string, run int) {
	t.Helper()
	if err := s.Staged().Forget(t.Context(), id, run); err != nil {
		t.Fatalf("forget batches of job %.40q before run %d: %v", id, run, err)
	}
}

// wantStaged holds that the batches of the job id are want, in this order.
func wantStaged(t *testing.T, s control.Store, id string, want ...control.StagedBatch) {
	t.Helper()
	got, err := s.Staged().List(t.Context(), id)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("batches of job %.40q\n got %.500q and %v\nwant %.500q", id, fmt.Sprint(got), err, fmt.Sprint(want))
	}
}
