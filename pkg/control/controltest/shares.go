package controltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func sharePromises() []promise {
	return []promise{
		{"Add remembers s", checkAddShare},
		{"Add of an id that is taken is fault.Exists", checkShareTaken},
		{"Add of an ended context remembers nothing", checkSharesEnded},
		{"Params are kept, nil without any", checkShareParams},
		{"The text of a share is kept whole", checkShareTexts},
		{"Created and Expires are kept in microseconds", checkShareTimes},
		{"Find of a share returns it, or fault.NotFound", checkFindShare},
		{"Find returns also a share that has expired", checkFindExpired},
		{"List gives destination's shares", checkListShares},
		{"List gives shares that expire after now", checkListExpire},
		{"List gives shares newest first", checkListNewest},
		{"Revoke forgets destination's share id, or is fault.NotFound", checkRevoke},
		{"Revoke of another destination's share is fault.NotFound", checkRevokeOther},
		{"Revoke forgets also a share that has expired", checkRevokeExpired},
		{"Many may add the same id at once", checkAddConcurrent},
		{"Many may revoke the same share at once", checkRevokeConcurrent},
		{"Prune forgets the shares that expired before the time", checkPruneShares},
		{"Prune forgets batches and shares at once", checkPruneBoth},
		{"Prune keeps shares that have not expired", checkPruneKeepsShares},
	}
}

func checkAddShare(t *testing.T, s control.Store) {
	a, b := share("a", 0), share("b", 1)
	b.Destination, b.Name, b.Params = "2", "", nil
	add(t, s, a)
	wantShares(t, s, a)
	add(t, s, b)
	wantShares(t, s, a, b)
}

func checkShareTaken(t *testing.T, s control.Store) {
	first, past := share("a", 0), share("past", -2000)
	add(t, s, first)
	add(t, s, past)
	elsewhere := share("a", 5)
	elsewhere.Destination = "2"
	for _, again := range []control.Share{
		first, elsewhere, share("a", -5), share("past", 9), {ID: "a", Query: "other"},
	} {
		if err := s.Shares().Add(t.Context(), again); !errors.Is(err, fault.Exists) {
			t.Errorf("got %v, want fault.Exists", err)
		}
		wantShares(t, s, first, past)
		wantShareList(t, s, "1", created(0), first)
		wantShareList(t, s, "2", created(0))
	}
}

func checkSharesEnded(t *testing.T, s control.Store) {
	known, other := share("known", 0), share("other", 1)
	add(t, s, known)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, find := s.Shares().Find(ended, known.ID)
	list, lerr := s.Shares().List(ended, "1", created(0))
	for call, err := range map[string]error{
		"add": s.Shares().Add(ended, other), "find": find, "list": lerr, "revoke": s.Shares().Revoke(ended, "1", known.ID),
		"prune": s.Prune(ended, known.Expires.Add(time.Hour)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context canceled", call, err)
		}
	}
	if len(list) != 0 {
		t.Errorf("list: got %d shares, want none", len(list))
	}
	wantNoShares(t, s, other.ID)
	wantShareList(t, s, "1", created(0), known)
}

func checkShareParams(t *testing.T, s control.Store) {
	for name, params := range map[string]string{
		"none": "{}", "of each kind": `{"a":1,"b":"it's","c":null,"d":[true,{"e":1.50}]}`, "spaced": " {\n\t\"a\" : 1 } ",
		"not ASCII": `{"ümläut":"漢字 🦆","e":"\ud83e\udd86"}`, "large": `{"a":"` + strings.Repeat("0123456789", 50_000) + `"}`,
	} {
		want := share(name, 0)
		want.Params = []byte(params)
		given := want
		given.Params = []byte(params)
		add(t, s, given)
		for i := range given.Params {
			given.Params[i] = '?' // the caller may use its memory again
		}
		wantShares(t, s, want)
	}
	without := share("without any", 0)
	without.Params = nil
	add(t, s, without)
	wantShares(t, s, without)
}

func checkShareTexts(t *testing.T, s control.Store) {
	for i, text := range []string{
		"", " ", "it's", `"quoted"`, "`ticks`", "'\"''--", "; drop table shares; --", "ümläut 漢字 🦆", "u\u0308", "a\nb\r\n\tc", "a\x00b",
		"?", "?1", ":a", "%s", "{{a}}", "null", "12", "1e3", "0x10", strings.Repeat("select 1 union all ", 50_000),
	} {
		whole := share(fmt.Sprint("whole ", i), i)
		whole.Destination, whole.Key, whole.Name, whole.Query = "1 "+text, "2 "+text, text, text
		id := share("id "+text, i)
		id.Key = text
		for _, want := range []control.Share{whole, id} {
			add(t, s, want)
			wantShares(t, s, want)
		}
		wantShareList(t, s, whole.Destination, created(0), whole)
	}
}

func checkShareTimes(t *testing.T, s control.Store) {
	early := time.Time{}.Add(-time.Hour)
	for name, want := range moments() {
		a, b := share("created "+name, 0), share("expires "+name, 0)
		a.Destination, b.Destination = a.ID, b.ID
		a.Created, b.Expires = want, want
		add(t, s, a)
		add(t, s, b)
		wantShares(t, s, a, b)
		wantShareList(t, s, a.ID, created(0), a)
		wantShareList(t, s, b.ID, early, b)
	}
}

func checkFindShare(t *testing.T, s control.Store) {
	wantNoShares(t, s, "a")
	ids := []string{"a", "A", "a ", "a%", "Zm9v_-8", "quote'\"--"}
	for i, id := range ids {
		add(t, s, share(id, i))
	}
	for i, id := range ids {
		wantShares(t, s, share(id, i))
	}
	wantNoShares(t, s, "", "b", "%", "_", "zm9v_-8", "aa", " a", "1", strings.Repeat("a", 1000))
	got, err := s.Shares().Find(t.Context(), "a")
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	for i := range got.Params {
		got.Params[i] = '?' // it is the caller's
	}
	wantShares(t, s, share("a", 0))
}

func checkFindExpired(t *testing.T, s control.Store) {
	past, never := share("past", 0), share("never", 0)
	past.Expires = time.Now().Add(-time.Hour)
	never.Expires = never.Created.Add(-time.Hour)
	add(t, s, past)
	add(t, s, never)
	wantShares(t, s, past, never)
	wantShareList(t, s, "1", time.Now())
	wantShares(t, s, past, never)
}

func checkListShares(t *testing.T, s control.Store) {
	wantShareList(t, s, "1", created(0))
	want := map[string][]control.Share{}
	for i, destination := range []string{"1", "2", "10", "", "1 ", "a", "A", "it's", `"🦆"`, "%", "1' or '1'='1", "a\x00b"} {
		older, newer := share("older of "+destination, i), share("newer of "+destination, 100-i)
		older.Destination, newer.Destination = destination, destination
		add(t, s, older)
		add(t, s, newer)
		want[destination] = []control.Share{newer, older}
	}
	for destination, shares := range want {
		wantShareList(t, s, destination, created(0), shares...)
	}
	for _, destination := range []string{"3", "_", "b", "11", " 1"} {
		wantShareList(t, s, destination, created(0))
	}
}

func checkListExpire(t *testing.T, s control.Store) {
	a, b, c := share("a", 0), share("b", 1), share("c", 2)
	a.Expires, b.Expires, c.Expires = created(20), created(10), created(30)
	for _, v := range []control.Share{a, b, c} {
		add(t, s, v)
	}
	for _, tt := range []struct {
		now  time.Time
		want []control.Share
	}{
		{time.Time{}, []control.Share{c, b, a}},
		{created(9), []control.Share{c, b, a}},
		{created(10), []control.Share{c, a}}, // b expires now, not after
		{created(19).UTC(), []control.Share{c, a}},
		{created(20), []control.Share{c}},
		{created(30).Add(-time.Nanosecond), []control.Share{c}},
		{created(30), nil},
		{created(30).Add(time.Hour), nil},
	} {
		wantShareList(t, s, "1", tt.now, tt.want...)
	}
	wantShares(t, s, a, b, c)
}

// checkListNewest adds in an order that is neither that of the ids, nor that of their age, nor that of their end.
func checkListNewest(t *testing.T, s control.Store) {
	known := map[string]control.Share{}
	for _, tt := range []struct {
		id               string
		created, expires int
	}{{"c", 1_000_000, 4}, {"a", 2, 5}, {"e", 0, 1}, {"b", 60_000_000, 2}, {"d", 1, 3}} {
		v := share(tt.id, tt.created)
		v.Expires = created(100_000_000 + tt.expires)
		add(t, s, v)
		known[v.ID] = v
	}
	wantShareList(t, s, "1", created(0), known["b"], known["c"], known["a"], known["d"], known["e"])
}

func checkRevoke(t *testing.T, s control.Store) {
	a, b := share("a", 0), share("b", 1)
	wantNotRevoked(t, s, "1", a.ID)
	add(t, s, a)
	add(t, s, b)
	revoke(t, s, a)
	wantNoShares(t, s, a.ID)
	wantShareList(t, s, "1", created(0), b)
	for _, id := range []string{a.ID, "", "B", "b ", "%", "b' or '1'='1"} {
		wantNotRevoked(t, s, "1", id)
		wantShareList(t, s, "1", created(0), b)
	}
	a.Query = "select 'anew'"
	add(t, s, a) // its id is free
	wantShareList(t, s, "1", created(0), b, a)
}

func checkRevokeOther(t *testing.T, s control.Store) {
	a, other := share("a", 0), share("b", 1)
	other.Destination = "2"
	add(t, s, a)
	add(t, s, other)
	for _, destination := range []string{"2", "", "%", "1 ", "10"} {
		wantNotRevoked(t, s, destination, a.ID)
		wantShareList(t, s, "1", created(0), a)
		wantShareList(t, s, "2", created(0), other)
	}
	revoke(t, s, a)
	wantNoShares(t, s, a.ID)
	wantShares(t, s, other)
}

func checkRevokeExpired(t *testing.T, s control.Store) {
	past := share("past", 0)
	past.Expires = time.Now().Add(-time.Hour)
	add(t, s, past)
	revoke(t, s, past)
	wantNoShares(t, s, past.ID)
}

// checkAddConcurrent has eight who add the same id, each with one of its own: one of them is first.
func checkAddConcurrent(t *testing.T, s control.Store) {
	const workers, rounds = 8, 5
	for n := range rounds {
		var wg sync.WaitGroup
		var first atomic.Pointer[control.Share]
		for w := range workers {
			shared, own := share(fmt.Sprint("shared ", n), n), share(fmt.Sprint(n, " of ", w), n)
			shared.Query, own.Destination = fmt.Sprint("select ", w), own.ID
			wg.Go(func() {
				err := s.Shares().Add(t.Context(), shared)
				if err == nil && !first.CompareAndSwap(nil, &shared) {
					t.Error("add: got two that were first, want one")
				}
				if err != nil && !errors.Is(err, fault.Exists) {
					t.Errorf("add: got %v, want fault.Exists", err)
				}
				_, ferr := s.Shares().Find(t.Context(), shared.ID)
				_, lerr := s.Shares().List(t.Context(), "1", created(0))
				if err := errors.Join(ferr, lerr, s.Shares().Add(t.Context(), own)); err != nil {
					t.Errorf("add %s: %v", own.ID, err)
				}
				wantShareList(t, s, own.ID, created(0), own)
			})
		}
		wg.Wait()
		if first.Load() == nil {
			t.Fatal("add: got none that was first, want one")
		}
		wantShares(t, s, *first.Load())
	}
	if list, err := s.Shares().List(t.Context(), "1", created(0)); err != nil || len(list) != rounds {
		t.Errorf("list: got %d and %v, want %d", len(list), err, rounds)
	}
}

// checkRevokeConcurrent has eight who revoke the same share: one of them finds it.
func checkRevokeConcurrent(t *testing.T, s control.Store) {
	const workers = 8
	shared, kept := share("shared", 0), share("kept", 1)
	add(t, s, shared)
	add(t, s, kept)
	var wg sync.WaitGroup
	var found atomic.Int32
	for range workers {
		wg.Go(func() {
			err := s.Shares().Revoke(t.Context(), shared.Destination, shared.ID)
			if err == nil {
				found.Add(1)
			} else if !errors.Is(err, fault.NotFound) {
				t.Errorf("revoke: got %v, want fault.NotFound", err)
			}
			wantNoShares(t, s, shared.ID)
		})
	}
	wg.Wait()
	if got := found.Load(); got != 1 {
		t.Errorf("got %d who revoked it, want 1", got)
	}
	wantShareList(t, s, "1", created(0), kept)
}
