package controltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkFindPublic(t *testing.T, s control.Store) {
	wantNoPublic(t, s, "", "a")
	save(t, s, named("without", 0), 1)
	ids := []string{"a", "A", "a ", "a%", "Zm9v_-8", "quote'\"--", "🦆"}
	var want []control.NamedQuery
	for i, public := range ids {
		want = append(want, save(t, s, published(fmt.Sprint("query ", i), public, i), 1))
	}
	wantPublic(t, s, want...)
	wantNoPublic(t, s, "", "b", "%", "_", "zm9v_-8", "aa", " a", "1", "without", "query 0", strings.Repeat("a", 1000))
	for i := range want { // the id stays with the query over versions that keep it
		want[i] = save(t, s, published(want[i].Name, ids[i], 100+i), 2)
		wantPublic(t, s, want...)
	}
}

func checkFindPublicEarlier(t *testing.T, s control.Store) {
	other := save(t, s, published("other", "other", 0), 1)
	var versions []control.NamedQuery
	for n, public := range []string{"first", "second", "", "third", "third", "", "", "first", "second"} {
		last := save(t, s, published("a", public, n), n+1)
		versions = append(versions, last)
		for _, id := range []string{"first", "second", "third"} {
			if id == public {
				wantPublic(t, s, last)
			} else {
				wantNoPublic(t, s, id)
			}
		}
		wantNoPublic(t, s, "")
		wantPublic(t, s, other)
		wantVersions(t, s, versions...)
	}
}

// checkFindPublicMoved gives a's id to b after a has given it up, and back.
func checkFindPublicMoved(t *testing.T, s control.Store) {
	a := save(t, s, published("a", "public", 0), 1)
	wantPublic(t, s, a)
	a2 := save(t, s, named("a", 1), 2)
	wantNoPublic(t, s, "public")
	b := published("b", "public", 2)
	b.Destination = "2"
	b = save(t, s, b, 1)
	wantPublic(t, s, b)
	deleteQuery(t, s, "2", "b")
	a3 := save(t, s, published("a", "public", 3), 3)
	wantPublic(t, s, a3)
	wantVersions(t, s, a, a2, a3)
}

func checkDelete(t *testing.T, s control.Store) {
	wantNotDeleted(t, s, "1", "a")
	for n := range 3 {
		save(t, s, named("a", n), n+1)
	}
	b := save(t, s, named("b", 0), 1)
	b2 := save(t, s, named("b", 1), 2)
	deleteQuery(t, s, "1", "a")
	wantNoVersions(t, s, "1", "a", 0, 1, 2, 3)
	for _, name := range []string{"a", "", "B", "b ", "%", "b' or '1'='1"} {
		wantNotDeleted(t, s, "1", name)
		wantVersions(t, s, b, b2)
		wantQueryList(t, s, "1", b2)
	}
	for range 2 { // its name is free, and begins with 1
		anew := save(t, s, named("a", 7), 1)
		wantVersions(t, s, anew)
		next := save(t, s, named("a", 8), 2)
		wantVersions(t, s, anew, next)
		wantNoVersions(t, s, "1", "a", 3)
		wantQueryList(t, s, "1", next, b2)
		deleteQuery(t, s, "1", "a")
	}
	wantQueryList(t, s, "1", b2)
}

func checkDeleteOther(t *testing.T, s control.Store) {
	a := save(t, s, published("a", "public", 0), 1)
	a2 := save(t, s, published("a", "public", 1), 2)
	same, only := named("a", 2), named("b", 3)
	same.Destination, only.Destination = "2", "2"
	same, only = save(t, s, same, 1), save(t, s, only, 1)
	wantNotDeleted(t, s, "1", "b")
	for _, destination := range []string{"3", "", "%", "1 ", "10"} {
		wantNotDeleted(t, s, destination, "a")
	}
	wantVersions(t, s, a, a2)
	wantQueryList(t, s, "2", same, only)
	deleteQuery(t, s, "2", "a")
	wantNoVersions(t, s, "2", "a", 0, 1)
	wantNotDeleted(t, s, "2", "a")
	wantVersions(t, s, a, a2)
	wantPublic(t, s, a2)
	wantQueryList(t, s, "2", only)
}

func checkDeletePublic(t *testing.T, s control.Store) {
	other := save(t, s, published("other", "other", 0), 1)
	save(t, s, published("a", "earlier", 1), 1)
	save(t, s, published("a", "public", 2), 2)
	deleteQuery(t, s, "1", "a")
	wantNoPublic(t, s, "earlier", "public", "")
	wantPublic(t, s, other)
	save(t, s, named("a", 3), 1) // anew, without one
	wantNoPublic(t, s, "earlier", "public", "")
	anew := save(t, s, published("a", "earlier", 4), 2)
	wantPublic(t, s, anew, other)
	wantNoPublic(t, s, "public")
}

// checkSaveConcurrent has eight who save the same query again and again, each with one of its own, while they look on.
func checkSaveConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 8, 5
	var saved [workers * rounds]atomic.Pointer[control.NamedQuery] // by their versions, from 1
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var before int
			for n := range rounds {
				q, own := published("shared", fmt.Sprint(w, " of ", n), w*rounds+n), named("own", n)
				own.Destination = fmt.Sprint("of ", w)
				version, err := s.Queries().Save(t.Context(), q, false)
				if err != nil || version <= before || version > len(saved) {
					t.Errorf("save: got version %d after %d and %v, want from 1 to %d", version, before, err, len(saved))
					return
				}
				before, q.Version = version, version
				if !saved[version-1].CompareAndSwap(nil, &q) {
					t.Errorf("save: got version %d twice", version)
				}
				wantQuery(t, s, q, version)
				wantLaterVersion(t, s, q)
				saveOwn(t, s, own, n+1)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	var want []control.NamedQuery
	for i := range saved {
		q := saved[i].Load()
		want = append(want, *q)
		if i < len(saved)-1 {
			wantNoPublic(t, s, q.Public)
		}
	}
	wantVersions(t, s, want...)
	wantPublic(t, s, want[len(want)-1])
	wantQueryList(t, s, "1", want[len(want)-1])
}

// wantLaterVersion holds that there is one last version of q's query, which is not before q.
func wantLaterVersion(t *testing.T, s control.Store, q control.NamedQuery) {
	t.Helper()
	last, err := s.Queries().Find(t.Context(), q.Destination, q.Name, 0)
	if err != nil || last.Version < q.Version {
		t.Errorf("find: got version %d and %v, want %d or later", last.Version, err, q.Version)
	}
	list, err := s.Queries().List(t.Context(), q.Destination)
	if err != nil || len(list) != 1 || list[0].Version < last.Version {
		t.Errorf("list: got %d and %v, want one of version %d or later", len(list), err, last.Version)
	}
}

// saveOwn is as save, but may be called by many at once.
func saveOwn(t *testing.T, s control.Store, q control.NamedQuery, version int) {
	t.Helper()
	if got, err := s.Queries().Save(t.Context(), q, version == 1); err != nil || got != version {
		t.Errorf("save %s: got version %d and %v, want %d", q.Name, got, err, version)
	}
	q.Version = version
	wantQueryList(t, s, q.Destination, q)
}

// checkSaveFreshConcurrent has eight who save the same fresh query: one of them is first.
func checkSaveFreshConcurrent(t *testing.T, s control.Store) {
	const workers = 8
	var first atomic.Pointer[control.NamedQuery]
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			q := published("shared", fmt.Sprint("public ", w), w)
			version, err := s.Queries().Save(t.Context(), q, true)
			q.Version = version
			if err == nil && !first.CompareAndSwap(nil, &q) {
				t.Error("got two that were first, want one")
			}
			if err != nil && !errors.Is(err, fault.Exists) {
				t.Errorf("got %v, want fault.Exists", err)
			}
		})
	}
	wg.Wait()
	q := first.Load()
	if q == nil || q.Version != 1 {
		t.Fatalf("got %v that was first, want one of version 1", q)
	}
	wantVersions(t, s, *q)
	wantPublic(t, s, *q)
}

// checkDeleteConcurrent has eight who delete the same query of many versions: one of them finds it.
func checkDeleteConcurrent(t *testing.T, s control.Store) {
	const workers = 8
	kept := save(t, s, named("kept", 0), 1)
	versions := []int{1, 2, 3}
	for _, version := range versions {
		save(t, s, published("shared", "public", version), version)
	}
	var wg sync.WaitGroup
	var found atomic.Int32
	for range workers {
		wg.Go(func() {
			err := s.Queries().Delete(t.Context(), "1", "shared")
			if err == nil {
				found.Add(1)
			} else if !errors.Is(err, fault.NotFound) {
				t.Errorf("got %v, want fault.NotFound", err)
			}
			wantNoVersions(t, s, "1", "shared", slices.Concat(versions, []int{0})...)
			wantNoPublic(t, s, "public")
		})
	}
	wg.Wait()
	if got := found.Load(); got != 1 {
		t.Errorf("got %d who deleted it, want 1", got)
	}
	wantQueryList(t, s, "1", kept)
}

// someQueries saves and deletes queries and gives what holds that this is kept.
func someQueries(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	a := save(t, s, published("a", "earlier", 0), 1)
	a2 := save(t, s, published("a", "public", 1), 2)
	b := named("it's a 🦆", 2)
	b.Params, b.Fixed = nil, nil
	b = save(t, s, b, 1)
	save(t, s, published("deleted", "deleted", 3), 1)
	deleteQuery(t, s, "1", "deleted")
	return func(t *testing.T, s control.Store) {
		wantVersions(t, s, a, a2)
		wantVersions(t, s, b)
		wantPublic(t, s, a2)
		wantNoPublic(t, s, "earlier", "deleted", "")
		wantNoVersions(t, s, "1", "deleted", 0, 1)
		wantQueryList(t, s, "1", a2, b)
		if _, err := s.Queries().Save(t.Context(), named("a", 9), true); !errors.Is(err, fault.Exists) {
			t.Errorf("save: got %v, want fault.Exists", err)
		}
		a3 := save(t, s, named("a", 4), 3)
		wantVersions(t, s, a, a2, a3)
	}
}
