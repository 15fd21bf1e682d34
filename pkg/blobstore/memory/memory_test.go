package memory

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/fault/faulttest"
)

func open(t *testing.T) blobstore.Store {
	t.Helper()
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { blobstoretest.Run(t, open) }

func TestFaultyKeepsThePromises(t *testing.T) {
	blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return blobstoretest.NewFaulty(open(t)) })
}

func TestFaulty(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault faulttest.Fault
		there bool // after a Put, a Get and a Delete
	}{
		{"Put not applied", faulttest.Fault{Op: "Put", N: 1}, false},
		{"Put applied", faulttest.Fault{Op: "Put", N: 1, Applied: true}, false},
		{"Get not applied", faulttest.Fault{Op: "Get", N: 1}, false},
		{"Get applied", faulttest.Fault{Op: "Get", N: 1, Applied: true}, false},
		{"Delete not applied", faulttest.Fault{Op: "Delete", N: 1}, true},
		{"Delete applied", faulttest.Fault{Op: "Delete", N: 1, Applied: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			f := blobstoretest.NewFaulty(s, tt.fault)
			failed := 0
			count := func(err error) {
				if errors.Is(err, faulttest.ErrScripted) {
					failed++
				}
			}
			count(f.Put(t.Context(), "a", strings.NewReader("rows")))
			_, err := f.Get(t.Context(), "a")
			count(err)
			count(f.Delete(t.Context(), "a"))
			if failed != 1 || len(f.Unused()) != 0 {
				t.Errorf("got %d failures with %v unused, want 1 and none", failed, f.Unused())
			}
			if _, err := s.Get(t.Context(), "a"); (err == nil) != tt.there {
				t.Errorf("afterwards: got %v, want there %t", err, tt.there)
			}
		})
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), "a")
	for _, err := range []error{err, s.Put(t.Context(), "a", strings.NewReader("")), s.Delete(t.Context(), "a")} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}
