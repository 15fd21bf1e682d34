package controltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func queryPromises() []promise {
	return []promise{
		{"Save remembers q as the next version of its name, 1 for a new name", checkSaveVersions},
		{"Save with fresh of a name that is there already is fault.Exists", checkSaveFresh},
		{"Save does not read q's own Version", checkSaveOwnVersion},
		{"Save of an ended context remembers nothing", checkQueriesEnded},
		{"Params and Fixed are kept, nil without any", checkQueryJSON},
		{"The text of a query is kept whole", checkQueryTexts},
		{"Saved is kept in microseconds", checkQueryTimes},
		{"Find returns a version, the last one for 0, or fault.NotFound", checkFindQuery},
		{"Find returns destination's query", checkFindOther},
		{"FindPublic returns the query whose last version has that public id", checkFindPublic},
		{"FindPublic of an earlier version's public id is fault.NotFound", checkFindPublicEarlier},
		{"FindPublic of a public id that goes over to another query returns that", checkFindPublicMoved},
		{"List gives destination's queries", checkListQueries},
		{"List gives last versions", checkListLast},
		{"List gives queries by name", checkListByName},
		{"Delete forgets all versions, or is fault.NotFound", checkDelete},
		{"Delete of another destination's query is fault.NotFound", checkDeleteOther},
		{"Delete forgets the public id", checkDeletePublic},
		{"Prune keeps queries", checkPruneKeepsQueries},
		{"Many may save the same query at once", checkSaveConcurrent},
		{"Many may save the same fresh query at once", checkSaveFreshConcurrent},
		{"Many may delete the same query at once", checkDeleteConcurrent},
	}
}

func checkSaveVersions(t *testing.T, s control.Store) {
	const many = 12 // more than a digit has
	var a, b []control.NamedQuery
	for n := range many {
		a = append(a, save(t, s, named("a", n), n+1))
		wantVersions(t, s, a...)
		if n%3 == 0 {
			b = append(b, save(t, s, named("b", -n), n/3+1))
			wantVersions(t, s, b...)
		}
	}
	wantVersions(t, s, a...)
	again := a[3]
	a = append(a, save(t, s, again, many+1)) // what is as it was, is a version nonetheless
	wantVersions(t, s, a...)
	wantVersions(t, s, b...)
}

func checkSaveFresh(t *testing.T, s control.Store) {
	first := save(t, s, named("a", 0), 1)
	last := save(t, s, published("a", "public", 1), 2)
	for _, again := range []control.NamedQuery{first, last, published("a", "other", 7), {Destination: "1", Name: "a"}} {
		version, err := s.Queries().Save(t.Context(), again, true)
		if version != 0 || !errors.Is(err, fault.Exists) {
			t.Errorf("got version %d and %v, want fault.Exists", version, err)
		}
		wantVersions(t, s, first, last)
		wantPublic(t, s, last)
		wantNoPublic(t, s, "other")
		wantQueryList(t, s, "1", last)
	}
	for i, name := range []string{"A", "a ", "aa", "", "%"} {
		wantVersions(t, s, save(t, s, named(name, i), 1))
	}
	without := named("without", 0)
	if version, err := s.Queries().Save(t.Context(), without, false); version != 1 || err != nil {
		t.Errorf("a new name without fresh: got version %d and %v, want 1", version, err)
	}
	next := save(t, s, named("a", 2), 3)
	wantVersions(t, s, first, last, next)
}

func checkSaveOwnVersion(t *testing.T, s control.Store) {
	var want []control.NamedQuery
	for i, own := range []int{7, 1, -1, 1, 0, 100} {
		q := named("a", i)
		q.Version = own
		want = append(want, save(t, s, q, i+1))
		wantVersions(t, s, want...)
	}
	wantQueryList(t, s, "1", want[len(want)-1])
}

func checkQueriesEnded(t *testing.T, s control.Store) {
	known := save(t, s, published("known", "public", 0), 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fresh, ferr := s.Queries().Save(ended, published("fresh", "other", 1), true)
	next, nerr := s.Queries().Save(ended, published("known", "other", 1), false)
	_, find := s.Queries().Find(ended, "1", "known", 0)
	_, version := s.Queries().Find(ended, "1", "known", 1)
	_, public := s.Queries().FindPublic(ended, "public")
	list, lerr := s.Queries().List(ended, "1")
	for call, err := range map[string]error{
		"save fresh": ferr, "save next": nerr, "find": find, "find version": version, "find public": public, "list": lerr,
		"delete": s.Queries().Delete(ended, "1", "known"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context canceled", call, err)
		}
	}
	if fresh != 0 || next != 0 || len(list) != 0 {
		t.Errorf("got versions %d and %d and %d queries, want none", fresh, next, len(list))
	}
	wantNoVersions(t, s, "1", "fresh", 0, 1)
	wantNoPublic(t, s, "other")
	wantVersions(t, s, known)
	wantPublic(t, s, known)
	wantQueryList(t, s, "1", known)
}

func checkQueryJSON(t *testing.T, s control.Store) {
	texts := []string{
		"", "{}", "[]", "null", `{"a":1,"b":"it's","c":null,"d":[true,{"e":1.50}]}`, " {\n\t\"a\" : 1 } ",
		`{"ümläut":"漢字 🦆","e":"\ud83e\udd86"}`, `{"a":"` + strings.Repeat("0123456789", 50_000) + `"}`,
	}
	bytesOf := func(text string) []byte {
		if text == "" {
			return nil
		}
		return []byte(text)
	}
	var want []control.NamedQuery
	for i, text := range texts {
		for _, other := range []string{"", `{"other":2}`} {
			for _, pair := range [][2]string{{text, other}, {other, text}} {
				given := published("a", "public", i)
				given.Params, given.Fixed = bytesOf(pair[0]), bytesOf(pair[1])
				kept := save(t, s, given, len(want)+1)
				kept.Params, kept.Fixed = bytesOf(pair[0]), bytesOf(pair[1])
				want = append(want, kept)
				for _, b := range [][]byte{given.Params, given.Fixed} {
					copy(b, "????????") // the caller may use its memory again
				}
				wantPublic(t, s, kept)
				wantQueryList(t, s, "1", kept)
			}
		}
	}
	wantVersions(t, s, want...)
}

func checkQueryTexts(t *testing.T, s control.Store) {
	for i, text := range []string{
		" ", "it's", `"quoted"`, "`ticks`", "'\"''--", "; drop table queries; --", "ümläut 漢字 🦆", "u\u0308", "a\nb\r\n\tc", "a\x00b",
		"?", "?1", ":a", "%s", "{{a}}", "null", "12", "1e3", "0x10", strings.Repeat("select 1 union all ", 50_000),
	} {
		whole := published(text, text, i)
		whole.Destination, whole.Description, whole.Query = "1 "+text, text, text
		whole = save(t, s, whole, 1)
		wantVersions(t, s, whole)
		wantPublic(t, s, whole)
		wantQueryList(t, s, whole.Destination, whole)
		next := save(t, s, control.NamedQuery{Destination: whole.Destination, Name: text, Saved: created(i)}, 2) // all empty
		wantVersions(t, s, whole, next)
		wantNoPublic(t, s, text)
		deleteQuery(t, s, whole.Destination, text)
		wantNoVersions(t, s, whole.Destination, text, 0, 1, 2)
	}
	wantVersions(t, s, save(t, s, control.NamedQuery{Saved: created(0)}, 1))
}

func checkQueryTimes(t *testing.T, s control.Store) {
	for name, moment := range moments() {
		q := published(name, name, 0)
		q.Destination, q.Saved = name, moment
		q = save(t, s, q, 1)
		wantVersions(t, s, q)
		wantPublic(t, s, q)
		wantQueryList(t, s, name, q)
	}
	// Neither a version nor its place in the list is by the time.
	var want []control.NamedQuery
	for i, n := range []int{5, 1, 9, 9, 0} {
		want = append(want, save(t, s, named("a", n), i+1))
	}
	wantVersions(t, s, want...)
}

func checkFindQuery(t *testing.T, s control.Store) {
	wantNoVersions(t, s, "1", "a", 0, 1, -1)
	var want []control.NamedQuery
	for n := range 3 {
		want = append(want, save(t, s, named("a", n), n+1))
	}
	wantVersions(t, s, want...)
	wantNoVersions(t, s, "1", "a", -1, -3, 4, 30, 1<<40)
	for _, name := range []string{"", "A", "a ", " a", "b", "%", "_", "a' or '1'='1", "1", strings.Repeat("a", 1000)} {
		wantNoVersions(t, s, "1", name, 0, 1, 3)
	}
	for _, version := range []int{0, 3} {
		got, err := s.Queries().Find(t.Context(), "1", "a", version)
		if err != nil {
			t.Fatalf("find: %v", err)
		}
		copy(got.Params, "????????") // they are the caller's
		copy(got.Fixed, "????????")
	}
	wantVersions(t, s, want...)
}

func checkFindOther(t *testing.T, s control.Store) {
	destinations := []string{"1", "2", "10", "", "1 ", "a", "A", "it's", `"🦆"`, "%", "1' or '1'='1", "a\x00b"}
	known := map[string][]control.NamedQuery{}
	for version := 1; version <= 3; version++ {
		for i, destination := range destinations[:len(destinations)/version] {
			q := published("a", fmt.Sprintf("public %d %d", i, version), 10*i+version)
			q.Destination = destination
			known[destination] = append(known[destination], save(t, s, q, version))
		}
	}
	for _, versions := range known {
		last := versions[len(versions)-1]
		wantVersions(t, s, versions...)
		wantPublic(t, s, last)
		wantQueryList(t, s, last.Destination, last)
	}
	for _, destination := range []string{"3", "_", "b", "11", " 1"} {
		wantNoVersions(t, s, destination, "a", 0, 1, 2, 3)
	}
}

func checkListQueries(t *testing.T, s control.Store) {
	wantQueryList(t, s, "1")
	want := map[string][]control.NamedQuery{}
	for i, destination := range []string{"1", "2", "10", "", "1 ", "a", "A", "it's", `"🦆"`, "%", "1' or '1'='1", "a\x00b"} {
		for n, name := range []string{"first", "second", "third of " + destination} {
			q := named(name, 10*i+n)
			q.Destination = destination
			want[destination] = append(want[destination], save(t, s, q, 1))
		}
	}
	for destination, queries := range want {
		wantQueryList(t, s, destination, queries...)
	}
	for _, destination := range []string{"3", "_", "b", "11", " 1"} {
		wantQueryList(t, s, destination)
	}
	for _, q := range want["2"] {
		deleteQuery(t, s, "2", q.Name)
	}
	wantQueryList(t, s, "2")
	wantQueryList(t, s, "1", want["1"]...)
}

func checkListLast(t *testing.T, s control.Store) {
	last := map[string]control.NamedQuery{}
	for n := range 12 {
		for i, name := range []string{"a", "b", "c"} {
			if n%(i+1) == 0 {
				last[name] = save(t, s, published(name, name, n), last[name].Version+1)
				wantQuery(t, s, last[name], 0)
			}
		}
		wantQueryList(t, s, "1", last["a"], last["b"], last["c"])
	}
}

// checkListByName saves in an order that is neither that of the names nor its reverse.
func checkListByName(t *testing.T, s control.Store) {
	names := []string{"m", "b", "z", "a10", "a", "B", "_", "a9", "é", "🦆", "-", "Z", "0", "aa"}
	var want []control.NamedQuery
	for i, name := range names {
		want = append(want, save(t, s, named(name, i), 1))
	}
	for _, i := range []int{2, 0, 7} { // a new version does not move it
		want[i] = save(t, s, named(names[i], 100-i), 2)
	}
	slices.SortFunc(want, func(a, b control.NamedQuery) int { return strings.Compare(a.Name, b.Name) })
	wantQueryList(t, s, "1", want...)
}

func checkPruneKeepsQueries(t *testing.T, s control.Store) {
	old := published("old", "public", 0)
	old.Saved = time.Unix(0, 0)
	a := save(t, s, old, 1)
	b := save(t, s, old, 2)
	prune(t, s, time.Now().Add(time.Hour))
	wantVersions(t, s, a, b)
	wantPublic(t, s, b)
}
