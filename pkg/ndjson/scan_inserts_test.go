package ndjson

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// keyed prints inserts as mark@first+rows[ids].
func keyed(runs []KeyedRun) string {
	var list []string
	for _, r := range runs {
		list = append(list, fmt.Sprintf("%s@%d+%d%v", r.Mark, r.First, r.Rows, r.RowIDs))
	}
	return strings.Join(list, " ")
}

func TestScanKeyed(t *testing.T) {
	row := func(id, members string) string {
		return strings.Replace(line(members), "01J00000000000000000000000", id, 1) + "\n"
	}
	end := func(row string) string { return strings.TrimSuffix(row, "\n") + " \n" }
	mark, ids := `"__insert":"k"`, `"__insert":"k2+"`
	for _, tt := range []struct{ name, file, open, ready string }{
		{"none", row("a", "") + end(row("b", "")), "", ""},
		{"one row", end(row("a", mark)), "k@0+1[]", "k@0+1[]"},
		{"with ids", row("a", "") + end(row("b", ids)), "k2+@0+2[a b]", "k2+@0+2[a b]"},
		{"among others", end(row("a", "")) + row("b", "") + end(row("c", mark)) + end(row("d", "")) + row("e", "") + end(row("f", ids)),
			"k@1+2[] k2+@4+2[e f]", "k@1+2[] k2+@4+2[e f]"},
		{"one after the other", end(row("a", ids)) + end(row("b", ids)), "k2+@0+1[a] k2+@1+1[b]", "k2+@0+1[a] k2+@1+1[b]"},
		{"escapes", end(row(`q\"`, `"__insert":"\"\u002b"`)), `"+@0+1[q"]`, `"+@0+1[q"]`},
		{"plus inside", end(row("a", `"__insert":"k+k"`)), "k+k@0+1[]", "k+k@0+1[]"},
		{"empty", end(row("a", `"__insert":""`)), "@0+1[]", "@0+1[]"},
		{"after rescued", end(row("a", `"x":1,"__rescued":{"b":1},`+mark)), "k@0+1[]", "k@0+1[]"},
		{"no marks: the whole file", row("a", "") + row("b", "") + row("c", ids), "", "k2+@0+3[a b c]"},
		{"the last has no mark", end(row("a", "")) + row("b", "") + row("c", ids), "", "k2+@1+2[b c]"},
		{"torn after it", end(row("a", ids)) + row("b", "") + line("")[:9], "k2+@0+1[a]", "k2+@0+1[a]"},
		{"torn before its end", row("a", "") + line(ids)[:40], "", ""},
		{"rows of other tables count", end(`{"__table":"x",`+row("a", "")[1:]) + row("b", "") + end(`{"__table":"x",`+row("c", ids)[1:]),
			"k2+@1+2[b c]", "k2+@1+2[b c]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range []string{tt.open, tt.ready} {
				scan := []func(io.Reader) (Scanned, error){Scan, ScanReady}[i]
				got, err := scan(iotest.HalfReader(strings.NewReader(tt.file)))
				if err != nil {
					t.Fatal(err)
				}
				if keyed(got.Keyed) != want {
					t.Errorf("ready %d got %s, want %s", i, keyed(got.Keyed), want)
				}
				if strings.Contains(seenText(got.Seen), schema.Insert) {
					t.Errorf("got columns %s, want no %s", seenText(got.Seen), schema.Insert)
				}
			}
		})
	}
}

// The ids kept have a bound, and are the first ones.
func TestScanKeepsSomeRowIDs(t *testing.T) {
	for _, tt := range []struct{ rows, size, want int }{
		{maxRowIDs, 26, maxRowIDs}, {maxRowIDs + 1, 26, maxRowIDs}, {500, 10_000, maxRowIDBytes / 10_000},
	} {
		var b strings.Builder
		var want []string
		for i := range tt.rows {
			id := fmt.Sprintf("%0*d", tt.size, i)
			if i >= tt.want {
				id = id[tt.size-5:] // it would fit, but the one before it did not
				if i == tt.want {
					id = strings.Repeat("x", maxRowIDBytes)
				}
			}
			want = append(want, id)
			end := "}\n"
			if i == tt.rows-1 {
				end = `,"__insert":"+"} ` + "\n"
			}
			b.WriteString(`{"__row_id":"` + id + `"` + end)
		}
		file := b.String()
		got, err := Scan(strings.NewReader(file + file))
		if err != nil || len(got.Keyed) != 2 {
			t.Fatalf("got %d inserts, %v, want 2", len(got.Keyed), err)
		}
		for i, run := range got.Keyed {
			if run.First != int64(i*tt.rows) || run.Rows != int64(tt.rows) || !slices.Equal(run.RowIDs, want[:tt.want]) {
				t.Errorf("insert %d of %d rows has %d from %d with %d ids, want the first %d", i, tt.rows, run.Rows, run.First, len(run.RowIDs), tt.want)
			}
		}
	}
}

func TestScanParts(t *testing.T) {
	file := line(`"a":1`) + "\n" + tagged("x", `"a":"t","b":1`) + "\n" + tagged("s.y", "") + " \n" +
		tagged("x", `"b":1.5,"__rescued":{"a":1}`) + "\n" + line(`"a":true`) + " \n"
	kinds := func(list ...schema.Kind) (k schema.Kinds) {
		for _, one := range list {
			k = k.With(one)
		}
		return k
	}
	table := func(name string) schema.Table {
		table, err := schema.ParseTable(name)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	want := Scanned{Rows: 5, Good: int64(len(file)), Seen: []schema.Seen{{Name: "a", Kinds: kinds(schema.Int, schema.Bool)}}, Parts: []schema.Part{
		{Table: table("x"), Rows: 2, Seen: []schema.Seen{{Name: "a", Kinds: kinds(schema.Text)}, {Name: "b", Kinds: kinds(schema.Int, schema.Float)}}},
		{Table: table("s.y"), Rows: 1},
	}}
	name := strings.Repeat("x", schema.MaxName)
	for _, tail := range []string{
		"", tagged("x", `"z":1`), tagged("z", `"z":1`) + "\n" + line(""), tagged("", "") + " \n", tagged(" x", "") + " \n", tagged("x/y", "") + " \n",
		tagged("a.b.c", "") + " \n", tagged(`\u0078`, "") + " \n", tagged(name+"x", "") + " \n", tagged(name+"."+name+"x", "") + " \n",
		strings.Replace(tagged("x", ""), `,"__row_id"`, `, "__row_id"`, 1) + " \n", `{"__table":"x"} ` + "\n", `{"__table":"x","a":1} ` + "\n",
		strings.Replace(tagged("x", ""), `,"__row_id"`, `;"__row_id"`, 1) + " \n",
		`{"__table":"x","__table":"x",` + line("")[1:] + " \n", `{"__table":1,` + line("")[1:] + " \n",
	} {
		got, err := Scan(iotest.HalfReader(strings.NewReader(file + tail)))
		if err != nil {
			t.Fatal(err)
		}
		want.Size = int64(len(file) + len(tail))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("with the tail %.80q\n got %+v\nwant %+v", tail, got, want)
		}
	}
	long := tagged(name+"."+name, "") + " \n"
	if got, err := Scan(strings.NewReader(long)); err != nil || got.Good != int64(len(long)) || len(got.Parts) != 1 {
		t.Errorf("the longest name got %+v, %v", got, err)
	}
}
