package result_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// arrowTypes are the types of the golden cases' columns in Arrow and, where they differ, in Parquet as it is read back.
func arrowTypes() map[string][2]string {
	same := func(s string) [2]string { return [2]string{s, s} }
	return map[string][2]string{
		"null": same("null"), "bool": same("bool"), "int": same("int64"), "uint": same("uint64"), "int128": same("decimal(38, 0)"),
		"uint128": same("utf8"), "float": same("float64"), "float32": same("float32"), "decimal": same("decimal(18, 2)"),
		"decimal_whole": same("decimal(18, 0)"), "decimal_fraction": same("decimal(18, 18)"), "decimal_wide": same("decimal(38, 10)"),
		"decimal_wide_whole": same("decimal(38, 0)"), "decimal_wide_fraction": same("decimal(38, 38)"), "text": same("utf8"),
		"json": same("utf8"), "json_loose": same("utf8"), "number": same("utf8"), "blob": same("binary"), "date": same("date32"), "time": same("time64[us]"), "time_ns": same("time64[ns]"),
		"time_s":       {"time32[s]", "time32[ms]"},
		"timestamp":    same("timestamp[us]"),
		"timestamptz":  same("timestamp[us, tz=UTC]"),
		"timestamp_ns": same("timestamp[ns]"), "timestamp_ms": same("timestamp[ms]"),
		"timestamp_s":       {"timestamp[s, tz=UTC]", "timestamp[ms, tz=UTC]"},
		"interval":          {"month_day_nano_interval", "utf8"},
		"uuid":              same("utf8"),
		"list":              {"list<item: int64, nullable>", "list<element: int64, nullable>"},
		"list_json_loose":   {"list<item: utf8, nullable>", "list<element: utf8, nullable>"},
		"list_text":         {"list<item: utf8, nullable>", "list<element: utf8, nullable>"},
		"list_list":         {"list<item: list<item: int64, nullable>, nullable>", "list<element: list<element: int64, nullable>, nullable>"},
		"list_float":        {"list<item: float64, nullable>", "list<element: float64, nullable>"},
		"struct":            same(`struct<n: int64 nullable, key "k": utf8 nullable, when: date32 nullable>`),
		"struct_same_names": same("struct<a: int64 nullable, a_1: int64 nullable>"),
		"struct_of_struct": {"struct<in: struct<x: int64 nullable> nullable, l: list<item: int64, nullable> nullable>",
			"struct<in: struct<x: int64 nullable> nullable, l: list<element: int64, nullable> nullable>"},
		"tuple":        same("struct<1: int64 nullable, 2: utf8 nullable>"),
		"struct_empty": same("utf8"),
		"map":          same("map<utf8, int64, items_nullable>"),
		"map_int":      same("map<int64, utf8, items_nullable>"),
		"map_nested":   {"map<utf8, list<item: int64, nullable>, items_nullable>", "map<utf8, list<element: int64, nullable>, items_nullable>"},
		"many":         same("int64"),
	}
}

// columnarCases are the golden cases, without the values that the columnar formats refuse.
func columnarCases(parquet bool) []goldenCase {
	var out []goldenCase
	for _, c := range goldenCases() {
		switch {
		case c.name == "int128":
			c.cols = []*vector.Vector{wides(c.cols[0].Type, vector.Wide{}, vector.Wide{Lo: math.MaxUint64, Hi: -1}, vector.Wide{Hi: 1},
				vector.Wide{Lo: 0x098a223fffffffff, Hi: 0x4b3b4ca85a86c47a}, vector.Wide{Lo: 0xf675ddc000000001, Hi: -0x4b3b4ca85a86c47b})}
		case c.name == "interval" && !parquet:
			c.cols = []*vector.Vector{vec(c.cols[0].Type, 4, []int{2}, func(v *vector.Vector) {
				v.Intervals = []vector.IntervalValue{{}, {Months: -14, Days: 3, Micros: -1}, {Micros: math.MinInt64}, {Micros: math.MaxInt64 / 1000}}
			})}
		}
		out = append(out, c)
	}
	return out
}

func TestColumnarTypes(t *testing.T) {
	for k, name := range []string{"arrow", "parquet"} {
		for _, tt := range columnarCases(name == "parquet") {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				b := &vector.Batch{Rows: rowsOf(tt.cols[0]), Cols: tt.cols}
				var out bytes.Buffer
				encode(t, format(t, name), &out, fieldsOf(tt.cols), b)
				read := readArrow
				if name == "parquet" {
					read = readParquet
				}
				got := read(t, out.Bytes())
				if want := arrowTypes()[tt.name][k]; got.types[0] != want {
					t.Errorf("type: got %s, want %s", got.types[0], want)
				}
				wantCells(t, shower{parquet: name == "parquet"}, got, b)
			})
		}
	}
}

// TestColumnarRefuses: a value that the type has no room for ends the query, and never becomes another one.
func TestColumnarRefuses(t *testing.T) {
	hugeint, day := vector.Type{Kind: vector.Int128, Bits: 128}, vector.Type{Kind: vector.Date}
	interval := func(micros int64) *vector.Vector {
		return &vector.Vector{Type: vector.Type{Kind: vector.Interval}, Intervals: []vector.IntervalValue{{Micros: micros}}}
	}
	key := structs([]string{"key", "value"}, nil, ints(day, vector.Infinity), ints(day, 1))
	for _, tt := range []struct {
		name    string
		formats string
		v       *vector.Vector
		code    string
	}{
		{"10^38", "arrow parquet", wides(hugeint, vector.Wide{Lo: 0x098a224000000000, Hi: 0x4b3b4ca85a86c47a}), "value_out_of_range"},
		{"-10^38", "arrow parquet", wides(hugeint, vector.Wide{Lo: 0xf675ddc000000000, Hi: -0x4b3b4ca85a86c47b}), "value_out_of_range"},
		{"largest", "arrow parquet", wides(hugeint, vector.Wide{Lo: math.MaxUint64, Hi: math.MaxInt64}), "value_out_of_range"},
		{"smallest", "arrow parquet", wides(hugeint, vector.Wide{Hi: math.MinInt64}), "value_out_of_range"},
		{"far date", "arrow parquet", ints(day, math.MaxInt32+1), "value_out_of_range"},
		{"long interval", "arrow", interval(math.MaxInt64/1000 + 1), "value_out_of_range"},
		{"long interval back", "arrow", interval(-math.MaxInt64/1000 - 1), "value_out_of_range"},
		{"infinite key", "arrow parquet", lists(vector.Map, key, 1), ""},
	} {
		for _, name := range strings.Fields(tt.formats) {
			w := format(t, name).New(io.Discard)
			if err := w.Begin([]vector.Field{{Name: "the column", Type: tt.v.Type}}); err != nil {
				t.Fatal(err)
			}
			err := w.Write(&vector.Batch{Rows: 1, Cols: []*vector.Vector{tt.v}})
			if err == nil || !strings.Contains(err.Error(), "the column") || tt.code != "" && fault.CodeOf(err) != tt.code {
				t.Errorf("%s as %s: got %v, want %q that names the column", tt.name, name, err, tt.code)
			}
		}
	}
	for _, precision := range []int{0, 39, 76} {
		typ := vector.Type{Kind: vector.Decimal, Precision: precision}
		if err := result.NewArrow(io.Discard).Begin([]vector.Field{{Name: "x", Type: typ}}); err == nil {
			t.Errorf("Begin took a decimal of %d digits", precision)
		}
	}
}

func TestColumnarNoRows(t *testing.T) {
	fields := []vector.Field{{Name: "a", Type: vector.Type{Kind: vector.Int}}, {Name: "a", Type: vector.Type{Kind: vector.Text}}, {Name: "b c"}}
	for name, read := range map[string]func(failer, []byte) *table{"arrow": readArrow, "parquet": readParquet} {
		for _, batches := range [][]*vector.Batch{nil, {{Cols: []*vector.Vector{{Type: fields[0].Type}, {Type: fields[1].Type}, {}}}}} {
			var out bytes.Buffer
			encode(t, format(t, name), &out, fields, batches...)
			got := read(t, out.Bytes())
			if !slices.Equal(got.names, []string{"a", "a_1", "b c"}) || !slices.Equal(got.types, []string{"int64", "utf8", "null"}) || len(got.rows) != 0 {
				t.Errorf("%s: got %q of %q and %d rows", name, got.names, got.types, len(got.rows))
			}
		}
	}
}
