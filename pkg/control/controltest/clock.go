package controltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// wantNow gives what a store says the time is, which must not be before another time.
func wantNow(t *testing.T, c control.Clock, notBefore time.Time) time.Time {
	t.Helper()
	now, err := c.Now(t.Context())
	if err != nil || now.Before(notBefore) {
		t.Errorf("now: got %v and %v, want %v or later", now, err, notBefore)
	}
	return now
}

func checkNow(t *testing.T, s control.Store) {
	for i, settle := range []func(t *testing.T, s control.Store, b control.Batch){load, bury} {
		b := batch(t, fmt.Sprint(i), i)
		before := wantNow(t, s, time.Time{})
		settle(t, s, b)
		settled := find(t, s, b.ID).Settled
		if settled.Before(before) {
			t.Errorf("settled at %v, want not before %v", settled, before)
		}
		after := wantNow(t, s.Keys(), settled)
		wantNow(t, s, after)
	}
}

// checkSharedNow settles a batch by one store and forgets it by the other.
func checkSharedNow(t *testing.T, stores []control.Store) {
	one, other := stores[0], stores[1]
	b := batch(t, "a", 0)
	before := wantNow(t, other, time.Time{})
	load(t, one, b)
	prune(t, other, before)
	find(t, other, b.ID)
	prune(t, other, wantNow(t, other, find(t, one, b.ID).Settled).Add(exact))
	wantUnknown(t, one, b.ID)
	for now := before; now.Before(before.Add(5*time.Millisecond)) && !t.Failed(); {
		now = wantNow(t, one, now)
		now = wantNow(t, other, now)
	}
}
