package controltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// share is one that nobody has told the store of. It is open for a millisecond.
func share(id string, n int) control.Share {
	return control.Share{ID: id, Destination: "1", Key: "key of " + id, Name: "name of " + id, Query: "select '" + id + "'",
		Params: fmt.Appendf(nil, `{"n":%d}`, n), Created: created(n), Expires: created(n + 1000)}
}

func add(t *testing.T, s control.Store, v control.Share) {
	t.Helper()
	if err := s.Shares().Add(t.Context(), v); err != nil {
		t.Fatalf("add share %.40q: %v", v.ID, err)
	}
}

func revoke(t *testing.T, s control.Store, v control.Share) {
	t.Helper()
	if err := s.Shares().Revoke(t.Context(), v.Destination, v.ID); err != nil {
		t.Fatalf("revoke share %.40q: %v", v.ID, err)
	}
}

func wantNotRevoked(t *testing.T, s control.Store, destination, id string) {
	t.Helper()
	if err := s.Shares().Revoke(t.Context(), destination, id); !errors.Is(err, fault.NotFound) {
		t.Errorf("revoke share %.40q of %q: got %v, want fault.NotFound", id, destination, err)
	}
}

func wantShares(t *testing.T, s control.Store, want ...control.Share) {
	t.Helper()
	for _, w := range want {
		got, err := s.Shares().Find(t.Context(), w.ID)
		if err != nil {
			t.Errorf("find share %.40q: %v", w.ID, err)
			continue
		}
		wantSameShare(t, got, w)
	}
}

func wantNoShares(t *testing.T, s control.Store, unknown ...string) {
	t.Helper()
	for _, id := range unknown {
		if got, err := s.Shares().Find(t.Context(), id); !errors.Is(err, fault.NotFound) {
			t.Errorf("find share %.40q: got %.300s and %v, want fault.NotFound", id, shareText(got), err)
		}
	}
}

// wantShareList holds that destination's shares that expire after now are want, in this order.
func wantShareList(t *testing.T, s control.Store, destination string, now time.Time, want ...control.Share) {
	t.Helper()
	got, err := s.Shares().List(t.Context(), destination, now)
	if err != nil || len(got) != len(want) {
		t.Errorf("shares of %.40q: got %d and %v, want %d", destination, len(got), err, len(want))
		return
	}
	for i := range got {
		wantSameShare(t, got[i], want[i])
	}
}

func wantSameShare(t *testing.T, got, want control.Share) {
	t.Helper()
	if a, b := shareText(got), shareText(want); a != b {
		t.Errorf("share\n got %.500s\nwant %.500s", a, b)
	}
}

func shareText(v control.Share) string {
	return fmt.Sprintf("%q of %q, created %s, expires %s, key %q, name %q, params %q, none %t, query %q", v.ID, v.Destination,
		v.Created.UTC().Truncate(exact).Format(time.RFC3339Nano), v.Expires.UTC().Truncate(exact).Format(time.RFC3339Nano),
		v.Key, v.Name, v.Params, v.Params == nil, v.Query)
}
