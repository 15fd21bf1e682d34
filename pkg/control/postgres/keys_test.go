package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
)

func remember(t testing.TB, s *store, inserts []control.KeyedInsert) {
	t.Helper()
	if _, err := s.Keys().Remember(t.Context(), inserts); err != nil {
		t.Fatal(err)
	}
}

// wantTotal holds that as many inserts are there as want, and that the total says so.
func wantTotal(t *testing.T, s *store, want int) {
	t.Helper()
	var n, total int
	err := s.pool.QueryRow(t.Context(), "select count(*), (select n from keyed_total) from keyed_inserts").Scan(&n, &total)
	if err != nil || n != want || total != want {
		t.Errorf("got %d inserts, a total of %d and %v, want %d", n, total, err, want)
	}
}

// breaks lets the database fail at whoever puts in, changes or removes a record of the table for which when is true.
func breaks(t testing.TB, s *store, table, event, when string) {
	t.Helper()
	run(t, s, `create or replace function broken() returns trigger language plpgsql as 'begin raise exception ''broken''; end'`)
	run(t, s, fmt.Sprintf(`create trigger broken_%s before %s on %s for each row when (%s) execute function broken()`,
		strings.ReplaceAll(event, " ", "_"), event, table, when))
}

func TestRememberIsAllOrNone(t *testing.T) {
	s := openNew(t)
	breaks(t, s, "keyed_inserts", "insert", "new.receipt = 'bad'")
	for _, n := range []int{1, 2, 50, 1001} {
		for _, bad := range []int{0, n / 2, n - 1} {
			inserts := controltest.KeyedInserts(0, n)
			inserts[bad].Receipt = "bad"
			if _, err := s.Keys().Remember(t.Context(), inserts); err == nil || !strings.Contains(err.Error(), "broken") {
				t.Errorf("number %d of %d: got %v, want an error", bad, n, err)
			}
			wantTotal(t, s, 0)
		}
	}
}

func TestForgetIsAllOrNone(t *testing.T) {
	s := openNew(t)
	remember(t, s, controltest.KeyedInserts(0, 10))
	breaks(t, s, "keyed_total", "update", "true")
	for _, most := range []int{100, 0} {
		_, err := s.Keys().Forget(t.Context(), time.UnixMicro(1_700_000_000_000_005), most)
		if err == nil || strings.Count(err.Error(), "broken") != 1 {
			t.Errorf("got %v, want an error that says once what is wrong", err)
		}
		wantTotal(t, s, 10)
	}
}

func TestForgetOfABadMost(t *testing.T) {
	s := openNew(t)
	remember(t, s, controltest.KeyedInserts(0, 3))
	left, err := s.Keys().Forget(t.Context(), time.UnixMicro(0), -1)
	if want := (control.KeysLeft{Early: 3}); err != nil || left != want {
		t.Errorf("got %+v and %v, want %+v", left, err, want)
	}
	wantTotal(t, s, 0)
}

// TestForgetInSteps holds where a step that finds less than its limit ends the work.
func TestForgetInSteps(t *testing.T) {
	s := openNew(t)
	for _, n := range []int{forgetAtOnce - 1, forgetAtOnce, forgetAtOnce + 1, 2 * forgetAtOnce} {
		inserts := controltest.KeyedInserts(0, n)
		remember(t, s, inserts)
		left, err := s.Keys().Forget(t.Context(), time.UnixMicro(0), 0)
		if want := (control.KeysLeft{Early: n}); err != nil || left != want {
			t.Errorf("for most: got %+v and %v, want %+v", left, err, want)
		}
		remember(t, s, inserts)
		left, err = s.Keys().Forget(t.Context(), inserts[n-1].Made.Add(time.Microsecond), n)
		if want := (control.KeysLeft{}); err != nil || left != want {
			t.Errorf("by time: got %+v and %v, want %+v", left, err, want)
		}
		wantTotal(t, s, 0)
	}
}

// TestRowIDsAskedFor holds the difference between no row ids and ids of no rows, which are two answers.
func TestRowIDsAskedFor(t *testing.T) {
	s := openNew(t)
	for i, want := range [][]string{nil, {}, {""}, {"", "a"}, {strings.Repeat("long", 100), "a"}} {
		k := controltest.KeyedInserts(i, 1)[0]
		k.RowIDs = want
		remember(t, s, []control.KeyedInsert{k})
		got, err := s.Keys().Find(t.Context(), k.Destination, k.Key)
		if err != nil || !slices.Equal(got.RowIDs, want) || (got.RowIDs == nil) != (want == nil) {
			t.Errorf("got %#v and %v, want %#v", got.RowIDs, err, want)
		}
	}
}
