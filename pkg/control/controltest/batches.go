package controltest

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func checkShipped(t *testing.T, s control.Store) {
	b := batch(t, "a", 0)
	ship(t, s, b)
	wantBatch(t, s, b)
	// Its state is what the call says, whatever is in b.
	other := batch(t, "b", 1)
	given := other
	given.State, given.Attempts, given.Rescued, given.Reason, given.Settled = control.StateLoaded, 7, 7, "none", created(7)
	ship(t, s, given)
	wantBatch(t, s, other)
	wantBatch(t, s, b)
}

func checkShippedKnown(t *testing.T, s control.Store) {
	for i, state := range states {
		if state.name == "forgotten" {
			continue
		}
		t.Run(state.name, func(t *testing.T) {
			state.make(t, s, batch(t, state.name, i))
			want := find(t, s, state.name)
			again := control.Batch{ID: state.name, Destination: "2", Table: table(t, "other"), Rows: 11, Bytes: 12,
				Message: []byte("other"), Created: created(-1)}
			for range 2 {
				ship(t, s, again)
				got := find(t, s, state.name)
				wantSame(t, got, want)
				if !got.Settled.Equal(want.Settled) {
					t.Errorf("settled: got %v, want %v", got.Settled, want.Settled)
				}
			}
		})
	}
}

func checkAttempt(t *testing.T, s control.Store) {
	a, b := batch(t, "a", 0), batch(t, "b", 1)
	ship(t, s, a)
	ship(t, s, b)
	attempt(t, s, b)
	for n := 1; n <= 20; n++ {
		got, err := s.Batches().Attempt(t.Context(), a)
		if err != nil || got.Attempts != n {
			t.Fatalf("attempt: got %d and %v, want %d", got.Attempts, err, n)
		}
		a.Attempts = n
		wantSame(t, got, a)
		wantBatch(t, s, a)
	}
	b.Attempts = 1
	wantBatch(t, s, b)
}

func checkAttemptReturns(t *testing.T, s control.Store) {
	for i, state := range states {
		if state.name == "forgotten" {
			continue
		}
		t.Run(state.name, func(t *testing.T) {
			state.make(t, s, batch(t, state.name, i))
			want := find(t, s, state.name)
			want.Attempts++
			// What the caller has may be less than what is known.
			got, err := s.Batches().Attempt(t.Context(), control.Batch{ID: state.name, Destination: "2", Rows: 99, Created: created(99)})
			if err != nil || !got.Settled.Equal(want.Settled) {
				t.Errorf("got settled %v and %v, want %v", got.Settled, err, want.Settled)
			}
			wantSame(t, got, want)
			wantBatch(t, s, want)
		})
	}
}

func checkAttemptUnknown(t *testing.T, s control.Store) {
	b := batch(t, "a", 0)
	got, err := s.Batches().Attempt(t.Context(), b)
	if err != nil {
		t.Fatalf("attempt: %v", err)
	}
	b.Attempts = 1
	wantSame(t, got, b)
	ship(t, s, b) // the note of the shipper, who comes late
	wantBatch(t, s, b)
	wantPending(t, s, 1, b.Created)
}

func checkLoaded(t *testing.T, s control.Store) {
	for i, state := range states {
		if state.name == "forgotten" || state.name == "loaded" {
			continue
		}
		t.Run(state.name, func(t *testing.T) {
			state.make(t, s, batch(t, state.name, i))
			want := find(t, s, state.name)
			settle(t, s, state.name, control.Outcome{State: control.StateLoaded, Rows: 8, Rescued: 3})
			got := find(t, s, state.name)
			want.State, want.Rows, want.Rescued, want.Settled = control.StateLoaded, 8, 3, got.Settled
			want.Reason, want.Message = got.Reason, got.Message // of no use to a batch that is loaded
			wantSame(t, got, want)
			if got.Settled.IsZero() {
				t.Error("settled: got zero, want when it was loaded")
			}
		})
	}
	wantDead(t, s, "")
	wantPending(t, s, 0, time.Time{})
}

func checkDead(t *testing.T, s control.Store) {
	for i, state := range []string{"shipped", "tried", "failed", "revived"} {
		t.Run(state, func(t *testing.T) {
			for _, known := range states {
				if known.name == state {
					known.make(t, s, batch(t, state, i))
				}
			}
			want := find(t, s, state)
			settle(t, s, state, control.Outcome{State: control.StateDead, Rows: 99, Rescued: 99, Reason: "its table is gone"})
			want.State, want.Reason, want.Settled = control.StateDead, "its table is gone", time.Now()
			wantBatch(t, s, want)
		})
	}
	wantDead(t, s, "", "shipped", "tried", "failed", "revived")
	wantPending(t, s, 0, time.Time{})
}

func checkFailed(t *testing.T, s control.Store) {
	want := batch(t, "a", 0)
	ship(t, s, want)
	for _, reason := range []string{"destination is down", "destination is slow", ""} {
		settle(t, s, "a", control.Outcome{State: control.StateShipped, Rows: 99, Rescued: 99, Reason: reason})
		want.Reason = reason
		wantBatch(t, s, want)
	}
	wantPending(t, s, 1, want.Created)
}

func checkLoadedStays(t *testing.T, s control.Store) {
	load(t, s, batch(t, "a", 0))
	want := find(t, s, "a")
	for _, o := range []control.Outcome{
		{State: control.StateLoaded, Rows: 1, Rescued: 1},
		{State: control.StateShipped, Reason: "slower try"},
		{State: control.StateDead, Reason: "slower try"},
	} {
		settle(t, s, "a", o)
		got := find(t, s, "a")
		wantSame(t, got, want)
		if !got.Settled.Equal(want.Settled) {
			t.Errorf("settled after %s: got %v, want %v", o.State, got.Settled, want.Settled)
		}
	}
	wantDead(t, s, "")
	wantPending(t, s, 0, time.Time{})
}

func checkLoadedAgain(t *testing.T, s control.Store) {
	load(t, s, batch(t, "a", 0))
	for _, state := range []control.State{control.StateLoaded, control.StateShipped, control.StateDead, control.StateLoaded} {
		if err := s.Batches().Settle(t.Context(), "a", control.Outcome{State: state, Rows: 9}); err != nil {
			t.Errorf("as %s: got %v, want no error", state, err)
		}
	}
}

func checkSettleUnknown(t *testing.T, s control.Store) {
	load(t, s, batch(t, "a", 0))
	for _, state := range []control.State{control.StateLoaded, control.StateShipped, control.StateDead} {
		if err := s.Batches().Settle(t.Context(), "b", control.Outcome{State: state}); !errors.Is(err, fault.NotFound) {
			t.Errorf("as %s: got %v, want fault.NotFound", state, err)
		}
	}
	wantUnknown(t, s, "b")
}

func checkFind(t *testing.T, s control.Store) {
	wantUnknown(t, s, "a")
	ids := []string{"a", "A", "a ", "a%", "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2C", "message-ümläut", "quote'\"--"}
	for i, id := range ids {
		ship(t, s, batch(t, id, i))
	}
	for i, id := range ids {
		wantBatch(t, s, batch(t, id, i))
	}
	for _, id := range []string{"", "b", "01j8zq4t3y5v6w7x8y9z0a1b2c", "%", strings.Repeat("a", 1000)} {
		wantUnknown(t, s, id)
	}
}

func checkPendingCount(t *testing.T, s control.Store) {
	wantPending(t, s, 0, time.Time{})
	everyState(t, s) // shipped, tried, failed, revived
	wantPending(t, s, 4, created(0))
	for _, id := range []string{"shipped", "tried"} {
		settle(t, s, id, control.Outcome{State: control.StateLoaded})
	}
	settle(t, s, "failed", control.Outcome{State: control.StateDead, Reason: "r"})
	n, _, err := s.Batches().Pending(t.Context())
	if err != nil || n != 1 {
		t.Errorf("got %d and %v, want 1", n, err)
	}
}

func checkPendingOldest(t *testing.T, s control.Store) {
	for _, n := range []int{5, 3, 9} {
		ship(t, s, batch(t, string(rune('0'+n)), n))
	}
	wantPending(t, s, 3, created(3))
	settle(t, s, "3", control.Outcome{State: control.StateDead, Reason: "r"})
	wantPending(t, s, 2, created(5))
	settle(t, s, "5", control.Outcome{State: control.StateLoaded})
	wantPending(t, s, 1, created(9))
	revive(t, s, "3")
	wantPending(t, s, 2, created(3))
	settle(t, s, "3", control.Outcome{State: control.StateLoaded})
	settle(t, s, "9", control.Outcome{State: control.StateLoaded})
	wantPending(t, s, 0, time.Time{})
}

func checkWaiting(t *testing.T, s control.Store) {
	wantWaiting := func(want map[string]int64) {
		t.Helper()
		if got, err := s.Batches().Waiting(t.Context()); err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v and %v waiting, want %v", got, err, want)
		}
	}
	wantWaiting(map[string]int64{})
	for i, of := range []string{"1", "2", "1", "1"} {
		b := batch(t, string(rune('a'+i)), i)
		b.Destination, b.Bytes = of, 1<<(40+i)
		ship(t, s, b)
	}
	wantWaiting(map[string]int64{"1": 1<<40 + 1<<42 + 1<<43, "2": 1 << 41})
	settle(t, s, "a", control.Outcome{State: control.StateDead, Reason: "r"})
	settle(t, s, "b", control.Outcome{State: control.StateLoaded})
	settle(t, s, "c", control.Outcome{State: control.StateShipped, Reason: "r"})
	wantWaiting(map[string]int64{"1": 1<<40 + 1<<42 + 1<<43})
	forget := s.Dead().Forget(t.Context(), "a")
	if forget != nil {
		t.Error(forget)
	}
	wantWaiting(map[string]int64{"1": 1<<42 + 1<<43})
}

func checkMessages(t *testing.T, s control.Store) {
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
	}
	for name, message := range map[string]string{
		"none": "", "every byte": all.String(), "zeros": "\x00\x00", "not UTF-8": "\xff\xfe", "quotes": `'"\''--`,
		"large": strings.Repeat("0123456789", 50_000),
	} {
		b := batch(t, name, 0)
		b.Message = []byte(message)
		ship(t, s, b)
		for i := range b.Message {
			b.Message[i] = '?' // the caller may use its memory again
		}
		attempt(t, s, b)
		settle(t, s, name, control.Outcome{State: control.StateShipped, Reason: "r"})
		settle(t, s, name, control.Outcome{State: control.StateDead, Reason: "r"})
		if got := find(t, s, name).Message; string(got) != message {
			t.Errorf("%s: got %.40q of %d bytes, want %.40q of %d", name, got, len(got), message, len(message))
		}
	}
	nothing := batch(t, "nothing", 0)
	nothing.Message = nil
	ship(t, s, nothing)
	wantBatch(t, s, nothing)
}

func checkReasons(t *testing.T, s control.Store) {
	for name, reason := range map[string]string{
		"empty": "", "lines": "one\ntwo\r\n\tthree", "quotes": `'"\''--`, "not ASCII": "ümläut 漢字 🦆",
		"long": strings.Repeat("a reason that has much to say; ", 20_000),
	} {
		ship(t, s, batch(t, name, 0))
		for _, state := range []control.State{control.StateShipped, control.StateDead} {
			settle(t, s, name, control.Outcome{State: state, Reason: reason})
			if got := find(t, s, name).Reason; got != reason {
				t.Errorf("%s, %s: got %.40q of %d bytes, want %.40q of %d", name, state, got, len(got), reason, len(reason))
			}
		}
	}
}

func checkTables(t *testing.T, s control.Store) {
	for i, tt := range []struct{ id, destination, table string }{
		{"plain", "1", "events"},
		{"of a schema", "2", "raw.events"},
		{"odd", "dest'ination \"2\"", "Big Table-1._x"},
		{"none", "", ""}, // as of a message that could not be read
	} {
		b := batch(t, tt.id, i)
		b.Destination, b.Table = tt.destination, schema.Table{}
		if tt.table != "" {
			b.Table = table(t, tt.table)
		}
		ship(t, s, b)
		wantBatch(t, s, b)
		if got := find(t, s, tt.id).Table; got != b.Table {
			t.Errorf("%s: got table %#v, want %#v", tt.id, got, b.Table)
		}
	}
}

func checkCreated(t *testing.T, s control.Store) {
	for name, want := range moments() {
		b := batch(t, name, 0)
		b.Created = want
		ship(t, s, b)
		got := find(t, s, name).Created
		if d := want.Sub(got); d < 0 || d >= exact || got.IsZero() != want.IsZero() {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func checkSettled(t *testing.T, s control.Store) {
	before := time.Now().Add(-time.Minute) // the store's clock may be another's
	everyState(t, s)
	for _, tt := range []struct {
		id   string
		want bool
	}{{"shipped", false}, {"tried", false}, {"failed", false}, {"loaded", true}, {"dead", true}, {"revived", false}} {
		got := find(t, s, tt.id).Settled
		if got.IsZero() == tt.want {
			t.Errorf("%s: got %v, want it settled: %t", tt.id, got, tt.want)
		}
		if tt.want && (got.Before(before) || got.After(time.Now().Add(time.Minute))) {
			t.Errorf("%s: got %v, want about now", tt.id, got)
		}
	}
}

func checkSettledExact(t *testing.T, s control.Store) {
	everyState(t, s)
	for _, id := range []string{"loaded", "dead"} {
		want := find(t, s, id).Settled
		text, err := json.Marshal(want)
		var back time.Time
		if err := errors.Join(err, json.Unmarshal(text, &back)); err != nil {
			t.Fatal(err)
		}
		tried, err := s.Batches().Attempt(t.Context(), control.Batch{ID: id})
		if err != nil {
			t.Fatalf("attempt: %v", err)
		}
		for where, got := range map[string]time.Time{"JSON": back, "Attempt": tried.Settled, "Find": find(t, s, id).Settled} {
			if !got.Equal(want) {
				t.Errorf("%s by %s: got %v, want %v", id, where, got, want)
			}
		}
	}
	list, err := s.Dead().List(t.Context(), "")
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	for _, b := range list {
		if want := find(t, s, b.ID).Settled; !b.Settled.Equal(want) {
			t.Errorf("%s by List: got %v, want %v", b.ID, b.Settled, want)
		}
	}
}

func checkDeaths(t *testing.T, s control.Store) {
	bury(t, s, batch(t, "a", 0))
	last := find(t, s, "a").Settled
	for range 3 {
		revive(t, s, "a")
		settle(t, s, "a", control.Outcome{State: control.StateDead, Reason: "again"})
		got := find(t, s, "a")
		if !got.Settled.After(last) || got.Reason != "again" {
			t.Errorf("got %v, reason %q, want later than %v, reason %q", got.Settled, got.Reason, last, "again")
		}
		last = got.Settled
	}
}
