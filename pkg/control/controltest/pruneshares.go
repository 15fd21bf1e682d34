package controltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkPruneShares(t *testing.T, s control.Store) {
	a, b, c := share("a", 5), share("b", 4), share("c", 3)
	a.Expires, b.Expires, c.Expires = created(10), created(11), created(20)
	b.Destination = "2"
	for _, v := range []control.Share{c, a, b} {
		add(t, s, v)
	}
	prune(t, s, time.Time{})
	prune(t, s, created(10)) // a expired then, not before
	wantShares(t, s, a, b, c)
	prune(t, s, created(11))
	wantNoShares(t, s, a.ID)
	wantShares(t, s, b, c)
	for range 2 { // at the second there is nothing left to forget
		prune(t, s, created(12))
		wantNoShares(t, s, a.ID, b.ID)
		wantShareList(t, s, "1", created(0), c)
		wantShareList(t, s, "2", created(0))
	}
	add(t, s, a) // its id is free
	wantShareList(t, s, "1", created(0), a, c)
}

func checkPruneBoth(t *testing.T, s control.Store) {
	early := share("early", 0)
	early.Expires = created(1)
	for range 2 {
		load(t, s, batch(t, "loaded", 0))
		add(t, s, early)
		prune(t, s, time.Now().Add(time.Hour))
		wantUnknown(t, s, "loaded")
		wantNoShares(t, s, early.ID)
	}
}

func checkPruneKeepsShares(t *testing.T, s control.Store) {
	now := time.Now()
	var want []control.Share
	for i, d := range []time.Duration{time.Hour, time.Second, exact, 0} { // at now it expires, not before
		v := share(fmt.Sprint(d), -i)
		v.Created, v.Expires = created(-i), now.Add(d)
		add(t, s, v)
		want = append(want, v)
	}
	batches := everyState(t, s)
	past := share("past", 0)
	past.Expires = now.Add(-exact)
	add(t, s, past)
	prune(t, s, now)
	wantNoShares(t, s, past.ID)
	wantShares(t, s, want...)
	wantShareList(t, s, "1", now.Add(-time.Hour), want...)
	prune(t, s, created(0))
	wantShares(t, s, want...)
	for _, b := range batches {
		if b.State != control.StateLoaded {
			wantBatch(t, s, b)
		}
	}
}

// someShares adds, revokes and prunes shares and gives what holds that this is kept.
func someShares(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	a, b, revoked, pruned := share("a", 0), share("it's a 🦆", 1), share("revoked", 2), share("pruned", 3)
	b.Name, b.Params = "", nil
	pruned.Expires = created(4)
	for _, v := range []control.Share{a, b, revoked, pruned} {
		add(t, s, v)
	}
	revoke(t, s, revoked)
	prune(t, s, created(5))
	return func(t *testing.T, s control.Store) {
		wantShares(t, s, a, b)
		wantNoShares(t, s, revoked.ID, pruned.ID)
		wantShareList(t, s, "1", created(0), b, a)
		if err := s.Shares().Add(t.Context(), share("a", 9)); !errors.Is(err, fault.Exists) {
			t.Errorf("add: got %v, want fault.Exists", err)
		}
	}
}
