package flatten

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// capCase is a body that has rows, or is refused with a code at a place.
type capCase struct {
	name, in string
	rows     int
	at       string // where it is refused; empty when it is not
}

// check runs a case, cold and warm, whole and in pieces, and afterwards a body that is always fine.
func (c capCase) check(t *testing.T, l Limits, mode Mode, kind fault.Kind, code string) {
	t.Helper()
	o := Options{Mode: mode, Table: mustTable("t")}
	f := New(l)
	for _, f := range []*Flattener{f, f, small(4, l), small(64, l)} {
		r, err := flattenBody(f, o, strings.NewReader(c.in))
		if c.at == "" && (err != nil || r.rows != c.rows) {
			t.Errorf("%s: %.200s\n got %d rows, %v; want %d", c.name, c.in, r.rows, err, c.rows)
		}
		if c.at != "" && (!errors.Is(err, kind) || fault.CodeOf(err) != code || !strings.HasSuffix(place(err), c.at)) {
			t.Errorf("%s: %.200s\n got %v, %s: %v\nwant %v, %s %s", c.name, c.in, fault.Of(err), fault.CodeOf(err), err, kind, code, c.at)
		}
		if r, err := flattenBody(f, o, strings.NewReader(`{"x":1}`)); err != nil || r.rows != 1 {
			t.Errorf("%s: afterwards got %d rows, %v", c.name, r.rows, err)
		}
	}
}

// place is the part of a mistake's text that says where it is.
func place(err error) string {
	text := fault.TextOf(err)
	at := strings.LastIndex(text, "at byte ")
	if at < 0 {
		return text
	}
	for _, rest := range []string{" is larger than ", " are larger than "} {
		text, _, _ = strings.Cut(text, rest)
	}
	return text[at:]
}

func TestRowsCap(t *testing.T) {
	l := DefaultLimits()
	l.Rows = 6
	pairs := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(`"k%d":[1,2]`, i))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for _, c := range []capCase{
		{"an array of the limit", `{"a":[1,2,3,4,5,6]}`, 6, ""},
		{"an array of one more", `{"a":[1,2,3,4,5,6,7]}`, 0, "at byte 18 (line 1)"},
		{"a product of the limit", `{"a":[1,2],"b":[1,2,3]}`, 6, ""},
		{"a product beyond it", "{}\n" + `{"a":[1,2],"b":[1,2],"c":[1,2]}`, 0, "at byte 3 (line 2)"},
		{"a sum of the limit", `{"a":[[1,2],[3,4],[5],[]]}`, 6, ""},
		{"a sum of one more", `[{"a":[[1,2],[3,4],[5],[[]],[]]}]`, 0, "at byte 1"},
		{"a product inside an array", `{"a":[{"b":[1,2],"c":[1,2]},{"b":[1,2]}]}`, 6, ""},
		{"one more inside an array", `{"a":[{"b":[1,2],"c":[1,2]},{"b":[1,2,3]}]}`, 0, "at byte 0 (line 1)"},
		{"empty arrays are one each", `{"a":[[],[],[]],"b":[],"c":[[]],"d":[{},{}],"e":{}}`, 6, ""},
		{"what is kept as text", `{"__rescued":[1,2,3,4,5,6,7],"__batch_file":[1,2]}`, 1, ""},
		{"a key twice multiplies too", `{"a":[1,2],"a":[1,2,3]}`, 6, ""},
		{"each object has the limit", strings.Repeat(`{"a":[1,2,3,4,5,6]}`, 3), 18, ""},
		{"a product of 2 to the 32", pairs(32), 0, "at byte 0 (line 1)"},
		{"a product of 2 to the 63", pairs(63), 0, "at byte 0 (line 1)"},
		{"a product of 2 to the 64", pairs(64), 0, "at byte 0 (line 1)"},
		{"a product of 2 to the 70", pairs(70), 0, "at byte 0 (line 1)"},
	} {
		c.check(t, l, Vertical, fault.Unprocessable, "too_many_rows")
	}
	// Only Vertical makes rows of arrays in this way.
	for _, mode := range []Mode{Horizontal, Multitable, None} {
		if _, err := flattenBody(New(l), Options{Mode: mode, Table: mustTable("t")}, strings.NewReader(pairs(70))); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// An array that is too long is refused when that is known, not when it has ended.
func TestEndlessArray(t *testing.T) {
	l := DefaultLimits()
	for _, rows := range []int{6, 100_000} {
		l.Rows = rows
		body := &endless{next: "1,"}
		f := small(64, l)
		_, err := flattenBody(f, Options{Mode: Vertical}, io.MultiReader(strings.NewReader(`{"a":[`), body))
		want := fmt.Sprintf("at byte %d (line 1)", len(`{"a":[`)+2*rows)
		if fault.CodeOf(err) != "too_many_rows" || place(err) != want {
			t.Errorf("got %v, want too_many_rows %s", err, want)
		}
		if most := 4*rows + 64; body.read > most {
			t.Errorf("%d bytes were read, want at most %d", body.read, most)
		}
		if cap(f.items) > keepSize/itemSize || len(f.in.mem) > keepSize+pad {
			t.Errorf("%d items and %d bytes are kept", cap(f.items), len(f.in.mem))
		}
	}
}

// endless reads the same for ever.
type endless struct {
	next string
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.next[(e.read+i)%len(e.next)]
	}
	e.read += len(b)
	return len(b), nil
}

func TestTablesCap(t *testing.T) {
	l := DefaultLimits()
	l.Tables = 3
	const three = `{"a":{},"b":[{}],"c":[1]`
	// Tables of objects count before those of arrays that have none, so that c is the one too many when d has an object.
	for _, c := range []capCase{
		{"the limit", three + `}`, 4, ""},
		{"one more object", three + `,"d":{}}`, 0, "at byte 21 (line 1)"},
		{"one more array of objects", three + `,"d":[{}]}`, 0, "at byte 21 (line 1)"},
		{"one more array of scalars", three + `,"d":[1]}`, 0, "at byte 29 (line 1)"},
		{"one more array of null", three + `,"d":[null]}`, 0, "at byte 29 (line 1)"},
		{"one more array of arrays", three + `,"d":[[]]}`, 0, "at byte 29 (line 1)"},
		{"one more below", `{"a":{"b":{"c":{"d":[1]}}}}`, 0, "at byte 20 (line 1)"},
		{"an empty array is no table", three + `,"d":[],"e":[]}`, 4, ""},
		{"an empty array between", `{"z":[],"a":{},"b":[{}],"c":[1]}`, 4, ""},
		{"the own table does not count", three + `,"t":{}}`, 5, ""},
		{"nor what is kept as text", three + `,"__rescued":{},"__batch_file":[1]}`, 4, ""},
		{"nor a table twice", three + `,"a":[1,[2]],"b":{"a":{"c":{}}}}`, 10, ""},
		{"nor a key that becomes the same name", `{"a.b":{},"a_b":{},"a/b":{},"c":{},"d":{}}`, 6, ""},
		{"the tables of all objects count", "{\"a\":{}}\n{\"b\":{}}\n{\"c\":{}}\n{\"d\":{}}", 0, "at byte 32 (line 4)"},
	} {
		c.check(t, l, Multitable, fault.Unprocessable, "too_many_tables")
	}
	f := New(l)
	for i := range 100 {
		body := fmt.Sprintf(`{"a%d":{},"b%d":[1],"c%d":[{}]}`, i, i, i)
		r, err := flattenBody(f, Options{Mode: Multitable, Table: mustTable("t")}, strings.NewReader(body))
		if err != nil || len(r.parts) != 3 {
			t.Fatalf("request %d: %d parts, %v: each request has the limit", i, len(r.parts), err)
		}
	}
}

func TestNoTables(t *testing.T) {
	l := DefaultLimits()
	l.Tables = 0
	capCase{"the own table", `{"x":1,"a":[]}`, 1, ""}.check(t, l, Multitable, fault.Unprocessable, "too_many_tables")
	capCase{"another", `{"a":[0]}`, 0, "at byte 5 (line 1)"}.check(t, l, Multitable, fault.Unprocessable, "too_many_tables")
}

func TestDepthOfModes(t *testing.T) {
	l := DefaultLimits()
	l.Depth = 3
	for _, mode := range allModes {
		rows := map[Mode]int{Multitable: 3}[mode] + 1
		for _, c := range []capCase{
			{"arrays", `{"a":[[1]]}`, rows - map[Mode]int{Multitable: 1}[mode], ""},
			{"objects", `{"a":{"b":{"c":1}}}`, max(rows-1, 1), ""},
			{"an array too deep", `{"a":[[[]]]}`, 0, "at byte 7 (line 1)"},
			{"an object too deep", `[{"a":{"b":[{}]}}]`, 0, "at byte 12"},
			{"too deep in what is kept", `{"__rescued":[[[]]]}`, 0, "at byte 15 (line 1)"},
		} {
			c.name = mode.String() + ": " + c.name
			c.check(t, l, mode, fault.Unprocessable, "too_deep")
		}
	}
}

// A document may have as many bytes as a row, whatever becomes of it.
func TestDocumentBytes(t *testing.T) {
	l := DefaultLimits()
	l.RowBytes = 1000
	for _, mode := range allModes {
		for _, over := range []int{0, 1, 1000, 100_000} {
			row := `{"b":{"c":[1]},"a":"` + strings.Repeat("x", l.RowBytes+over-len(`{"b":{"c":[1]},"a":""}`)) + `"}`
			c := capCase{name: fmt.Sprintf("%s, %d bytes", mode, len(row)), in: "{}\n " + row + " {}"}
			if c.rows = 3; mode == Multitable {
				c.rows = 5
			}
			if over > 0 {
				c.at = "at byte 4 (line 2)"
			}
			c.check(t, l, mode, fault.TooLarge, "row_too_large")
		}
	}
}

// The rows of one object have a bound in bytes, too: each of many could repeat a long value.
func TestObjectBytes(t *testing.T) {
	for mode, key := range map[Mode]string{Vertical: "text", Multitable: "id"} {
		wide := DefaultLimits()
		more := map[Mode]int{Vertical: 100, Multitable: 99}[mode]
		// The text is there 101 times, so that one of 64 lengths makes a multiple of 64 bytes.
		for n := 200; n < 264; n++ {
			body := `{"` + key + `":"` + strings.Repeat("x", n) + `","a":[` + strings.Repeat("0,", more) + `0]}`
			r, err := flattenBody(New(wide), Options{Mode: mode, Table: mustTable("t")}, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.out)%swell != 0 {
				if n == 263 {
					t.Fatalf("%s: no length fits", mode)
				}
				continue
			}
			l := wide
			l.RowBytes = len(r.out) / swell
			capCase{mode.String() + ": the limit", body, r.rows, ""}.check(t, l, mode, "", "")
			capCase{mode.String() + ": each object has it", body + body + body, 3 * r.rows, ""}.check(t, l, mode, "", "")
			l.RowBytes--
			capCase{mode.String() + ": more", "{}" + body, 0, "at byte 2 (line 1)"}.check(t, l, mode, fault.Unprocessable, "object_too_large")
			break
		}
	}
}

// A row may be longer than in the body, for it repeats names, but not twice as long.
func TestWrittenRowBytes(t *testing.T) {
	l := DefaultLimits()
	l.RowBytes = 1000
	long := strings.Repeat("k", 400)
	for mode, in := range map[Mode]string{
		Vertical:   ` {"` + long + `":[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}]}`,
		Horizontal: ` {"` + long + `":[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}]}`,
	} {
		capCase{mode.String(), in, 0, "at byte 1 (line 1)"}.check(t, l, mode, fault.TooLarge, "row_too_large")
	}
}

// An object with very many members leaves buffers of ordinary size behind.
func TestBuffersAfterManyMembers(t *testing.T) {
	l := DefaultLimits()
	many := func(part string) string {
		return `{"a":{` + strings.Repeat(part, (l.RowBytes-64)/len(part)) + `"z":1},"b":[1]}`
	}
	for _, mode := range []Mode{Vertical, Multitable} {
		f := New(l)
		for _, body := range []string{many(`"k":null,`), `{"` + strings.Repeat("k", l.RowBytes/2) + `":{}}`} {
			_, _ = f.Flatten(strings.NewReader(body), Options{Mode: mode, Table: mustTable("t")}, rowid.NewSource(), io.Discard, nil)
			for name, size := range map[string]int{
				"input": len(f.in.mem) - pad, "output": len(f.out), "scratch": cap(f.scratch), "items": cap(f.items) * itemSize,
				"rescued": cap(f.rescued), "cuts": cap(f.cuts) * 32, "path": cap(f.root.tree.path) + cap(f.root.tree.scratch),
			} {
				if size > keepSize {
					t.Errorf("%s, %.20s: %d bytes are kept for %s", mode, body, size, name)
				}
			}
			if got := f.root.tree.size; got > l.treeBytes() {
				t.Errorf("%s, %.20s: the tree has %d bytes", mode, body, got)
			}
		}
	}
}

// The names of many tables' columns are not kept, however long they are.
func TestLongNamesOfTables(t *testing.T) {
	l := Limits{Depth: 64, Columns: 50, RowBytes: 1 << 20, Rows: 10, Tables: 20}
	row := func(i int) string {
		var b strings.Builder
		for table := range l.Tables {
			fmt.Fprintf(&b, `"t%d":{"k%d%s":1},`, table, i, strings.Repeat("x", longName))
		}
		return "{" + b.String() + `"z":1}`
	}
	f := New(l)
	n, err := f.Flatten(&randomKeys{row: row, n: 100}, Options{Mode: Multitable, Table: mustTable("t")}, rowid.NewSource(), io.Discard, nil)
	if err != nil || n != 100*(l.Tables+1) {
		t.Fatal(n, err)
	}
	size := 0
	for _, s := range f.sheets {
		for _, c := range s.tree.columns {
			size += cap(c.head) + len(c.name)
		}
	}
	if size > l.treeBytes() {
		t.Errorf("%d bytes of names are kept, want at most %d", size, l.treeBytes())
	}
}
