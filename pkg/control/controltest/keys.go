package controltest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func keyPromises() []promise {
	return []promise{
		{"Remember notes the inserts", checkRemember},
		{"Remember notes as many inserts as it is given", checkRememberMany},
		{"Remember notes the inserts, all or none", checkRememberAll},
		{"Remember of no inserts is not an error", checkRememberNone},
		{"Remember of an ended context notes nothing", checkKeysEnded},
		{"One whose key is known already is left as it was", checkRememberKnown},
		{"Those that are known of another batch are given as they are known", checkRememberElsewhere},
		{"One whose key comes twice at once is the first", checkRememberTwice},
		{"The same key of two destinations is two", checkRememberDestinations},
		{"RowIDs are kept whole and in order", checkRowIDs},
		{"Made of an insert is kept in microseconds", checkKeyMade},
		{"Find of an insert returns it, or fault.NotFound", checkFindKey},
		{"Many may remember the same key at once", checkKeysConcurrent},
		{"Forget forgets the inserts made before the time", checkForgetBefore},
		{"Forget forgets the oldest while there are more than most", checkForgetMost},
		{"Forget goes by time first", checkForgetBoth},
		{"Forget goes by age, of whatever destination", checkForgetDestinations},
		{"Forget returns how many are left and the oldest of them (zero if none)", checkForgetLeft},
		{"Forget forgets as many as there are", checkForgetMany},
		{"What was forgotten may be remembered anew", checkRememberAnew},
		{"Many may forget at once", checkForgetConcurrent},
	}
}

func checkRemember(t *testing.T, s control.Store) {
	a, b, c := insert("a", 0), insert("b", 1), insert("c", 2)
	b.Rows, b.Receipt, b.Batch, b.Body = 0, "", "it's a \"🦆\"\x00", control.Digest{}
	c.Rows = 1 << 40
	remember(t, s, a, b)
	remember(t, s, c)
	wantInserts(t, s, a, b, c)
	wantLeft(t, s, control.KeysLeft{Count: 3, Oldest: a.Made})
}

func checkRememberMany(t *testing.T, s control.Store) {
	count := 0
	for _, n := range []int{1, 2, 49, 50, 51, 99, 100, 101, 128, 1000, 1234} {
		inserts := someInserts(fmt.Sprint("of ", n), n)
		remember(t, s, inserts...)
		wantInserts(t, s, inserts...)
		count += n
		wantLeft(t, s, control.KeysLeft{Count: count, Oldest: created(0)})
	}
}

// checkRememberAll remembers many at once, while another looks for some: where it finds one, it finds the others.
func checkRememberAll(t *testing.T, s control.Store) {
	const many, times = 300, 8
	for n := range times {
		inserts := someInserts(fmt.Sprint("round ", n), many)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Keys().Remember(t.Context(), inserts); err != nil {
				t.Errorf("remember: %v", err)
			}
		})
		for found := false; !found && !t.Failed(); {
			left, err := s.Keys().Forget(t.Context(), time.Unix(0, 0), many*times)
			if err != nil || left.Count%many != 0 {
				t.Errorf("got %d inserts and %v, want all of a call or none", left.Count, err)
			}
			for _, k := range inserts {
				_, err := s.Keys().Find(t.Context(), k.Destination, k.Key)
				if found && err != nil || err != nil && !errors.Is(err, fault.NotFound) {
					t.Errorf("find: got %v after another of the same call was found", err)
				}
				found = found || err == nil
			}
		}
		wg.Wait()
	}
}

func checkRememberNone(t *testing.T, s control.Store) {
	remember(t, s)
	if _, err := s.Keys().Remember(t.Context(), []control.KeyedInsert{}); err != nil {
		t.Errorf("remember: %v", err)
	}
	wantLeft(t, s, control.KeysLeft{})
}

func checkKeysEnded(t *testing.T, s control.Store) {
	known, other := insert("known", 0), insert("other", 1)
	remember(t, s, known)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Keys().Remember(ended, []control.KeyedInsert{other}); !errors.Is(err, context.Canceled) {
		t.Errorf("remember: got %v, want context canceled", err)
	}
	if _, err := s.Keys().Find(ended, known.Destination, known.Key); !errors.Is(err, context.Canceled) {
		t.Errorf("find: got %v, want context canceled", err)
	}
	if left, err := s.Keys().Forget(ended, created(99), 0); !errors.Is(err, context.Canceled) || left != (control.KeysLeft{}) {
		t.Errorf("forget: got %v and %v, want context canceled", left, err)
	}
	wantInserts(t, s, known)
	wantNoInserts(t, s, other)
	wantLeft(t, s, control.KeysLeft{Count: 1, Oldest: known.Made})
}

func checkRememberKnown(t *testing.T, s control.Store) {
	a, b := insert("a", 5), insert("b", 6)
	a.RowIDs = []string{"1", "2"}
	remember(t, s, a)
	for i := range 3 {
		again := insert("a", i)
		again.Body, again.Receipt, again.Batch, again.Rows, again.RowIDs = digest("other"), "other", "other", 99, []string{"other"}
		remember(t, s, again, b) // b is remembered at the first
		wantInserts(t, s, a, b)
		wantLeft(t, s, control.KeysLeft{Count: 2, Oldest: a.Made})
	}
}

func checkRememberElsewhere(t *testing.T, s control.Store) {
	known := someInserts("k", 120)
	for i := range known {
		known[i].Batch, known[i].RowIDs = "first", []string{"1", "2"}
	}
	if got, err := s.Keys().Remember(t.Context(), known); err != nil || len(got) > 0 {
		t.Errorf("got %d inserts and %v, want none: they were not known", len(got), err)
	}
	if got, err := s.Keys().Remember(t.Context(), known); err != nil || len(got) > 0 {
		t.Errorf("got %d inserts and %v, want none: they are of the same batch", len(got), err)
	}
	again := append(someInserts("fresh", 60), known...)
	for i := range again {
		again[i].Batch, again[i].Body = "second", digest("other")
	}
	for range 2 {
		got, err := s.Keys().Remember(t.Context(), again)
		if err != nil || len(got) != len(known) {
			t.Fatalf("got %d inserts and %v, want %d", len(got), err, len(known))
		}
		texts := func(list []control.KeyedInsert) []string {
			out := make([]string, len(list))
			for i, k := range list {
				out[i] = insertText(k)
			}
			slices.Sort(out)
			return out
		}
		if !slices.Equal(texts(got), texts(known)) {
			t.Errorf("got other inserts than are known, as %.200s", insertText(got[0]))
		}
	}
}

func checkRememberTwice(t *testing.T, s control.Store) {
	first := someInserts("k", 120)
	inserts := append([]control.KeyedInsert{}, first...)
	for _, k := range first {
		k.Receipt = "second of " + k.Receipt
		inserts = append(inserts, k, k)
	}
	remember(t, s, inserts...)
	wantInserts(t, s, first...)
	wantLeft(t, s, control.KeysLeft{Count: len(first), Oldest: created(0)})
}

func checkRememberDestinations(t *testing.T, s control.Store) {
	var inserts []control.KeyedInsert
	for i, destination := range []string{"1", "2", "10", "", "1 ", "a", "A", "it's", `"🦆"`, "%", "1' or '1'='1", "a\x00b"} {
		k := insert("same", i)
		k.Destination, k.Receipt = destination, "receipt of "+destination
		inserts = append(inserts, k)
	}
	remember(t, s, inserts...)
	wantInserts(t, s, inserts...)
	wantLeft(t, s, control.KeysLeft{Count: len(inserts), Oldest: created(0)})
	other := insert("same", 0)
	other.Destination = "3"
	wantNoInserts(t, s, other)
}

func checkRowIDs(t *testing.T, s control.Store) {
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("01J8ZQ4T3Y5V6W7X8Y%08d", (i*7919)%len(many)) // neither up nor down
	}
	for name, ids := range map[string][]string{
		"none": nil, "one": {"01J8ZQ4T3Y5V6W7X8Y9Z0A1B2C"}, "many": many, "same": {"b", "a", "b"}, "numbers": {"12", "1", "2"},
		"a caller's own": {"", "it's", "two\nlines", `["x","y"]`, "a,b", "🦆", "a\x00b", "\xff\xfe", strings.Repeat("long", 1000)},
		"empty ones":     {"", "", ""},
	} {
		k := insert(name, 0)
		k.Rows, k.RowIDs = len(ids), ids
		remember(t, s, k)
		wantInserts(t, s, k)
	}
}

func checkKeyMade(t *testing.T, s control.Store) {
	for name, want := range moments() {
		k := insert(name, 0)
		k.Made = want
		remember(t, s, k)
		got, err := s.Keys().Find(t.Context(), k.Destination, k.Key)
		if d := want.Sub(got.Made); err != nil || d < 0 || d >= exact {
			t.Errorf("%s: got %v and %v, want %v", name, got.Made, err, want)
		}
	}
}

func checkFindKey(t *testing.T, s control.Store) {
	a := insert("a", 0)
	wantNoInserts(t, s, a)
	remember(t, s, a)
	wantInserts(t, s, a)
	for i := range a.Key {
		other := a
		other.Key[i] ^= 1 << (i % 8)
		wantNoInserts(t, s, other)
	}
	zero := control.KeyedInsert{Destination: "1"}
	wantNoInserts(t, s, zero)
	zero.Made = created(0)
	remember(t, s, zero)
	wantInserts(t, s, zero, a)
}

// checkKeysConcurrent has eight who remember the same key, each with one of its own: one of them is first.
func checkKeysConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 8, 5
	for n := range rounds {
		var wg sync.WaitGroup
		found := make([]string, workers)
		for w := range workers {
			shared, own := insert(fmt.Sprint("shared ", n), 0), insert(fmt.Sprint(n, " of ", w), 0)
			shared.Receipt = fmt.Sprint("receipt of ", w)
			wg.Go(func() {
				_, err := s.Keys().Remember(t.Context(), []control.KeyedInsert{own, shared})
				got, ferr := s.Keys().Find(t.Context(), shared.Destination, shared.Key)
				if err := errors.Join(err, ferr); err != nil {
					t.Errorf("remember: %v", err)
				}
				found[w] = got.Receipt
			})
		}
		wg.Wait()
		for _, receipt := range found {
			if receipt != found[0] || !strings.HasPrefix(receipt, "receipt of ") {
				t.Errorf("got the receipts %q, want one of them, always the same", found)
				break
			}
		}
		wantLeft(t, s, control.KeysLeft{Count: (n + 1) * (workers + 1), Oldest: created(0)})
	}
}

// someKeys remembers and forgets inserts and gives what holds that this is kept.
func someKeys(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	inserts := someInserts("k", 70)
	inserts[69].RowIDs = []string{"b", "a"}
	remember(t, s, inserts...)
	forgetKeys(t, s, created(3), 60, control.KeysLeft{Count: 60, Oldest: created(10), Early: 7})
	return func(t *testing.T, s control.Store) {
		wantNoInserts(t, s, inserts[:10]...)
		wantInserts(t, s, inserts[10:]...)
		wantLeft(t, s, control.KeysLeft{Count: 60, Oldest: created(10)})
		remember(t, s, inserts[9:12]...)
		wantLeft(t, s, control.KeysLeft{Count: 61, Oldest: created(9)})
	}
}

func digest(text string) (d control.Digest) {
	sum := sha256.Sum256([]byte(text))
	copy(d[:], sum[:])
	return d
}

// insert is one that nobody has told the store of.
func insert(key string, n int) control.KeyedInsert {
	return control.KeyedInsert{Destination: "1", Key: digest(key), Body: digest("body of " + key), Receipt: "receipt of " + key,
		Batch: "batch of " + key, Rows: 3, Made: created(n)}
}

// someInserts are n, the first made first.
func someInserts(name string, n int) []control.KeyedInsert {
	inserts := make([]control.KeyedInsert, n)
	for i := range inserts {
		inserts[i] = insert(fmt.Sprint(name, " ", i), i)
	}
	return inserts
}

func remember(t *testing.T, s control.Store, inserts ...control.KeyedInsert) {
	t.Helper()
	if _, err := s.Keys().Remember(t.Context(), inserts); err != nil {
		t.Fatalf("remember: %v", err)
	}
}

func wantInserts(t *testing.T, s control.Store, want ...control.KeyedInsert) {
	t.Helper()
	for _, w := range want {
		got, err := s.Keys().Find(t.Context(), w.Destination, w.Key)
		if err != nil || insertText(got) != insertText(w) {
			t.Errorf("insert\n got %.300s and %v\nwant %.300s", insertText(got), err, insertText(w))
		}
	}
}

func insertText(k control.KeyedInsert) string {
	ids := digest(fmt.Sprintf("%q", k.RowIDs)) // they may be many
	return fmt.Sprintf("%x of %q, body %x, receipt %q, batch %q, %d rows, %d row ids %x, made %s", k.Key, k.Destination, k.Body,
		k.Receipt, k.Batch, k.Rows, len(k.RowIDs), ids, k.Made.UTC().Truncate(exact).Format(time.RFC3339Nano))
}

func wantNoInserts(t *testing.T, s control.Store, unknown ...control.KeyedInsert) {
	t.Helper()
	for _, k := range unknown {
		if got, err := s.Keys().Find(t.Context(), k.Destination, k.Key); !errors.Is(err, fault.NotFound) {
			t.Errorf("find %x of %q: got %s and %v, want fault.NotFound", k.Key, k.Destination, insertText(got), err)
		}
	}
}

// KeyedInserts are n from the number from on, each a microsecond younger than the one before.
func KeyedInserts(from, n int) []control.KeyedInsert {
	inserts := make([]control.KeyedInsert, n)
	for i := range inserts {
		sum := sha256.Sum256(fmt.Append(nil, from+i))
		inserts[i] = control.KeyedInsert{Destination: "events-eu", Key: control.Digest(sum[:16]), Body: control.Digest(sum[16:]),
			Receipt: "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2C", Batch: "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2D", Rows: 1,
			Made: time.UnixMicro(1_700_000_000_000_000 + int64(from+i))}
	}
	return inserts
}
