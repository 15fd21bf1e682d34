package controltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// named is a query that nobody has told the store of. It has no public link.
func named(name string, n int) control.NamedQuery {
	return control.NamedQuery{Destination: "1", Name: name, Description: fmt.Sprint("description ", n), Query: fmt.Sprint("select ", n),
		Params: fmt.Appendf(nil, `[{"name":"p%d"}]`, n), Fixed: fmt.Appendf(nil, `{"p%d":1}`, n), Saved: created(n)}
}

// published is as named, with a public link.
func published(name, public string, n int) control.NamedQuery {
	q := named(name, n)
	q.Public = public
	return q
}

// save saves q, which must become that version, and gives it as the store should.
func save(t *testing.T, s control.Store, q control.NamedQuery, version int) control.NamedQuery {
	t.Helper()
	got, err := s.Queries().Save(t.Context(), q, version == 1)
	if err != nil || got != version {
		t.Fatalf("save query %.40q of %.40q: got version %d and %v, want %d", q.Name, q.Destination, got, err, version)
	}
	q.Version = version
	return q
}

func deleteQuery(t *testing.T, s control.Store, destination, name string) {
	t.Helper()
	if err := s.Queries().Delete(t.Context(), destination, name); err != nil {
		t.Fatalf("delete query %.40q of %.40q: %v", name, destination, err)
	}
}

func wantNotDeleted(t *testing.T, s control.Store, destination, name string) {
	t.Helper()
	if err := s.Queries().Delete(t.Context(), destination, name); !errors.Is(err, fault.NotFound) {
		t.Errorf("delete query %.40q of %.40q: got %v, want fault.NotFound", name, destination, err)
	}
}

// wantVersions holds that all versions of a query are these, from the first to the last.
func wantVersions(t *testing.T, s control.Store, want ...control.NamedQuery) {
	t.Helper()
	last := want[len(want)-1]
	for _, w := range want {
		wantQuery(t, s, w, w.Version)
	}
	wantQuery(t, s, last, 0)
	wantNoVersions(t, s, last.Destination, last.Name, -1, last.Version+1)
}

// wantQuery holds that want is found as version.
func wantQuery(t *testing.T, s control.Store, want control.NamedQuery, version int) {
	t.Helper()
	got, err := s.Queries().Find(t.Context(), want.Destination, want.Name, version)
	if err != nil {
		t.Errorf("find version %d of query %.40q of %.40q: %v", version, want.Name, want.Destination, err)
		return
	}
	wantSameQuery(t, got, want)
}

func wantNoVersions(t *testing.T, s control.Store, destination, name string, versions ...int) {
	t.Helper()
	for _, version := range versions {
		got, err := s.Queries().Find(t.Context(), destination, name, version)
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("find version %d of query %.40q of %.40q: got %.300s and %v, want fault.NotFound", version, name, destination,
				queryText(got), err)
		}
	}
}

// wantPublic holds that each is found by its public id.
func wantPublic(t *testing.T, s control.Store, want ...control.NamedQuery) {
	t.Helper()
	for _, w := range want {
		got, err := s.Queries().FindPublic(t.Context(), w.Public)
		if err != nil {
			t.Errorf("find public query %.40q: %v", w.Public, err)
			continue
		}
		wantSameQuery(t, got, w)
	}
}

func wantNoPublic(t *testing.T, s control.Store, unknown ...string) {
	t.Helper()
	for _, public := range unknown {
		if got, err := s.Queries().FindPublic(t.Context(), public); !errors.Is(err, fault.NotFound) {
			t.Errorf("find public query %.40q: got %.300s and %v, want fault.NotFound", public, queryText(got), err)
		}
	}
}

// wantQueryList holds that the last versions of destination's queries are want, in this order.
func wantQueryList(t *testing.T, s control.Store, destination string, want ...control.NamedQuery) {
	t.Helper()
	got, err := s.Queries().List(t.Context(), destination)
	if err != nil || len(got) != len(want) {
		t.Errorf("queries of %.40q: got %d and %v, want %d", destination, len(got), err, len(want))
		return
	}
	for i := range got {
		wantSameQuery(t, got[i], want[i])
	}
}

func wantSameQuery(t *testing.T, got, want control.NamedQuery) {
	t.Helper()
	if a, b := queryText(got), queryText(want); a != b {
		t.Errorf("query\n got %.500s\nwant %.500s", a, b)
	}
}

func queryText(q control.NamedQuery) string {
	return fmt.Sprintf("%q of %q, version %d, saved %s, public %q, description %q, params %q, none %t, fixed %q, none %t, query %q",
		q.Name, q.Destination, q.Version, q.Saved.UTC().Truncate(exact).Format(time.RFC3339Nano), q.Public, q.Description,
		q.Params, q.Params == nil, q.Fixed, q.Fixed == nil, q.Query)
}
