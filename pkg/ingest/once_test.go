package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
)

// stages are where an insert may be when it is sent again.
var stages = []struct {
	name string
	to   func(l *lives)
}{
	{"open", func(*lives) {}},
	{"ready", (*lives).seal},
	{"shipped", func(l *lives) { l.seal(); l.ship() }},
	{"open, then a crash", (*lives).crash},
	{"ready, then a crash", func(l *lives) { l.seal(); l.crash() }},
	{"shipped, then a crash", func(l *lives) { l.seal(); l.ship(); l.crash() }},
	{"open, a crash, shipped, a crash", func(l *lives) { l.crash(); l.ship(); l.crash() }},
}

// kindsOfInserts are inserts that keep their keys in different ways.
var kindsOfInserts = []struct {
	name, body string
	rows       int
	o          Options
}{
	{"a row", `{"a":1}`, 1, Options{}},
	{"a row without columns", `{}`, 1, Options{RowIDs: true}},
	{"rows", `[{"a":1},{"b":"x"},{}]`, 3, Options{RowIDs: true}},
	{"rows, from memory", `{"a":1}{"a":2}`, 2, Options{Ack: AckMemory, RowIDs: true}},
	{"ids of its own", `[{"__row_id":"a\"b\\"},{"__row_id":"caf\u00e9"},{"__row_id":7}]`, 3, Options{RowIDs: true}},
	{"rescued values", `{"a":1,"__rescued":7,"__insert":"00"}`, 1, Options{RowIDs: true}},
	{"no rows", `[]`, 0, Options{RowIDs: true}},
	{"a batch of its own", bodyOf(rowsOfOwn), rowsOfOwn, Options{}},
	{"a batch of its own, with ids", bodyOf(rowsOfOwn), rowsOfOwn, Options{RowIDs: true}},
	{"other tables", `{"a":1,"b":[{"c":2},{"c":3}]}`, 3, Options{Mode: flatten.Multitable, RowIDs: true}},
	{"other tables, a batch of its own", strings.Repeat(`{"text":"0123456789012345678901234567890123456789","z":[1],"b":{"c":2}}`, 1000), 3000,
		Options{Mode: flatten.Multitable, RowIDs: true}},
}

// The same insert under the same key is answered as it was the first time, and not stored, wherever its rows are.
func TestReplay(t *testing.T) {
	for _, kind := range kindsOfInserts {
		for _, stage := range stages {
			t.Run(kind.name+", "+stage.name, func(t *testing.T) {
				l := newLives(t)
				l.first("before", `{"x":1}`, Options{})
				in := l.first("key", kind.body, kind.o)
				if in.Rows != kind.rows || kind.o.RowIDs && len(in.RowIDs) != kind.rows {
					t.Errorf("got %d rows and %d ids, want %d", in.Rows, len(in.RowIDs), kind.rows)
				}
				l.first("after", `{"x":2}`, Options{})
				stage.to(l)
				l.again("key", kind.body, kind.o, in)
				l.reused("key", `{"other":1}`, kind.o)
				l.first("another key", `{"x":3}`, Options{})
				l.seal()
				l.ship()
				l.wantRows(kind.rows + 3)
				l.again("key", kind.body, kind.o, in)
				wantNoClaims(t, l.w)
				if got := testutil.ToFloat64(l.w.metrics.replays.WithLabelValues("d")); got != 2 {
					t.Errorf("metrics say %v replays, want 2", got)
				}
			})
		}
	}
}

// What differs makes it another insert, and that is refused; another destination has keys of its own.
func TestKeyOfAnotherInsert(t *testing.T) {
	for _, tt := range []struct {
		name, destination, table, body string
		mode                           flatten.Mode
		other                          bool // it is another key
	}{
		{"another body", "d", "events", `{"a":2}`, 0, false},
		{"the same value, written differently", "d", "events", `{"a": 1}`, 0, false},
		{"a longer body", "d", "events", `{"a":1} `, 0, false},
		{"a body that is none", "d", "events", `{"a":`, 0, false},
		{"no body", "d", "events", ``, 0, false},
		{"another table", "d", "other", `{"a":1}`, 0, false},
		{"another mode", "d", "events", `{"a":1}`, flatten.Vertical, false},
		{"another destination", "e", "events", `{"a":1}`, 0, true},
	} {
		for _, stage := range stages {
			t.Run(tt.name+", "+stage.name, func(t *testing.T) {
				l := newLives(t)
				l.first("key", `{"a":1}`, Options{})
				stage.to(l)
				in, err := l.w.Insert(t.Context(), tt.destination, parseTable(t, tt.table), strings.NewReader(tt.body),
					Options{Key: "key", Mode: tt.mode})
				if !tt.other {
					wantReused(t, in, err)
					l.wantRows(1)
					return
				}
				if err != nil || in.Replayed || in.Rows != 1 {
					t.Errorf("got %+v, %v, want it stored", in, err)
				}
				l.wantRows(2)
			})
		}
	}
}

// Ids are remembered up to a number of rows. Past it the insert fails, and its key is free.
func TestTooManyRowIDsToRemember(t *testing.T) {
	ofBytes := func(n int) string {
		return fmt.Sprintf(`{"__row_id":"%s"}{"__row_id":"%s"}`, strings.Repeat("x", n/2), strings.Repeat("y", n-n/2))
	}
	for _, tt := range []struct {
		name, body string
		rows       int
		fits       bool
	}{
		{"as many as may be", strings.Repeat("{}", maxKeyedRowIDs), maxKeyedRowIDs, true},
		{"one more", strings.Repeat("{}", maxKeyedRowIDs+1), maxKeyedRowIDs + 1, false},
		{"as long as may be", ofBytes(maxKeyedRowIDBytes), 2, true},
		{"a byte longer", ofBytes(maxKeyedRowIDBytes + 1), 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLives(t)
			in, err := l.keyed("key", tt.body, Options{RowIDs: true})
			if tt.fits {
				if err != nil {
					t.Fatal(err)
				}
				l.crash()
				l.again("key", tt.body, Options{RowIDs: true}, in)
				l.wantRows(tt.rows)
				return
			}
			if fault.CodeOf(err) != "too_many_row_ids" || fault.Of(err) != fault.Unprocessable {
				t.Errorf("got %+v, %v, want too_many_row_ids", in, err)
			}
			l.wantRows(0)
			wantNone(t, l.w, incoming, open, ready)
			l.first("key", tt.body, Options{}) // without ids
			l.wantRows(tt.rows)
		})
	}
}

// A key is for an insert, not for its rows: without one nothing is remembered.
func TestWithoutKey(t *testing.T) {
	l := newLives(t)
	for range 2 {
		l.first("", `{"a":1}`, Options{})
	}
	l.seal()
	l.ship()
	l.wantRows(2)
	if n := l.keys.count(); n != 0 {
		t.Errorf("%d keys are remembered, want 0", n)
	}
	if text := strings.Join(l.shipped, ""); strings.Contains(text, "__insert") {
		t.Errorf("got %q, want no mark", text)
	}
}
