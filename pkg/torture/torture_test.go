package torture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inserts []insert
		seen    []uint8
		want    Account
		ok      bool
	}{
		{"all there once", []insert{{0, 1, true}, {1, 2, true}}, []uint8{1, 1, 1}, Account{Acknowledged: 3}, true},
		{"one lost", []insert{{0, 1, true}, {1, 2, true}}, []uint8{1, 1, 0}, Account{Acknowledged: 3, Lost: 1}, false},
		{"one doubled", []insert{{0, 2, true}}, []uint8{1, 2}, Account{Acknowledged: 2, Doubled: 1}, false},
		{"unanswered and absent", []insert{{0, 1, true}, {1, 2, false}}, []uint8{1, 0, 0}, Account{Acknowledged: 1, Unanswered: 2}, true},
		{"unanswered and whole", []insert{{0, 1, true}, {1, 2, false}}, []uint8{1, 1, 1}, Account{Acknowledged: 1, Unanswered: 2}, true},
		{"unanswered and doubled", []insert{{0, 1, true}, {1, 1, false}}, []uint8{1, 2}, Account{Acknowledged: 1, Unanswered: 1, Doubled: 1}, false},
		{"unanswered and torn", []insert{{0, 1, true}, {1, 2, false}}, []uint8{1, 1, 0}, Account{Acknowledged: 1, Unanswered: 2, Torn: 1}, false},
		{"nothing acknowledged proves nothing", []insert{{0, 1, false}}, []uint8{0}, Account{Unanswered: 1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got Account
			c := client{inserts: tt.inserts, seen: tt.seen}
			c.tally(&got)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			got.Kills, got.Replayed, got.Copies = 1, 1, 1
			if got.OK() != tt.ok {
				t.Errorf("OK: got %t, want %t", got.OK(), tt.ok)
			}
		})
	}
	for _, a := range []Account{{Acknowledged: 1, Copies: 1, Replayed: 1}, {Acknowledged: 1, Copies: 1, Kills: 1}, {Acknowledged: 1, Kills: 1, Replayed: 1},
		{Acknowledged: 1, Copies: 1, Kills: 1, Replayed: 1, Orphans: 1}, {Acknowledged: 1, Copies: 1, Kills: 1, Replayed: 1, BadCopies: 1},
		{Acknowledged: 1, Copies: 1, Kills: 1, Replayed: 1, Dead: 1}} {
		if a.OK() {
			t.Errorf("%+v must not pass", a)
		}
	}
}

func TestCopiesAreCompared(t *testing.T) {
	for _, tt := range []struct {
		name, state   string
		rows, numbers int64
		exact         bool
	}{
		{"all there once", "done", 5, 5, true},
		{"one lost", "done", 4, 4, false},
		{"one doubled", "done", 6, 5, false},
		{"one lost, one doubled", "done", 5, 4, false},
		{"failed", "failed", 5, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a Account
			if err := a.copy(job{State: tt.state, Query: fmt.Sprintf(copied, 5)}, tt.rows, tt.numbers); err != nil {
				t.Fatal(err)
			}
			if exact := a == (Account{Copies: 1}); exact != tt.exact {
				t.Errorf("got %+v, want it exact: %t", a, tt.exact)
			}
		})
	}
}

func TestDeadBatchesAreTold(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"batch":"01A","reason":"the blob is missing"}]`)) // the account is what is looked at
	}))
	defer srv.Close()
	var a Account
	var out strings.Builder
	if err := accountDead(t.Context(), &rig.Server{URL: srv.URL, HTTP: srv.Client()}, &a, &out); err != nil {
		t.Fatal(err)
	}
	if a.Dead != 1 || !strings.Contains(out.String(), "batch 01A is dead: the blob is missing") {
		t.Errorf("got %d and %q, want the one batch and why", a.Dead, out.String())
	}
}

func TestNote(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		ok         bool
	}{
		{"a row that was sent", "0,1", true},
		{"a number that was not", "0,2", false},
		{"a client that is not", "1,0", false},
		{"a negative client", "-1,0", false},
		{"not a number", "x,0", false},
		{"no second column", "0", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{seen: make([]uint8, 2)}
			err := note([]*client{c}, []byte(tt.line))
			if (err == nil) != tt.ok {
				t.Errorf("note(%q): %v", tt.line, err)
			}
			if tt.ok && c.seen[1] != 1 {
				t.Errorf("seen %v, want the row counted", c.seen)
			}
		})
	}
}

func TestBodyIsItsRows(t *testing.T) {
	c := &client{id: 3, rng: rand.New(rand.NewPCG(1, 1))}
	var got []int64
	var b bytes.Buffer
	if _, err := c.body(insert{first: 7, rows: 3}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&b)
	for d.More() {
		var row struct {
			C int
			N int64
		}
		if err := d.Decode(&row); err != nil || row.C != 3 {
			t.Fatalf("row %+v: %v", row, err)
		}
		got = append(got, row.N)
	}
	if len(got) != 3 || got[0] != 7 || got[2] != 9 {
		t.Errorf("got rows %v, want 7 to 9", got)
	}
	for range 10_000 {
		if n := c.size(); n < 1 {
			t.Fatalf("size %d", n)
		}
	}
}
