package result_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

const mostBytes = 1 << 20 // that a row may have, where the test does not say

// named is a column of an answer.
type named struct {
	name string
	v    *vector.Vector
}

// rowsOut encodes the columns as rows.
func rowsOut(t *testing.T, rows int, cols ...named) (text string, r *result.Rows) {
	t.Helper()
	var out bytes.Buffer
	r = result.NewRows(&out, rowid.NewSource(), mostBytes)
	b := &vector.Batch{Rows: rows}
	var fields []vector.Field
	for _, c := range cols {
		fields = append(fields, vector.Field{Name: c.name, Type: c.v.Type})
		b.Cols = append(b.Cols, c.v)
	}
	if err := r.Begin(fields); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Write(b), r.End()); err != nil {
		t.Fatal(err)
	}
	if n, size := r.Count(); n != int64(rows) || size != int64(out.Len()) {
		t.Errorf("counted %d rows of %d bytes, want %d of %d", n, size, rows, out.Len())
	}
	return out.String(), r
}

// words is a column of texts without NULL.
func words(xs ...string) *vector.Vector {
	return &vector.Vector{Type: vector.Type{Kind: vector.Text}, Texts: xs}
}

var ulids = regexp.MustCompile(`"__row_id":"[0-9A-HJKMNP-TV-Z]{26}"`)

// wantFreshIDs takes the ids out of rows that have none of their own, and checks that they rise.
func wantFreshIDs(t *testing.T, text string) string {
	t.Helper()
	last := ""
	return ulids.ReplaceAllStringFunc(text, func(id string) string {
		if id <= last {
			t.Errorf("%s comes after %s", id, last)
		}
		last = id
		return `"__row_id":"#"`
	})
}

// Each type is written in the same way always: another program may read it.
func TestRowsGolden(t *testing.T) {
	cases := append(goldenCases(),
		goldenCase{"list_decimal", []*vector.Vector{lists(vector.List, ints(vector.Type{Kind: vector.Decimal, Precision: 15, Scale: 2}, 5, -150), 3)}},
		goldenCase{"list_decimal_wide", []*vector.Vector{lists(vector.List, ints(vector.Type{Kind: vector.Decimal, Precision: 16, Scale: 2}, 5, -150), 3)}},
		goldenCase{"list_json", []*vector.Vector{lists(vector.List, texts(vector.JSON, `{"a": [1, 2]}`, "{\n}", "null", "not JSON", "", `"\ud800"`, `"\ud83d\ude00"`), 8)}},
		goldenCase{"list_interval", []*vector.Vector{lists(vector.List, &vector.Vector{Type: vector.Type{Kind: vector.Interval}, Intervals: []vector.IntervalValue{{Days: 1}, {}}}, 2)}},
		goldenCase{"list_blob", []*vector.Vector{lists(vector.List, texts(vector.Blob, "\x00\xff"), 2)}})
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			rows := rowsOf(tt.cols[0])
			var cols []named
			for i, f := range fieldsOf(tt.cols) {
				cols = append(cols, named{f.Name, tt.cols[i]})
			}
			text, r := rowsOut(t, rows, cols...)
			text = wantFreshIDs(t, text)
			var kinds []string
			for _, s := range r.Seen() {
				kinds = append(kinds, fmt.Sprint(s.Name, " ", s.Kinds))
			}
			golden := strings.Join(kinds, ", ") + "\n" + strings.NewReplacer(`"__row_id":"#",`, "", `"__row_id":"#"`, "").Replace(text)
			file := filepath.Join("testdata", "rows", tt.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(golden), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if golden != string(want) {
				t.Errorf("%s\n got %s\nwant %s", file, golden, want)
			}
			wantReadable(t, text, rows)
		})
	}
}

// wantReadable checks that the rows are those that loads read.
func wantReadable(t *testing.T, text string, rows int) {
	t.Helper()
	found, err := ndjson.ScanReady(strings.NewReader(text))
	if err != nil || found.Good != int64(len(text)) || found.Rows != int64(rows) || len(found.Parts)+len(found.Keyed) > 0 {
		t.Errorf("got %+v, %v of %d bytes, want %d rows of one table:\n%s", found, err, len(text), rows, text)
	}
}

func TestRowsOfOurColumns(t *testing.T) {
	number := vector.Type{Kind: vector.Int, Bits: 64}
	one := named{"n", ints(number, 7)}
	decimal := vector.Type{Kind: vector.Decimal, Precision: 18, Scale: 1}
	for _, tt := range []struct {
		name string
		cols []named
		want string // without the braces and, where it is fresh, the id
		seen string
	}{
		{"none", []named{one}, `"__row_id":"#","n":7`, "n int"},
		{"an id", []named{{"__row_id", words("own")}, one}, `"__row_id":"own","n":7`, "n int"},
		{"an id that comes last", []named{one, {"__row_id", words("own")}}, `"__row_id":"own","n":7`, "n int"},
		{"an id with escapes", []named{{"__row_id", words("a\"b\\\n\xff")}}, `"__row_id":"a\"b\\\n` + "\ufffd" + `"`, ""},
		{"an id that looks nested", []named{{"__row_id", words("[draft] {1}")}}, `"__row_id":"[draft] {1}"`, ""},
		{"an id that is a number", []named{{"__row_id", ints(number, -42)}}, `"__row_id":"-42"`, ""},
		{"a decimal one", []named{{"__row_id", ints(decimal, 15)}}, `"__row_id":"1.5"`, ""},
		{"an id that is a UUID", []named{{"__row_id", wides(vector.Type{Kind: vector.UUID}, vector.Wide{Lo: 1})}}, `"__row_id":"00000000-0000-0000-0000-000000000001"`, ""},
		{"an id that is NULL", []named{{"__row_id", ints(number)}}, `"__row_id":"#"`, ""},
		{"an id that is empty", []named{{"__row_id", words("")}}, `"__row_id":"#"`, ""},
		{"an id that is nested", []named{{"__row_id", lists(vector.List, ints(number, 1), 1)}, one}, `"__row_id":"#","n":7,"__rescued":{"__row_id":[1]}`, "__rescued text, n int"},
		{"an id that is JSON", []named{{"__row_id", texts(vector.JSON, `{"a":1}`)}}, `"__row_id":"#","__rescued":{"__row_id":"{\"a\":1}"}`, "__rescued text"},
		{"two ids", []named{{"__row_id", words("a")}, {"__row_id", words("b")}}, `"__row_id":"a","__row_id_1":"b"`, "__row_id_1 text"},
		{"a batch file", []named{{"__batch_file", words("other")}, one}, `"__row_id":"#","n":7`, "n int"},
		{"rescued values", []named{{"__rescued", words(`{"a": 1, "b": [ ]}`)}, one}, `"__row_id":"#","n":7,"__rescued":{"a":1,"b":[]}`, "__rescued text, n int"},
		{"rescued values as JSON", []named{{"__rescued", texts(vector.JSON, `{"a":1}`)}}, `"__row_id":"#","__rescued":{"a":1}`, "__rescued text"},
		{"rescued values that are none", []named{{"__rescued", words(` { } `)}, one}, `"__row_id":"#","n":7`, "__rescued text, n int"},
		{"rescued values that are NULL", []named{{"__rescued", texts(vector.Text)}, one}, `"__row_id":"#","n":7`, "__rescued text, n int"},
		{"rescued values that are no object", []named{{"__rescued", words(`[1, 2]`)}}, `"__row_id":"#","__rescued":{"__rescued":"[1, 2]"}`, "__rescued text"},
		{"rescued values that are no JSON", []named{{"__rescued", words(`{"a":`)}}, `"__row_id":"#","__rescued":{"__rescued":"{\"a\":"}`, "__rescued text"},
		{"rescued values that are empty", []named{{"__rescued", words("")}}, `"__row_id":"#","__rescued":{"__rescued":""}`, "__rescued text"},
		{"rescued values that are no UTF-8", []named{{"__rescued", words("{\"a\":\"\xff\"}")}}, `"__row_id":"#","__rescued":{"__rescued":"{\"a\":\"` + "\ufffd" + `\"}"}`, "__rescued text"},
		{"rescued values with half a character", []named{{"__rescued", words(`{"a":"\udc00"}`)}}, `"__row_id":"#","__rescued":{"__rescued":"{\"a\":\"\\udc00\"}"}`, "__rescued text"},
		{"rescued values that are a number", []named{{"__rescued", ints(number, 5)}}, `"__row_id":"#","__rescued":{"__rescued":5}`, "__rescued text"},
		{"a table", []named{{"__table", words("t")}, one}, `"__row_id":"#","n":7,"__rescued":{"__table":"t"}`, "__rescued text, n int"},
		{"an insert's mark", []named{one, {"__insert", words("m")}}, `"__row_id":"#","n":7,"__rescued":{"__insert":"m"}`, "n int, __rescued text"},
		{"all of them", []named{{"__table", words("t")}, {"__rescued", words(`{"a":1}`)}, {"__insert", ints(number, 2)}, one},
			`"__row_id":"#","n":7,"__rescued":{"__table":"t","a":1,"__insert":2}`, "__rescued text, n int"},
		{"all, but nothing is rescued", []named{{"__table", words("t")}, {"__rescued", words(`{}`)}, {"__insert", ints(number, 2)}},
			`"__row_id":"#","__rescued":{"__table":"t","__insert":2}`, "__rescued text"},
		{"nothing is rescued, then a table", []named{{"__rescued", words(`{}`)}, {"__table", words("t")}}, `"__row_id":"#","__rescued":{"__table":"t"}`, "__rescued text"},
		{"names that are like them", []named{{"__ROW_ID", words("a")}, {"__rescued2", words("b")}, {"_table", words("c")}},
			`"__row_id":"#","__ROW_ID":"a","__rescued2":"b","_table":"c"`, "__ROW_ID text, __rescued2 text, _table text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, r := rowsOut(t, 1, tt.cols...)
			if got := wantFreshIDs(t, text); got != "{"+tt.want+"}\n" {
				t.Errorf("got  %swant {%s}", got, tt.want)
			}
			var seen []string
			for _, s := range r.Seen() {
				seen = append(seen, fmt.Sprint(s.Name, " ", s.Kinds))
				if own := s.Name == schema.Rescued; own != (s.Type == nil) {
					t.Errorf("column %s: got type %v", s.Name, s.Type)
				}
			}
			if got := strings.Join(seen, ", "); got != tt.seen {
				t.Errorf("got the columns %s, want %s", got, tt.seen)
			}
			wantReadable(t, text, 1)
		})
	}
}

// A column has a name of its own, a name its escapes, and what is NULL is left out.
func TestRowsNamesAndNulls(t *testing.T) {
	number := vector.Type{Kind: vector.Int, Bits: 64}
	text, r := rowsOut(t, 2, named{"a", ints(number, 1)}, named{"a", ints(number, 2)}, named{"a_1", ints(number, 3)}, named{"q\"\\\n\xffé", ints(number, 4)},
		named{"null", &vector.Vector{}})
	want := `{"__row_id":"#","a":1,"a_2":2,"a_1":3,"q\"\\\n` + "\ufffdé" + `":4}` + "\n" + `{"__row_id":"#"}` + "\n"
	if got := wantFreshIDs(t, text); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	var names []string
	for _, s := range r.Seen() {
		names = append(names, s.Name)
	}
	if got := fmt.Sprintf("%q", names); got != `["a" "a_2" "a_1" "q\"\\\n\xffé" "null"]` {
		t.Errorf("got the columns %s", got)
	}
	wantReadable(t, text, 2)
}

// JSON may nest very deep. Inside a row it is a text then, as rows that are read may not.
func TestRowsOfDeepJSON(t *testing.T) {
	for depth, whole := range map[int]bool{1000: true, 1001: false, 20_000: false} {
		deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		text, _ := rowsOut(t, 1, named{"l", lists(vector.List, texts(vector.JSON, deep), 1)}, named{"__rescued", words(`{"a":` + deep + `}`)})
		if got := strings.Contains(text, `"l":[[[`); got != whole {
			t.Errorf("%d deep: got it as JSON %t, want %t", depth, got, whole)
		}
		wantReadable(t, text, 1)
	}
}

func TestRowsThatAreTooLarge(t *testing.T) {
	const fits = len(`{"__row_id":"a","t":"12345"}` + "\n")
	for _, tt := range []struct {
		most int
		want string
	}{
		{fits + 1, ""},
		{fits, `row 2 has 30 bytes, 29 are allowed`},
	} {
		var out bytes.Buffer
		r := result.NewRows(&out, rowid.NewSource(), tt.most)
		cols := []named{{"__row_id", words("a", "b", "c")}, {"t", words("12345", "123456", "1")}}
		if err := r.Begin([]vector.Field{{Name: "__row_id", Type: cols[0].v.Type}, {Name: "t", Type: cols[1].v.Type}}); err != nil {
			t.Fatal(err)
		}
		err := r.Write(&vector.Batch{Rows: 3, Cols: []*vector.Vector{cols[0].v, cols[1].v}})
		if got := fault.TextOf(err); got != tt.want || err != nil && (!errors.Is(err, fault.Unprocessable) || fault.CodeOf(err) != "row_too_large") {
			t.Errorf("%d bytes: got %v, want %q", tt.most, err, tt.want)
		}
	}
}

// Rows go to the writer in large pieces, and only whole ones, and as many as are asked for.
func TestRowsGoInBulk(t *testing.T) {
	fields, batches := wide(10 * 2048)
	w := &steps{}
	r := result.NewRows(w, rowid.NewSource(), mostBytes)
	if err := r.Begin(fields); err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := r.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	sent := len(w.sizes)
	if err := errors.Join(r.End(), r.End()); err != nil || len(w.sizes) != sent+1 {
		t.Errorf("ended with %v and %d writes more, want one", err, len(w.sizes)-sent)
	}
	var all int
	for i, n := range w.sizes {
		if all += n; i < sent && (n < 128<<10 || n > 129<<10) {
			t.Errorf("a write of %d bytes, want 128 KiB", n)
		}
	}
	if rows, size := r.Count(); rows != 10*2048 || size != int64(all) {
		t.Errorf("counted %d rows, %d bytes of %d", rows, size, all)
	}
}

func TestRowsUpTo(t *testing.T) {
	fields, batches := wide(100)
	b := batches[0]
	for _, tt := range []struct {
		name        string
		from        int
		rows, bytes int64
		want        int
	}{
		{"all", 0, 1000, 1 << 30, 100},
		{"from the middle", 60, 1000, 1 << 30, 100},
		{"some rows", 10, 30, 1 << 30, 40},
		{"just the rest", 90, 10, 1 << 30, 100},
		{"one byte", 0, 1000, 1, 1},
		{"no row", 5, 0, 1 << 30, 5},
		{"no byte", 5, 10, 0, 5},
		{"from the end", 100, 10, 1 << 30, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			r := result.NewRows(&out, rowid.NewSource(), mostBytes)
			if err := r.Begin(fields); err != nil {
				t.Fatal(err)
			}
			next, err := r.WriteUpTo(b, tt.from, tt.rows, tt.bytes)
			if err = errors.Join(err, r.End()); err != nil || next != tt.want || strings.Count(out.String(), "\n") != tt.want-tt.from {
				t.Errorf("got row %d, %v and %d lines, want row %d", next, err, strings.Count(out.String(), "\n"), tt.want)
			}
			if next > tt.from && !strings.Contains(out.String(), fmt.Sprintf(`"id":%d,`, tt.from)) {
				t.Errorf("row %d is not there", tt.from)
			}
		})
	}
}

func TestRowsErrors(t *testing.T) {
	gone := errors.New("gone")
	fields, batches := wide(2048)
	for _, tt := range []struct {
		w    *steps
		want error
	}{{&steps{fail: gone}, gone}, {&steps{short: true}, io.ErrShortWrite}} {
		r := result.NewRows(tt.w, rowid.NewSource(), mostBytes)
		if err := r.Begin(fields); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(batches[0]); !errors.Is(err, tt.want) {
			t.Errorf("got %v, want %v", err, tt.want)
		}
	}
	r := result.NewRows(io.Discard, rowid.NewSource(), mostBytes)
	if err := r.Begin([]vector.Field{{Name: "x", Type: vector.Type{Kind: 200}}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("a type without words: got %v, want an error that names the column", err)
	}
	r = result.NewRows(io.Discard, rowid.NewSource(), mostBytes)
	if err := r.Begin(fields[:1]); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(batches[0]); err == nil {
		t.Error("Write took a batch with columns too many")
	}
}

func TestRowsNeedNoAllocationEach(t *testing.T) {
	fields, batches := wide(2048)
	r := result.NewRows(io.Discard, rowid.NewSource(), mostBytes)
	if err := r.Begin(fields); err != nil {
		t.Fatal(err)
	}
	write := func() {
		if err := r.Write(batches[0]); err != nil {
			t.Fatal(err)
		}
	}
	write() // the first batches make the buffer
	write()
	if got := testing.AllocsPerRun(20, write); got > 1 {
		t.Errorf("got %v allocations for 2,048 rows, want none", got)
	}
}

// Spans of time are in words that PostgreSQL and DuckDB read.
func TestRowsSpellIntervals(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	for want, x := range map[string]vector.IntervalValue{
		"00:00:00":                         {},
		"1 years 2 months 3 days 04:00:00": {Months: 14, Days: 3, Micros: 4 * hour},
		"-1 years -2 months 3 days":        {Months: -14, Days: 3},
		"-1 days 100:00:00.000001":         {Days: -1, Micros: 100*hour + 1},
		"-00:00:00.5":                      {Micros: -500_000},
		"5 months -01:00:00":               {Months: 5, Micros: -hour},
	} {
		text, _ := rowsOut(t, 1, named{"x", &vector.Vector{Type: vector.Type{Kind: vector.Interval}, Intervals: []vector.IntervalValue{x}}})
		if got := text[strings.Index(text, `"x":"`)+5 : len(text)-3]; got != want {
			t.Errorf("%+v: got %q, want %q", x, got, want)
		}
	}
}
