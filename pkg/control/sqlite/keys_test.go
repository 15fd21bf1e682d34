package sqlite

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
)

// run runs a statement of the test's own.
func run(t testing.TB, s *store, text string, args ...any) {
	t.Helper()
	if _, err := s.fast.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatal(err)
	}
}

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
	err := s.read.QueryRowContext(t.Context(), "select count(*), (select n from keyed_total) from keyed_inserts").Scan(&n, &total)
	if err != nil || n != want || total != want {
		t.Errorf("got %d inserts, a total of %d and %v, want %d", n, total, err, want)
	}
}

func TestRememberIsAllOrNone(t *testing.T) {
	s := openNew(t)
	run(t, s, `create trigger broken before insert on keyed_inserts when new.receipt = 'bad' begin select raise(abort, 'broken'); end`)
	for _, n := range []int{1, 2, rememberAtOnce, 3*rememberAtOnce + 1} {
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

// BenchmarkRemember is one call of each size into a store of KEYS inserts, 200,000 unless the environment says otherwise.
func BenchmarkRemember(b *testing.B) {
	for _, n := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(b)
			for from := benchKeys(b); b.Loop(); from += n {
				b.StopTimer()
				inserts := controltest.KeyedInserts(from, n)
				b.StartTimer()
				remember(b, s, inserts)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/insert")
		})
	}
}

// BenchmarkForget is a call as of every minute: one that forgets nothing, and one of two steps.
func BenchmarkForget(b *testing.B) {
	for _, gone := range []int{0, 2*forgetAtOnce - 1} {
		b.Run(fmt.Sprint(gone), func(b *testing.B) {
			s := filled(b)
			for left := benchKeys(b) - gone; b.Loop(); left -= gone {
				if _, err := s.Keys().Forget(b.Context(), time.UnixMicro(0), max(left, 0)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFindKey(b *testing.B) {
	s := filled(b)
	inserts := controltest.KeyedInserts(0, benchKeys(b))
	for i := 0; b.Loop(); i++ {
		k := inserts[i*7919%len(inserts)]
		if _, err := s.Keys().Find(b.Context(), k.Destination, k.Key); err != nil {
			b.Fatal(err)
		}
	}
}

func benchKeys(b *testing.B) int {
	b.Helper()
	n := 200_000
	if text := os.Getenv("KEYS"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			b.Fatalf("KEYS: %v", err)
		}
	}
	return n
}

func filled(b *testing.B) *store {
	b.Helper()
	s := openNew(b)
	const atOnce = 100_000
	for from := 0; from < benchKeys(b); from += atOnce {
		remember(b, s, controltest.KeyedInserts(from, min(atOnce, benchKeys(b)-from)))
	}
	return s
}
