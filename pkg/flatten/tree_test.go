package flatten

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

func TestColumnCap(t *testing.T) {
	limits := DefaultLimits()
	limits.Columns = 3
	for _, tt := range []struct{ name, in, rows, seen string }{
		{"past the cap", `{"a":1,"b":null,"c":3,"d":{"e":[4,null]},"f":"x"}`,
			`{"__row_id":"ID","a":1,"c":3,"__rescued":{"d_e_0":4,"f":"x"}}` + "\n", "a:int b:null c:int"},
		{"the columns of all rows count", `{"a":1,"b":2}{"c":3}{"d":4,"a":5}`,
			`{"__row_id":"ID","a":1,"b":2}` + "\n" + `{"__row_id":"ID","c":3}` + "\n" + `{"__row_id":"ID","a":5,"__rescued":{"d":4}}` + "\n", "a:int b:int c:int"},
		{"twice past the cap", `{"a":1,"b":2,"c":3,"d":4,"d":5,"d#2":6,"d":7}`,
			`{"__row_id":"ID","a":1,"b":2,"c":3,"__rescued":{"d":4,"d#2":5,"d#2#2":6,"d#3":7}}` + "\n", "a:int b:int c:int"},
		{"our own do not count", `{"__row_id":"i","__batch_file":1,"a":1,"b":2,"c":3}`,
			`{"__row_id":"i","a":1,"b":2,"c":3,"__rescued":{"__batch_file":1}}` + "\n", "a:int b:int c:int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := New(limits)
			for _, state := range []string{"cold", "warm", "with other columns"} {
				rows, seen, err := flat(f, strings.NewReader(tt.in))
				if err != nil || rows != tt.rows || seen != tt.seen {
					t.Errorf("%s:\n got %s, %s, %v\nwant %s, %s", state, rows, seen, err, tt.rows, tt.seen)
				}
				if _, _, err := flat(f, strings.NewReader(`{"x":1,"y":2,"d":3}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The names of a request's columns have a bound in bytes too, or few rows could fill the memory with names.
func TestLongNames(t *testing.T) {
	limits := DefaultLimits()
	limits.Columns = 10
	var body strings.Builder
	for i := range 8 {
		fmt.Fprintf(&body, `{"k%d%s":1}`, i, strings.Repeat("x", 1000))
	}
	f := New(limits)
	_, _, err := flat(f, strings.NewReader(body.String()))
	if err != nil || len(f.Seen()) != 5 {
		t.Errorf("got %d columns, %v; want 5", len(f.Seen()), err)
	}
}

// randomKeys makes rows of keys that never come again.
type randomKeys struct {
	row  func(i int) string
	next []byte
	i, n int
}

func (r *randomKeys) Read(b []byte) (int, error) {
	for len(r.next) < len(b) && r.i < r.n {
		r.next = append(r.next, r.row(r.i)...)
		r.i++
	}
	if len(r.next) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.next)
	r.next = r.next[n:]
	return n, nil
}

// count counts the tree's nodes.
func count(n *node) int {
	all := 1
	for _, kid := range n.kids {
		all += count(kid)
	}
	for _, item := range n.items {
		all += count(item)
	}
	return all
}

func TestTreeIsBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.Columns = 50
	for name, row := range map[string]func(i int) string{
		"keys":            func(i int) string { return fmt.Sprintf(`{"k%d":1,"same":2}`, i) },
		"keys of nothing": func(i int) string { return fmt.Sprintf(`{"k%d":{},"same":2}`, i) },
		"paths":           func(i int) string { return fmt.Sprintf(`{"a":{"k%d":{"b":{"k%d":[null,3]}}},"same":2}`, i, i) },
		"positions":       func(i int) string { return `{"a":[` + strings.Repeat("null,", i%500) + `1],"same":2}` },
		"long keys":       func(i int) string { return fmt.Sprintf(`{"%s%d":1,"same":2}`, strings.Repeat("x", 5000), i) },
	} {
		f := New(limits)
		most := limits.Columns*nodeBytes + firstRead
		for request := range 3 {
			rows, err := f.Flatten(&randomKeys{row: row, n: 3000}, Options{}, rowid.NewSource(), io.Discard, nil)
			if err != nil || rows != 3000 {
				t.Fatalf("%s: %d rows, %v", name, rows, err)
			}
			if got := count(f.root.tree.root); got > most/nodeSize+1 || f.root.tree.size > most {
				t.Errorf("%s, request %d: got %d nodes of %d bytes, want at most %d bytes", name, request, got, f.root.tree.size, most)
			}
			if got := len(f.root.tree.columns); got > 3*limits.Columns+3 {
				t.Errorf("%s, request %d: got %d columns", name, request, got)
			}
		}
		if !f.root.tree.full() && name != "long keys" {
			t.Errorf("%s: the tree is not full, so this test shows nothing", name)
		}
		// What is full is made anew, so that ordinary rows are fast again.
		if _, _, err := flat(f, strings.NewReader(`{"a":1,"b":2}`)); err != nil {
			t.Error(err)
		}
		if name != "long keys" && f.root.tree.root.kids["b"] == nil {
			t.Errorf("%s: the tree does not know the rows that came after", name)
		}
	}
}

// Rows beyond the tree's size are flattened just so, only slower.
func TestFullTree(t *testing.T) {
	body := `{"a":{"b":[1,{"c":2}],"":{"d\u0022":3}},"a_b_0":4,"__row_id":"own","__rescued":{"x":1},"e":null,"__batch":{"file":5}}`
	rows, seen, err := flat(New(DefaultLimits()), strings.NewReader(body+body))
	if err != nil {
		t.Fatal(err)
	}
	f := New(DefaultLimits())
	f.root.tree.size = f.root.tree.limits.Columns*nodeBytes + firstRead
	var out bytes.Buffer
	f.begin(strings.NewReader(body+body), Options{}, rowid.NewSource())
	f.root.tree.size = f.root.tree.limits.Columns*nodeBytes + firstRead // begin made the tree anew
	if err := f.body(Options{}, outlet{out: &out}); err != nil {
		t.Fatal(err)
	}
	if count(f.root.tree.root) != 1 {
		t.Errorf("got %d nodes, want none but the root", count(f.root.tree.root))
	}
	var cols []string
	for _, s := range f.Seen() {
		cols = append(cols, s.Name+":"+s.Kinds.String())
	}
	if got := string(f.out[:f.n]); got != rows || strings.Join(cols, " ") != seen {
		t.Errorf("\n got %s, %s\nwant %s, %s", got, cols, rows, seen)
	}
}

// Many values of the same few names are cut out and rescued in time that rises with the row, not with its square.
func TestManyDuplicates(t *testing.T) {
	const names, times = 1000, 100
	var b strings.Builder
	b.WriteString(`{"z":0`)
	for range times {
		for i := range names {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
	}
	b.WriteString("}")
	rows, seen, err := flat(New(DefaultLimits()), strings.NewReader(b.String()))
	if err != nil || strings.Count(seen, ":int") != names+1 {
		t.Fatalf("got %d columns, %v; want %d", strings.Count(seen, ":int"), err, names+1)
	}
	if got, want := strings.Count(rows, `":1`), names*times; got != want {
		t.Errorf("got %d values, want %d", got, want)
	}
}

// A warm Flattener takes no memory, whether the columns come in the order of the last row or not.
func TestAllocations(t *testing.T) {
	const rows = 2000
	var swapped bytes.Buffer
	for i := range rows {
		if i%2 == 0 {
			swapped.WriteString(`{"a":1,"b":{"c":"x","d":2.5},"e":[1,2,3]}` + "\n")
		} else {
			swapped.WriteString(`{ "e" : [1], "b" : {"d" : 1e5, "c":"2026-01-01"}, "a" : null, "f\u0041":"\n" }` + "\n")
		}
	}
	wide := Limits{Depth: 64, Columns: 3, RowBytes: 1 << 20}
	for _, tt := range []struct {
		name   string
		limits Limits
		body   []byte
	}{
		{"events", DefaultLimits(), events(rows * 150)},
		{"swapped keys", DefaultLimits(), swapped.Bytes()},
		{"rescued", wide, bytes.Repeat([]byte(`{"a":1,"b":2,"c":3,"d":4,"e":{"f":[5,6]},"a":7,"__row_id":8}`), rows)},
		{"one", DefaultLimits(), []byte(`{"a":1,"b":"x"}`)},
	} {
		f, ids, r := New(tt.limits), rowid.NewSource(), bytes.NewReader(nil)
		var ended int
		run := func() {
			r.Reset(tt.body)
			n, err := f.Flatten(r, Options{}, ids, io.Discard, func(id []byte) { ended += len(id) })
			if err != nil || n == 0 || len(f.Seen()) == 0 {
				t.Fatal(n, err)
			}
		}
		run()
		// With the race detector, each run of ids takes one.
		if got := testing.AllocsPerRun(10, run); got > 2+rows/idRun {
			t.Errorf("%s: got %v allocations for %d bytes, want none", tt.name, got, len(tt.body))
		}
	}
}

func TestIDsRise(t *testing.T) {
	f, ids := New(DefaultLimits()), rowid.NewSource()
	var all []string
	for range 3 {
		body := strings.NewReader(strings.Repeat(`{"a":1}`, 2*idRun+10))
		if _, err := f.Flatten(body, Options{}, ids, io.Discard, func(id []byte) { all = append(all, string(id)) }); err != nil {
			t.Fatal(err)
		}
		all = append(all, ids.New())
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the %d ids do not rise", len(all))
	}
}

// What one request leaves does not show in the next.
func TestReuse(t *testing.T) {
	f := New(DefaultLimits())
	for _, tt := range []struct{ in, rows, seen string }{
		{`{"a":1,"b":{"c":"x"}}`, `{"__row_id":"ID","a":1,"b_c":"x"}` + "\n", "a:int b_c:text"},
		{`{"b":{"c":2},"d":null}`, `{"__row_id":"ID","b_c":2}` + "\n", "b_c:int d:null"},
		{`{"__row_id":"x","a":1,"a":2}`, `{"__row_id":"x","a":2,"__rescued":{"a":1}}` + "\n", "a:int"},
		{`{"a":"y"}`, `{"__row_id":"ID","a":"y"}` + "\n", "a:text"},
		{`[]`, "", ""},
		{`{"d":true}`, `{"__row_id":"ID","d":true}` + "\n", "d:bool"},
	} {
		if _, _, err := flat(f, strings.NewReader(`{"a":1.5,"d":"2026-01-01","z":[1,2`)); err == nil {
			t.Error("half a row was accepted")
		}
		rows, seen, err := flat(f, strings.NewReader(tt.in))
		if err != nil || rows != tt.rows || seen != tt.seen {
			t.Errorf("%s:\n got %s, %s, %v\nwant %s, %s", tt.in, rows, seen, err, tt.rows, tt.seen)
		}
	}
}
