package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// TestSaveIsAllOrNothing holds that a version which cannot be stored leaves the one before it the last one.
func TestSaveIsAllOrNothing(t *testing.T) {
	s := openNew(t)
	q := control.NamedQuery{Destination: "1", Name: "a", Public: "public"}
	if _, err := s.Queries().Save(t.Context(), q, true); err != nil {
		t.Fatal(err)
	}
	breaks(t, s, "queries", "insert", "true")
	version, err := s.Queries().Save(t.Context(), q, false)
	if version != 0 || err == nil || !strings.Contains(err.Error(), "save query of destination 1") || errors.Is(err, fault.Exists) {
		t.Errorf("got version %d and %v, want an error that says what was tried", version, err)
	}
	last, err := s.Queries().Find(t.Context(), "1", "a", 0)
	if err != nil || last.Version != 1 {
		t.Errorf("find: got version %d and %v, want 1", last.Version, err)
	}
	if _, err := s.Queries().FindPublic(t.Context(), "public"); err != nil {
		t.Errorf("find public: %v", err)
	}
}
