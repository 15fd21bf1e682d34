package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// only returns the content of the one batch in the folder state.
func only(t *testing.T, w *Writer, state string) string {
	t.Helper()
	list := batchesIn(t, w, state)
	if len(list) != 1 {
		t.Fatalf("%s has %d batches, want 1", state, len(list))
	}
	return list[0]
}

// Each # in want stands for the id that the insert gave the row.
func TestInsertWrites(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"object", `{"a":1}`, `{"__row_id":"#","a":1} ` + "\n"},
		{"object with white space", " { \"a\" : 1.50 }\r\n", `{"__row_id":"#","a":1.50} ` + "\n"},
		{"nested object", `{"a":{"b":"x","c":[true,7]}}`, `{"__row_id":"#","a_b":"x","a_c_0":true,"a_c_1":7} ` + "\n"},
		{"array of one", `[{"a":1}]`, `{"__row_id":"#","a":1} ` + "\n"},
		{"array", `[{"a":1},{"b":2},{}]`, `{"__row_id":"#","a":1}` + "\n" + `{"__row_id":"#","b":2}` + "\n" + `{"__row_id":"#"} ` + "\n"},
		{"lines", "{\"a\":1}\n{\"a\":2}\n", `{"__row_id":"#","a":1}` + "\n" + `{"__row_id":"#","a":2} ` + "\n"},
		{"lines without the last end", "{\"a\":1}\n\n{\"a\":2}", `{"__row_id":"#","a":1}` + "\n" + `{"__row_id":"#","a":2} ` + "\n"},
		{"its own row id", `{"a":1,"__row_id":"mine"}`, `{"__row_id":"mine","a":1} ` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, nil)
			in := insert(t, w, tt.body, Options{})
			want := tt.want
			for _, id := range in.RowIDs {
				want = strings.Replace(want, "#", id, 1)
			}
			if got := only(t, w, open); got != want {
				t.Errorf("insert of %s\n got %q\nwant %q", tt.body, got, want)
			}
			if rows := strings.Count(want, "\n"); in.Rows != rows || len(in.RowIDs) != rows {
				t.Errorf("got %d rows and %d ids, want %d", in.Rows, len(in.RowIDs), rows)
			}
		})
	}
}

func TestInsertOfNoRows(t *testing.T) {
	for _, body := range []string{"[]", " [ ]\n"} {
		w := newWriter(t, nil)
		in := insert(t, w, body, Options{})
		if in.Rows != 0 || in.Receipt != "" || in.Batch != "" || in.RowIDs != nil {
			t.Errorf("insert of %q got %+v, want nothing", body, in)
		}
		wantNone(t, w, incoming, open, ready)
		if _, ok := w.Oldest(); ok {
			t.Errorf("insert of %q left a batch", body)
		}
	}
}

// Row ids are given when they are asked for.
func TestRowIDsAreAskedFor(t *testing.T) {
	w := newWriter(t, nil)
	in, err := w.Insert(t.Context(), "d", parseTable(t, "events"), strings.NewReader(`{"a":1}`), Options{})
	if err != nil || in.Rows != 1 || in.RowIDs != nil {
		t.Errorf("got %+v, %v, want one row and no ids", in, err)
	}
}

func TestTooManyRowIDs(t *testing.T) {
	ids := idList{wanted: true, most: maxRowIDs, mostBytes: maxKeyedRowIDBytes, list: make([]string, maxRowIDs-1)}
	each := ids.each()
	each([]byte("last"))
	if err := ids.err(); err != nil {
		t.Errorf("%d ids got %v, want nil", maxRowIDs, err)
	}
	each([]byte("one more"))
	if err := ids.err(); fault.Of(err) != fault.Unprocessable || fault.CodeOf(err) != "too_many_row_ids" {
		t.Errorf("%d ids got %v, want too_many_row_ids", maxRowIDs+1, err)
	}
}

// A receipt names the batch and the place of the insert's rows in it.
func TestReceiptsNameTheirRows(t *testing.T) {
	w := newWriter(t, nil)
	var list []Inserted
	for _, rows := range []int{1, 3, 1, 40, 2} {
		list = append(list, insert(t, w, strings.Repeat("{}\n", rows), Options{}))
	}
	lines := strings.SplitAfter(only(t, w, open), "\n")
	for _, in := range list {
		batch, first, count, err := rowid.ParseReceipt(in.Receipt)
		if err != nil || batch != in.Batch || batch != list[0].Batch || count != in.Rows {
			t.Fatalf("receipt %s got %s, %d, %d, %v, want batch %s and %d rows", in.Receipt, batch, first, count, err, in.Batch, in.Rows)
		}
		for i, id := range in.RowIDs {
			if !strings.Contains(lines[first+i], id) {
				t.Errorf("line %d got %q, want row %s", first+i, lines[first+i], id)
			}
		}
	}
}

// Each destination and table has a batch of its own, in its own folder.
func TestTargetsHaveTheirOwnBatches(t *testing.T) {
	w := newWriter(t, nil)
	want := map[string]bool{}
	for _, destination := range []string{"d", "e"} {
		for _, table := range []string{"events", "a b", "s.events"} {
			in, err := w.Insert(t.Context(), destination, parseTable(t, table), strings.NewReader(`{"a":1}`), Options{})
			if err != nil {
				t.Fatal(err)
			}
			want[destination+"/"+table+"/"+in.Batch+batchSuffix] = true
		}
	}
	files := filesIn(t, w, open)
	for path := range want {
		if _, ok := files[path]; !ok {
			t.Errorf("open has no %s", path)
		}
	}
	if len(files) != len(want) {
		t.Errorf("open has %d files, want %d", len(files), len(want))
	}
}

// broken gives some rows, then an error.
func broken(rows int) io.Reader {
	return io.MultiReader(strings.NewReader(bodyOf(rows)), iotest.ErrReader(errBody))
}

var errBody = errors.New("the client went away")

// bodyOf makes lines of about 100 bytes.
func bodyOf(rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, `{"n":%d,"text":"%s"}`+"\n", i, strings.Repeat("x", 80))
	}
	return b.String()
}

// An insert that fails before it is written leaves nothing: not in the batch of its table, nor in a file of its own,
// nor in memory.
func TestFailedInsertLeavesNothing(t *testing.T) {
	const small, chunks, spilled = 3, 2000, 5000 // rows: below the first flush, in memory, in a file of their own
	want := func(kind fault.Kind) func(error) bool { return func(err error) bool { return fault.Of(err) == kind } }
	for _, tt := range []struct {
		name string
		body func(rows int) io.Reader
		want func(error) bool
	}{
		{"syntax error", func(n int) io.Reader { return strings.NewReader(bodyOf(n) + `{"a":}`) }, want(fault.Invalid)},
		{"cut off", func(n int) io.Reader { return strings.NewReader(bodyOf(n) + `{"a":"`) }, want(fault.Invalid)},
		{"no object", func(n int) io.Reader { return strings.NewReader(bodyOf(n) + `7`) }, want(fault.Invalid)},
		{"reading fails", broken, func(err error) bool { return errors.Is(err, errBody) }},
	} {
		for _, rows := range []int{small, chunks, spilled} {
			t.Run(fmt.Sprintf("%s after %d rows", tt.name, rows), func(t *testing.T) {
				w := newWriter(t, func(c *Config) { c.Inline = 300 << 10 })
				good := insert(t, w, `{"a":1}`, Options{})
				_, err := w.Insert(t.Context(), "d", parseTable(t, "events"), tt.body(rows), Options{})
				if !tt.want(err) {
					t.Errorf("got %v", err)
				}
				wantIDs(t, w, good.RowIDs, open)
				wantNone(t, w, incoming, ready)
				if used := w.budget.used.Load(); used != 0 {
					t.Errorf("%d bytes of the budget are in use, want 0", used)
				}
				next := insert(t, w, `{"a":2}`, Options{})
				wantIDs(t, w, append(good.RowIDs, next.RowIDs...), open)
			})
		}
	}
}

func TestCanceledInsertLeavesNothing(t *testing.T) {
	for _, rows := range []int{1, 5000} {
		w := newWriter(t, func(c *Config) { c.Inline = 300 << 10 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := w.Insert(ctx, "d", parseTable(t, "events"), strings.NewReader(bodyOf(rows)), Options{})
		if fault.Of(err) != fault.Canceled {
			t.Errorf("%d rows got %v, want canceled", rows, err)
		}
		wantNone(t, w, incoming, open, ready)
	}
}
