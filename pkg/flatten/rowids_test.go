package flatten

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// fields reads the rows of a result.
func (r result) fields(t *testing.T) (rows []map[string]any) {
	t.Helper()
	for line := range strings.Lines(r.out) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, row)
	}
	return rows
}

// Ids rise in a request and from one to the next, whatever their modes, and across the runs in which they are reserved.
func TestIDsRiseOverModes(t *testing.T) {
	f, ids := New(DefaultLimits()), rowid.NewSource()
	body := strings.Repeat(`{"a":[1,{"b":[2,3]}],"c":{}}`, idRun)
	var all []string
	for _, mode := range append(allModes, allModes...) {
		before := len(all)
		n, err := f.Flatten(strings.NewReader(body), Options{Mode: mode, Table: mustTable("t")}, ids, io.Discard, func(id []byte) {
			all = append(all, string(id))
		})
		if err != nil || len(all)-before != n {
			t.Fatalf("%s: %d ids were told for %d rows, %v", mode, len(all)-before, n, err)
		}
		all = append(all, ids.New())
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the %d ids do not rise", len(all))
	}
}

// each is told a row's id in the order of the rows, with the id that the row has.
func TestEachIsToldTheRowsID(t *testing.T) {
	body := `{"a":[1,2],"b":{"__row_id":"inner \"\u00e9","c":[{"__row_id":7},[]]}}{"__row_id":"own","a":[3,4]}`
	for _, mode := range allModes {
		r, err := flattenBody(New(DefaultLimits()), Options{Mode: mode, Table: mustTable("t")}, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		rows := r.fields(t)
		if len(rows) != r.rows || len(rows) != len(r.told) {
			t.Fatalf("%s: %d lines, %d rows, %d ids", mode, len(rows), r.rows, len(r.told))
		}
		for i, row := range rows {
			if row["__row_id"] != r.told[i] {
				t.Errorf("%s: row %d is %v, each was told %q", mode, i, row, r.told[i])
			}
		}
	}
}

// Without an id of its own a row has its fresh one in id, even when the caller named the row.
func TestIDIsTheFreshOne(t *testing.T) {
	f := New(DefaultLimits())
	for _, tt := range []struct{ in, want string }{
		{`{"x":1}`, `#0 id #0`},
		{`{"id":null}`, `#0 id #0`},
		{`{"id":{},"a":[1]}`, `#0 id #0, #1 id #1 of #0, #2 id #2 of #0`},
		{`{"id":[null]}`, `#0 id #0, #1 id #1 of #0`},
		{`{"id":5,"a":[1]}`, `#0 id 5, #1 id #1 of 5`},
		{`{"a":[1],"id":false}`, `#0 id false, #1 id #1 of false`},
		{`{"id":"x","id":"y","a":{}}`, `#0 id y, #1 id #1 of y`},
		{`{"id":"x","id":null,"a":{}}`, `#0 id #0, #1 id #1 of #0`},
		{`{"i\u0064":"x","a":{"id":"z","a":[[{}]]}}`, `#0 id x, #1 id z of x, #2 id #2 of z, #3 id #3 of #2`},
		{`{"__row_id":"mine","a":[1]}`, `mine id #0, #1 id #1 of #0`},
		{`{"__row_id":"mine","id":"x","a":{"__row_id":"its"}}`, `mine id x, its id #0 of x`},
		{`{"__row_id":"mine"}{"__row_id":"mine"}`, `mine id #0, mine id #1`},
	} {
		r, err := flattenBody(f, Options{Mode: Multitable, Table: mustTable("t")}, strings.NewReader(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range r.fields(t) {
			text := fmt.Sprintf("%v id %v", row["__row_id"], row["id"])
			for _, link := range []string{"t_id", "a_id"} {
				if to, ok := row[link]; ok {
					text += fmt.Sprintf(" of %v", to)
				}
			}
			got = append(got, text)
		}
		all := result{out: strings.Join(got, ", "), told: nil}
		text, _ := all.text()
		if text, _, _ = strings.Cut(text, "0 rows"); text != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, text, tt.want)
		}
	}
}

// The rows of a document share an id that no row and no other document has.
func TestDocumentIDs(t *testing.T) {
	f := New(DefaultLimits())
	seen := map[string]bool{}
	for _, body := range []string{
		strings.Repeat(`{"a":[1,2,3],"b":[1,2]}`, 100) + `{}{"__row_id":"x","a":[]}`,
		`[{"___document_id":"mine","a":[1,2,3,4,5,6]}]`,
	} {
		r, err := flattenBody(f, Options{Mode: Vertical, Table: mustTable("t")}, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		rows := r.fields(t)
		for i, row := range rows {
			doc, _ := row["___document_id"].(string)
			sameDocument := i%6 > 0 && i/6 < 100
			if sameDocument && doc != rows[i-1]["___document_id"] {
				t.Errorf("row %d has %q, the one before %v", i, doc, rows[i-1]["___document_id"])
			}
			if len(doc) != rowid.Len || !sameDocument && seen[doc] {
				t.Errorf("row %d has the document %q, which is another's or none", i, doc)
			}
			seen[doc] = true
		}
		for _, id := range r.told {
			if seen[id] {
				t.Errorf("the row id %s is a document's or another row's", id)
			}
			seen[id] = true
		}
	}
}

// A caller's own id is kept in each mode: in all of an object's rows in Vertical, in the row itself in Multitable.
func TestOwnRowIDs(t *testing.T) {
	body := `{"__row_id":"own","a":[{"__row_id":7},{"b":1}]}{"__row_id":null,"c":1}{"__row_id":{"x":[ ]}}`
	for mode, want := range map[Mode]string{
		Horizontal: "own #0 #1",
		None:       "own #0 #1",
		Vertical:   "own own #0 #1",
		Multitable: "own 7 #0 #1 #2",
	} {
		r, err := flattenBody(New(DefaultLimits()), Options{Mode: mode, Table: mustTable("t")}, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := result{out: strings.Join(r.told, " ")}.text()
		if text, _, _ = strings.Cut(text, "0 rows"); text != want {
			t.Errorf("%s: got %s, want %s", mode, text, want)
		}
		if rows := strings.Count(r.out, `"__rescued":{"__row_id":{"x":[]}}`); rows != 1 {
			t.Errorf("%s: %d rows have the id that is nested, want one\n%s", mode, rows, r.out)
		}
	}
}
