package controltest

import (
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// plenty is more than any case remembers.
const plenty = 1_000_000

func checkForgetBefore(t *testing.T, s control.Store) {
	inserts := someInserts("k", 10)
	remember(t, s, inserts...)
	forgetKeys(t, s, created(0), plenty, control.KeysLeft{Count: 10, Oldest: created(0)}) // made then, not before
	wantInserts(t, s, inserts...)
	for range 2 { // at the second there is nothing left to forget
		forgetKeys(t, s, created(4), plenty, control.KeysLeft{Count: 6, Oldest: created(4)})
		wantNoInserts(t, s, inserts[:4]...)
		wantInserts(t, s, inserts[4:]...)
	}
	forgetKeys(t, s, time.Time{}, plenty, control.KeysLeft{Count: 6, Oldest: created(4)})
	forgetKeys(t, s, created(10), plenty, control.KeysLeft{})
	wantNoInserts(t, s, inserts...)
}

func checkForgetMost(t *testing.T, s control.Store) {
	inserts := someInserts("k", 10)
	remember(t, s, inserts[5:]...)
	remember(t, s, inserts[:5]...) // by when they were made, not by when they came
	for _, most := range []int{plenty, 11, 10} {
		forgetKeys(t, s, created(-1), most, control.KeysLeft{Count: 10, Oldest: created(0)})
	}
	forgetKeys(t, s, created(-1), 9, control.KeysLeft{Count: 9, Oldest: created(1), Early: 1})
	forgetKeys(t, s, created(-1), 9, control.KeysLeft{Count: 9, Oldest: created(1)}) // those of the call before do not count
	forgetKeys(t, s, created(-1), 3, control.KeysLeft{Count: 3, Oldest: created(7), Early: 6})
	wantNoInserts(t, s, inserts[:7]...)
	wantInserts(t, s, inserts[7:]...)
	forgetKeys(t, s, created(-1), 0, control.KeysLeft{Early: 3})
	wantNoInserts(t, s, inserts...)
	forgetKeys(t, s, created(-1), 0, control.KeysLeft{})
}

func checkForgetBoth(t *testing.T, s control.Store) {
	inserts := someInserts("k", 20)
	remember(t, s, inserts...)
	forgetKeys(t, s, created(4), 16, control.KeysLeft{Count: 16, Oldest: created(4)}) // the time alone makes them few enough
	forgetKeys(t, s, created(7), 8, control.KeysLeft{Count: 8, Oldest: created(12), Early: 5})
	forgetKeys(t, s, created(18), 8, control.KeysLeft{Count: 2, Oldest: created(18)})
	wantNoInserts(t, s, inserts[:18]...)
	wantInserts(t, s, inserts[18:]...)
}

func checkForgetDestinations(t *testing.T, s control.Store) {
	inserts := someInserts("k", 9)
	for i := range inserts {
		inserts[i].Destination = []string{"2", "1", "3"}[i%3]
	}
	remember(t, s, inserts...)
	forgetKeys(t, s, created(2), 4, control.KeysLeft{Count: 4, Oldest: created(5), Early: 3})
	wantNoInserts(t, s, inserts[:5]...)
	wantInserts(t, s, inserts[5:]...)
}

func checkForgetLeft(t *testing.T, s control.Store) {
	for _, most := range []int{0, plenty} {
		forgetKeys(t, s, created(99), most, control.KeysLeft{})
	}
	remember(t, s, insert("b", 7), insert("a", 5), insert("c", 9))
	wantLeft(t, s, control.KeysLeft{Count: 3, Oldest: created(5)})
	remember(t, s, insert("older", 2))
	wantLeft(t, s, control.KeysLeft{Count: 4, Oldest: created(2)})
	remember(t, s, insert("a", 1)) // it is known
	wantLeft(t, s, control.KeysLeft{Count: 4, Oldest: created(2)})
	forgetKeys(t, s, created(6), plenty, control.KeysLeft{Count: 2, Oldest: created(7)})
	wantLeft(t, s, control.KeysLeft{Count: 2, Oldest: created(7)})
	forgetKeys(t, s, created(99), plenty, control.KeysLeft{})
	wantLeft(t, s, control.KeysLeft{})
}

func checkForgetMany(t *testing.T, s control.Store) {
	const many = 5000
	inserts := someInserts("k", many)
	remember(t, s, inserts...)
	forgetKeys(t, s, created(2100), plenty, control.KeysLeft{Count: 2900, Oldest: created(2100)})
	forgetKeys(t, s, created(2100), 800, control.KeysLeft{Count: 800, Oldest: created(4200), Early: 2100})
	wantNoInserts(t, s, inserts[4199], inserts[2100], inserts[0])
	wantInserts(t, s, inserts[4200:]...)
}

func checkRememberAnew(t *testing.T, s control.Store) {
	k := insert("a", 0)
	remember(t, s, k)
	forgetKeys(t, s, created(1), plenty, control.KeysLeft{})
	again := insert("a", 2)
	again.Receipt = "another"
	remember(t, s, again)
	wantInserts(t, s, again)
	wantLeft(t, s, control.KeysLeft{Count: 1, Oldest: again.Made})
}

// checkForgetConcurrent has some who forget the same at once: together they forget no more than there is to forget.
func checkForgetConcurrent(t *testing.T, s control.Store) {
	const many, most, workers = 3000, 400, 4
	inserts := someInserts("k", many)
	remember(t, s, inserts...)
	var wg sync.WaitGroup
	early := make([]int, workers)
	for w := range workers {
		wg.Go(func() {
			left, err := s.Keys().Forget(t.Context(), created(-1), most)
			if err != nil || left.Count != most {
				t.Errorf("forget: got %d left and %v, want %d", left.Count, err, most)
			}
			early[w] = left.Early
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range early {
		sum += n
	}
	if sum != many-most {
		t.Errorf("got %v forgotten early, want %d in all", early, many-most)
	}
	wantInserts(t, s, inserts[many-most:]...)
	wantLeft(t, s, control.KeysLeft{Count: most, Oldest: created(many - most)})
}

// forgetKeys forgets and holds what is left.
func forgetKeys(t *testing.T, s control.Store, before time.Time, most int, want control.KeysLeft) {
	t.Helper()
	got, err := s.Keys().Forget(t.Context(), before, most)
	same := got.Count == want.Count && got.Early == want.Early && got.Oldest.IsZero() == want.Oldest.IsZero() &&
		got.Oldest.Equal(want.Oldest.Truncate(exact))
	if err != nil || !same {
		t.Errorf("forget: got %+v and %v, want %+v", got, err, want)
	}
}

// wantLeft holds what is left by a Forget that has nothing to forget.
func wantLeft(t *testing.T, s control.Store, want control.KeysLeft) {
	t.Helper()
	forgetKeys(t, s, created(-plenty), plenty, want)
}
