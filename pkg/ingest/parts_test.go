package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// partsText prints parts as table=rows(columns), in order, without the columns that link them.
func partsText(list []schema.Part) string {
	var all []string
	for _, p := range list {
		var seen []schema.Seen
		for _, s := range p.Seen {
			if s.Name != "id" && !strings.HasSuffix(s.Name, "_id") {
				seen = append(seen, s)
			}
		}
		all = append(all, fmt.Sprintf("%s=%d(%s)", p.Table, p.Rows, seenText(seen)))
	}
	return strings.Join(all, " ")
}

var multitable = Options{Mode: flatten.Multitable}

// The tables are named so that the order of their first rows is not that of their names.
const (
	partsOne = `{"a":1,"zoo":[{"z":1},{"z":"x"}],"bar":{"b":true}}`
	partsTwo = `[{"a":"x","bar":[1.5]},{"app":{"zoo":{"y":1}}}]`
)

// What both have for other tables, and how many rows there are in all.
const (
	partsOfBoth = "app=1() bar=2(b:bool bar:float) zoo=3(z:int|text y:int)"
	rowsOfBoth  = 9
)

// What a batch has for other tables is known by table, whatever way it came to be ready.
func TestPartsOfABatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   func(t *testing.T, l *lives)
	}{
		{"sealed", func(_ *testing.T, l *lives) { l.seal() }},
		{"recovered from open", func(_ *testing.T, l *lives) { l.crash() }},
		{"sealed, then a crash", func(_ *testing.T, l *lives) { l.seal(); l.crash() }},
		{"sealed, without a sidecar", func(t *testing.T, l *lives) { l.seal(); dropSidecars(t, l.w); l.crash() }},
		{"recovered, without a sidecar", func(t *testing.T, l *lives) { l.crash(); dropSidecars(t, l.w) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLives(t)
			one, two := l.first("", partsOne, multitable), l.first("key", partsTwo, multitable)
			if one.Rows != 4 || two.Rows != 5 || one.Batch != two.Batch {
				t.Errorf("got %+v and %+v, want 4 and 5 rows in one batch", one, two)
			}
			tt.to(t, l)
			r := next(t, l.w)
			if got := partsText(r.Parts); got != partsOfBoth {
				t.Errorf("got parts %s\nwant      %s", got, partsOfBoth)
			}
			if got := seenText(r.Seen[len(r.Seen)-1:]); r.Rows != rowsOfBoth || r.Table != events || !strings.HasPrefix(got, "a:") && got != "id:text" {
				t.Errorf("got %d rows of %s with columns %s, want %d", r.Rows, r.Table, seenText(r.Seen), rowsOfBoth)
			}
			wantTagged(t, readFile(t, r.Path), map[string]int{"": 3, "app": 1, "bar": 2, "zoo": 3})
		})
	}
}

func dropSidecars(t *testing.T, w *Writer) {
	t.Helper()
	n := 0
	for path := range filesIn(t, w, ready) {
		if strings.HasSuffix(path, sidecarSuffix) {
			n++
			if err := os.Remove(w.cfg.Dir + "/" + ready + "/" + path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n == 0 {
		t.Fatal("there is no sidecar")
	}
}

// wantTagged wants so many lines of each table.
func wantTagged(t *testing.T, content string, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for line := range strings.Lines(content) {
		tag, _, ok := strings.Cut(strings.TrimPrefix(line, `{"__table":"`), `"`)
		if !ok || !strings.HasPrefix(line, `{"__table":"`) {
			tag = ""
		}
		got[tag]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got lines of tables %v, want %v", got, want)
	}
}

// The parts of a batch of its own are in the same order with its sidecar as without: the ids under which they are loaded
// are made of it.
func TestPartsOfAnOwnBatch(t *testing.T) {
	l := newLives(t)
	in := l.first("", strings.Repeat(partsOne+`{"a":"x","bar":[1.5]}{"app":{"zoo":{"y":1}}}`, 1000), multitable)
	r := next(t, l.w)
	want := "app=1000() bar=2000(b:bool bar:float) zoo=3000(z:int|text y:int)"
	if got := partsText(r.Parts); got != want || r.Batch != in.Batch || r.Rows != 9000 || in.Rows != 9000 {
		t.Errorf("got %d rows with parts %s\nwant      %s", r.Rows, got, want)
	}
	dropSidecars(t, l.w)
	l.crash()
	r = next(t, l.w)
	if got := partsText(r.Parts); got != want || r.Rows != 9000 {
		t.Errorf("scanned, got %d rows with parts %s\nwant      %s", r.Rows, got, want)
	}
}

// A batch with rows for many tables, or for a table of many columns, is full.
func TestRotationByParts(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		change       func(c *Config)
		bodies       []string // the last fills the batch
	}{
		{"tables", "tables", func(c *Config) { c.Limits.Tables = 3 }, []string{`{"p":{},"q":{}}`, `{"q":{},"r":{}}`, `{"s":{}}`}},
		{"columns of another table", "columns", func(c *Config) { c.Limits.Columns = 6 },
			[]string{`{"p":{"a":1,"b":1}}`, `{"p":{"b":1,"c":1,"d":1}}`, `{"q":{"e":1,"f":1,"g":1}}`, `{"p":{"e":1}}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, func(c *Config) {
					c.MaxAge = time.Hour
					tt.change(c)
				})
				defer running(t, w)()
				var all []Inserted
				for _, body := range tt.bodies {
					wantReady(t, w, 0)
					all = append(all, insert(t, w, body, multitable))
				}
				wantReady(t, w, 1)
				wantIDs(t, w, concat(all...), ready)
				if got := testutil.ToFloat64(w.metrics.sealed.WithLabelValues(tt.reason)); got != 1 {
					t.Errorf("got %v batches sealed by %s, want 1", got, tt.reason)
				}
			})
		})
	}
}

// Without a table the body names it.
func TestEnvelope(t *testing.T) {
	for _, tt := range []struct {
		name, body, table string
		mode              flatten.Mode
		parts             string
		rows              int
	}{
		{"an object", `{"table":"orders","data":{"a":1}}`, "orders", 0, "", 1},
		{"an array, the table last", `{"data":[{"a":1},{"a":2}],"table":"s.orders"}`, "s.orders", 0, "", 2},
		{"other tables", `{"data":[{"a":1,"items":[{"q":1},{"q":2}]}],"table":"s.orders"}`, "s.orders", flatten.Multitable, "s.items=2(q:int)", 3},
		{"no rows", `{"table":"orders","data":[]}`, "", 0, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, nil)
			o := Options{Mode: tt.mode, Key: "key"}
			for again := range 2 {
				in, err := w.Insert(t.Context(), "d", schema.Table{}, strings.NewReader(tt.body), o)
				if err != nil || in.Rows != tt.rows || in.Replayed != (again > 0) {
					t.Fatalf("got %+v, %v, want %d rows", in, err, tt.rows)
				}
			}
			sealAll(w)
			if tt.rows == 0 {
				wantNone(t, w, open, ready, incoming)
				return
			}
			r := next(t, w)
			if r.Table.String() != tt.table || r.Rows != int64(tt.rows) || partsText(r.Parts) != tt.parts {
				t.Errorf("got %d rows of table %s with parts %q", r.Rows, r.Table, partsText(r.Parts))
			}
			if d, table, ok := w.Find(r.Batch); !ok || d != "d" || table != r.Table {
				t.Errorf("the batch is of %s, %s, %v", d, table, ok)
			}
		})
	}
}

func TestBadEnvelopeStoresNothing(t *testing.T) {
	for _, tt := range []struct{ name, body, code string }{
		{"a path for a table", `{"table":"../../etc","data":{"a":1}}`, ""},
		{"a path for a table, after the rows", `{"data":[{"a":1}],"table":"a/b"}`, ""},
		{"no table", `{"data":[{"a":1}]}`, "bad_envelope"},
		{"no data", `{"table":"orders"}`, "bad_envelope"},
		{"a row", `{"a":1}`, "bad_envelope"},
		{"an array", `[{"a":1}]`, "bad_envelope"},
		{"two tables", `{"table":"orders","data":{"a":1},"table":"other"}`, "bad_envelope"},
		{"cut", `{"table":"orders","data":[{"a":1}]`, ""},
		{"something follows", `{"table":"orders","data":[{"a":1}]}{}`, ""},
	} {
		for _, mode := range []flatten.Mode{flatten.Horizontal, flatten.Multitable} {
			t.Run(tt.name+", "+mode.String(), func(t *testing.T) {
				w := newWriter(t, nil)
				in, err := w.Insert(t.Context(), "d", schema.Table{}, strings.NewReader(tt.body), Options{Mode: mode})
				if fault.Of(err) != fault.Invalid || tt.code != "" && fault.CodeOf(err) != tt.code || in.Rows != 0 {
					t.Errorf("got %+v, %v, code %s, want invalid, %s", in, err, fault.CodeOf(err), tt.code)
				}
				sealAll(w)
				wantNone(t, w, open, ready, incoming)
			})
		}
	}
}
