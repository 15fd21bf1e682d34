package controltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// started closes s when the test ends.
func started(t *testing.T, s control.Store) control.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// created is when the batch of number n was opened for rows: one of a lower number was before.
func created(n int) time.Time {
	return time.Date(2026, 5, 4, 3, 2, 1, 987654000, time.FixedZone("", 2*60*60)).Add(time.Duration(n) * exact)
}

// moments are times as they may be given.
func moments() map[string]time.Time {
	return map[string]time.Time{
		"zero":           {},
		"in summer":      created(0),
		"1970":           time.Unix(0, 0),
		"before 1970":    time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		"far":            time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"now, monotonic": time.Now(),
	}
}

// batch is one that nobody has told the store of.
func batch(t *testing.T, id string, n int) control.Batch {
	t.Helper()
	return control.Batch{ID: id, Destination: "1", Table: table(t, "events"), State: control.StateShipped, Rows: 10, Bytes: 1000,
		Message: []byte("message of " + id), Created: created(n)}
}

func table(t *testing.T, name string) schema.Table {
	t.Helper()
	parsed, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func ship(t *testing.T, s control.Store, b control.Batch) {
	t.Helper()
	if err := s.Batches().Shipped(t.Context(), b); err != nil {
		t.Fatalf("shipped %s: %v", b.ID, err)
	}
}

func attempt(t *testing.T, s control.Store, b control.Batch) {
	t.Helper()
	if _, err := s.Batches().Attempt(t.Context(), b); err != nil {
		t.Fatalf("attempt %s: %v", b.ID, err)
	}
}

func settle(t *testing.T, s control.Store, id string, o control.Outcome) {
	t.Helper()
	if err := s.Batches().Settle(t.Context(), id, o); err != nil {
		t.Fatalf("settle %s as %s: %v", id, o.State, err)
	}
}

// load makes b known and loaded, with a row less than its file has and 2 rescued values.
func load(t *testing.T, s control.Store, b control.Batch) {
	t.Helper()
	ship(t, s, b)
	settle(t, s, b.ID, control.Outcome{State: control.StateLoaded, Rows: b.Rows - 1, Rescued: 2})
}

// bury makes b known and dead.
func bury(t *testing.T, s control.Store, b control.Batch) {
	t.Helper()
	ship(t, s, b)
	settle(t, s, b.ID, control.Outcome{State: control.StateDead, Reason: "why " + b.ID + " died"})
}

func revive(t *testing.T, s control.Store, id string) {
	t.Helper()
	if err := s.Dead().Revive(t.Context(), id); err != nil {
		t.Fatalf("revive %s: %v", id, err)
	}
}

func forget(t *testing.T, s control.Store, id string) {
	t.Helper()
	if err := s.Dead().Forget(t.Context(), id); err != nil {
		t.Fatalf("forget %s: %v", id, err)
	}
}

func prune(t *testing.T, s control.Store, before time.Time) {
	t.Helper()
	if err := s.Prune(t.Context(), before); err != nil {
		t.Fatalf("prune: %v", err)
	}
}

func find(t *testing.T, s control.Store, id string) control.Batch {
	t.Helper()
	b, err := s.Batches().Find(t.Context(), id)
	if err != nil {
		t.Fatalf("find %s: %v", id, err)
	}
	return b
}

// wantBatch finds want by its id. Whether it is settled must be as in want, but not when.
func wantBatch(t *testing.T, s control.Store, want control.Batch) {
	t.Helper()
	wantSame(t, find(t, s, want.ID), want)
}

func wantSame(t *testing.T, got, want control.Batch) {
	t.Helper()
	if text(got) != text(want) {
		t.Errorf("batch\n got %s\nwant %s", text(got), text(want))
	}
}

func text(b control.Batch) string {
	return fmt.Sprintf("%q of %q, table %q, %s, %d rows, %d bytes, %d rescued, %d attempts, reason %q, message %q, created %s, settled %t",
		b.ID, b.Destination, b.Table, b.State, b.Rows, b.Bytes, b.Rescued, b.Attempts, b.Reason, b.Message,
		b.Created.UTC().Truncate(exact).Format(time.RFC3339Nano), !b.Settled.IsZero())
}

func wantUnknown(t *testing.T, s control.Store, id string) {
	t.Helper()
	if b, err := s.Batches().Find(t.Context(), id); !errors.Is(err, fault.NotFound) {
		t.Errorf("find %s: got %s and %v, want fault.NotFound", id, text(b), err)
	}
}

// wantDead holds that the dead batches of destination are those with the ids, in this order, each as Find gives it.
func wantDead(t *testing.T, s control.Store, destination string, ids ...string) {
	t.Helper()
	list, err := s.Dead().List(t.Context(), destination)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var got []string
	for _, b := range list {
		got = append(got, b.ID)
		wantBatch(t, s, b)
	}
	if !slices.Equal(got, ids) {
		t.Errorf("dead of %q: got %s, want %s", destination, strings.Join(got, ", "), strings.Join(ids, ", "))
	}
}

func wantPending(t *testing.T, s control.Store, want int, oldest time.Time) {
	t.Helper()
	n, since, err := s.Batches().Pending(t.Context())
	if err != nil || n != want || !since.Equal(oldest) {
		t.Errorf("pending: got %d since %v and %v, want %d since %v", n, since, err, want, oldest)
	}
}
