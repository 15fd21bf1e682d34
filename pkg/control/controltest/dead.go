package controltest

import (
	"context"
	"errors"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// buryOf makes a dead batch of destination.
func buryOf(t *testing.T, s control.Store, destination, id string, n int) {
	t.Helper()
	b := batch(t, id, n)
	b.Destination = destination
	bury(t, s, b)
}

func checkListDestination(t *testing.T, s control.Store) {
	wantDead(t, s, "1")
	buryOf(t, s, "1", "a", 0)
	buryOf(t, s, "2", "b", 1)
	buryOf(t, s, "1", "c", 2)
	buryOf(t, s, "10", "d", 3)
	buryOf(t, s, "", "e", 4)
	everyState(t, s) // of destination 1
	for _, tt := range []struct {
		destination string
		want        []string
	}{
		{"1", []string{"a", "c", "dead", "dead of many attempts"}},
		{"2", []string{"b"}},
		{"10", []string{"d"}},
		{"3", nil}, {"%", nil}, {"1 ", nil}, {"1' or '1'='1", nil},
	} {
		wantDead(t, s, tt.destination, tt.want...)
	}
}

// checkListOrder buries in an order that is neither that of the ids nor that of their age.
func checkListOrder(t *testing.T, s control.Store) {
	for _, tt := range []struct {
		id string
		n  int
	}{{"c", 1_000_000}, {"a", 2}, {"e", 0}, {"b", 60_000_000}, {"d", 1}} {
		buryOf(t, s, "1", tt.id, tt.n)
	}
	want := []string{"e", "d", "a", "c", "b"}
	wantDead(t, s, "1", want...)
	wantDead(t, s, "", want...)
	// A later death does not make a younger batch.
	revive(t, s, "e")
	settle(t, s, "e", control.Outcome{State: control.StateDead, Reason: "again"})
	wantDead(t, s, "", want...)
}

func checkListAll(t *testing.T, s control.Store) {
	wantDead(t, s, "")
	buryOf(t, s, "2", "b", 1)
	buryOf(t, s, "", "c", 2)
	buryOf(t, s, "1", "a", 0)
	wantDead(t, s, "", "a", "b", "c")
}

func checkRevive(t *testing.T, s control.Store) {
	other, b := batch(t, "other", 0), batch(t, "a", 1)
	bury(t, s, other)
	attempt(t, s, b)
	attempt(t, s, b)
	bury(t, s, b)
	revive(t, s, "a")
	got := find(t, s, "a")
	b.Reason = got.Reason // it may still say why the last attempt failed
	wantSame(t, got, b)
	wantDead(t, s, "", "other")
	wantPending(t, s, 1, b.Created)
	again, err := s.Batches().Attempt(t.Context(), b)
	if err != nil || again.Attempts != 1 || again.State != control.StateShipped {
		t.Errorf("attempt: got number %d of a batch that is %s and %v, want number 1 of one that is shipped", again.Attempts, again.State, err)
	}
	settle(t, s, "a", control.Outcome{State: control.StateLoaded, Rows: 10})
	wantDead(t, s, "", "other")
}

func checkForget(t *testing.T, s control.Store) {
	other, b := batch(t, "other", 0), batch(t, "a", 1)
	bury(t, s, other)
	bury(t, s, b)
	forget(t, s, "a")
	wantUnknown(t, s, "a")
	wantDead(t, s, "", "other")
	if err := s.Dead().Forget(t.Context(), "a"); !errors.Is(err, fault.NotFound) {
		t.Errorf("again: got %v, want fault.NotFound", err)
	}
	ship(t, s, b) // it begins anew
	wantBatch(t, s, b)
}

// checkNotDead holds that change refuses what is not dead, and changes nothing then.
func checkNotDead(t *testing.T, s control.Store, change func(ctx context.Context, id string) error) {
	want := everyState(t, s)
	for _, id := range []string{"unknown", "", "shipped", "tried", "failed", "loaded", "revived", "forgotten"} {
		if err := change(t.Context(), id); !errors.Is(err, fault.NotFound) {
			t.Errorf("%q: got %v, want fault.NotFound", id, err)
		}
	}
	wantKept(t, s, want)
}
