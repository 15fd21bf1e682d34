package flatten

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// A place that the tree does not keep is overwritten by those of the same tree that come while it is in use: an array's
// elements are then read as those of a table of a garbled name, whose places panic in the rows of the right one.
func TestPlaceOutlivesItsElements(t *testing.T) {
	k, l := strings.Repeat("K", longName+9), strings.Repeat("L", longName+9)
	r, err := flattenBody(New(DefaultLimits()), Options{Mode: Multitable, Table: mustTable("t")},
		strings.NewReader(fmt.Sprintf(`{"%s":[{"%s":[{"%s":1},{"y":2}]}]}`, k, k, l)))
	if err != nil || r.rows != 4 || len(r.parts) != 1 {
		t.Errorf("got %d rows, %d parts, %v; want 4 and 1", r.rows, len(r.parts), err)
	}
}

// The white space in an empty array must not get into the rows, where a line feed would end one.
func TestEmptyArrayWithoutColumn(t *testing.T) {
	limits := DefaultLimits()
	limits.Columns = 3
	for _, body := range []string{"{\"__batch\":{\"file\":[\n]}}", "{\"a\":[1],\"__order_a\":[\n]}", "{\"a\":1,\"b\":1,\"c\":[\r\n]}"} {
		r, err := flattenBody(New(limits), Options{Mode: Vertical}, strings.NewReader(body))
		if err != nil || strings.Count(r.out, "\n") != 1 || strings.Contains(r.out, "__rescued") {
			t.Errorf("%q: got %q, %v; want one line, and nothing rescued for a null", body, r.out, err)
		}
	}
}

// A link column that has the name of one of ours must not become the row's id.
func TestLinkIsNoRowID(t *testing.T) {
	for table, body := range map[string]string{"__row": `{"x":[1,2]}`, "t": `{"__row":{"x":{}}}`} {
		r, err := flattenBody(New(DefaultLimits()), Options{Mode: Multitable, Table: mustTable(table)}, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for _, id := range r.told {
			if told[id] {
				t.Errorf("%s: two rows have the id %s\n%s", body, id, r.out)
			}
			told[id] = true
		}
	}
}

// An envelope that never names a table must not leave tables without a qualifier behind.
func TestEnvelopeWithoutTableLeavesNothing(t *testing.T) {
	f, o := New(DefaultLimits()), Options{Mode: Multitable, Table: mustTable("q.t")}
	_, _ = flattenBody(f, o, strings.NewReader(`{}`))
	body := `{"x":{"y":1},"t":{"z":1}}`
	if _, err := flattenBody(f, Options{Mode: Multitable, Envelope: true}, strings.NewReader(`{"data":`+body+`}`)); err == nil {
		t.Fatal("an envelope without a table was accepted")
	}
	if err := compareModes(f, o, strings.NewReader(body), []byte(body)); err != nil {
		t.Error(err)
	}
}

// A mistake names the element by its index in the body, not by how many rows there were.
func TestIndexOfNotAnObject(t *testing.T) {
	for _, mode := range allModes {
		_, err := flattenBody(New(DefaultLimits()), Options{Mode: mode, Table: mustTable("t")}, strings.NewReader(`[{"a":[1,2,3]},5]`))
		if err == nil || !strings.Contains(err.Error(), "element 1, at byte 15") {
			t.Errorf("%s: got %v, want element 1", mode, err)
		}
	}
}

// What a request was for does not stay in memory, however many members, names and tables it had.
func TestMemoryIsLetGo(t *testing.T) {
	l := DefaultLimits()
	fill := func(part func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < l.RowBytes/2; i++ {
			b.WriteString(part(i))
		}
		return "{" + b.String() + `"z":1}`
	}
	for _, tt := range []struct {
		mode       Mode
		name, body string
	}{
		{Vertical, "names", fill(func(i int) string { return fmt.Sprintf(`"k%d":1,`, i) })},
		{Vertical, "arrays", fill(func(int) string { return `"":[null],` })},
		{Multitable, "tables", fill(func(i int) string { return fmt.Sprintf(`"t%d":{"k%d":1},`, i%l.Tables, i) })},
		{Multitable, "a key", `{"` + strings.Repeat("k", l.RowBytes/2) + `":[1]}`},
	} {
		f := New(l)
		before := heapBytes()
		for _, body := range []string{tt.body, "{}"} {
			_, _ = f.Flatten(strings.NewReader(body), Options{Mode: tt.mode, Table: mustTable("t")}, rowid.NewSource(), io.Discard, nil)
			if tt.name == "tables" && body != "{}" {
				continue // what is seen of each table is kept until the next request
			}
			if got := heapBytes() - before; got > 6<<20 {
				t.Errorf("%s, after %.10s: %d bytes are kept", tt.name, body, got)
			}
		}
		runtime.KeepAlive(f)
	}
}

func heapBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Of a table's columns there are all in Seen, even those that another table's rows met before.
func TestSheetsShareNothing(t *testing.T) {
	f := New(DefaultLimits())
	o := Options{Mode: Multitable, Table: mustTable("t")}
	for range 2 {
		r, err := flattenBody(f, o, strings.NewReader(`{"x":1,"a":{"x":2,"a":{"x":true}},"b":[{"x":"s"}]}`))
		if err != nil || len(r.parts) != 2 {
			t.Fatal(r.parts, err)
		}
		want := []schema.Seen{{Name: "id", Kinds: schema.Kinds(0).With(schema.Text)}}
		if r.seen[0] != want[0] || len(r.seen) != 2 || len(r.parts[0].Seen) != 4 || len(r.parts[1].Seen) != 3 {
			t.Errorf("got %v, %v", r.seen, r.parts)
		}
	}
}

// Members that make no column cost time in each of the object's rows, and have a bound like those that are written.
func TestRowsOfManyMembersAreRefused(t *testing.T) {
	limits := DefaultLimits()
	limits.RowBytes = 128 << 10
	for _, member := range []string{`"z":{},`, `"z":null,`, `"z":[[]],`} {
		body := `{"a":[` + strings.Repeat("1,", 9_999) + "1]," + strings.Repeat(member, 5_000) + `"b":1}`
		_, err := flattenBody(New(limits), Options{Mode: Vertical}, strings.NewReader(body))
		if err == nil || !strings.Contains(err.Error(), "are larger than") {
			t.Errorf("%s: got %v, want object_too_large", member, err)
		}
	}
}
