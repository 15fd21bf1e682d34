package sqlite

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// TestPublicErrorsKeepTheID holds that no error says a public id, which is all that it takes to ask the query.
func TestPublicErrorsKeepTheID(t *testing.T) {
	s := openNew(t)
	a := control.NamedQuery{Destination: "1", Name: "a", Public: "unguessable"}
	if _, err := s.Queries().Save(t.Context(), a, true); err != nil {
		t.Fatal(err)
	}
	other := a
	other.Name = "other"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), ended} {
		_, find := s.Queries().FindPublic(ctx, a.Public+" not")
		_, fresh := s.Queries().Save(ctx, a, true)
		_, taken := s.Queries().Save(ctx, other, false)
		for call, err := range map[string]error{"FindPublic": find, "Save fresh": fresh, "Save of an id that is taken": taken} {
			if err == nil || strings.Contains(err.Error(), a.Public) {
				t.Errorf("%s: got %v, want an error without the id", call, err)
			}
		}
	}
}

// TestSaveIsAllOrNothing holds that a version which cannot be stored leaves the one before it the last one.
func TestSaveIsAllOrNothing(t *testing.T) {
	s := openNew(t)
	a := control.NamedQuery{Destination: "1", Name: "a", Public: "public"}
	if _, err := s.Queries().Save(t.Context(), a, true); err != nil {
		t.Fatal(err)
	}
	run(t, s, `create trigger broken before insert on queries begin select raise(abort, 'broken'); end`)
	version, err := s.Queries().Save(t.Context(), a, false)
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
