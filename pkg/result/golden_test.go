package result_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

var update = flag.Bool("update", false, "write the golden files anew")

const null = -1 // in a list of rows: this one is NULL

// vec makes a vector of type t. The rows in nulls are NULL.
func vec(t vector.Type, rows int, nulls []int, fill func(v *vector.Vector)) *vector.Vector {
	v := &vector.Vector{Type: t}
	if len(nulls) > 0 {
		v.Valid = make([]uint64, (rows+63)/64)
		for i := range v.Valid {
			v.Valid[i] = math.MaxUint64
		}
		for _, i := range nulls {
			v.Valid[i/64] &^= 1 << (i % 64)
		}
	}
	fill(v)
	return v
}

func ints(t vector.Type, xs ...int64) *vector.Vector {
	return vec(t, len(xs)+1, []int{len(xs)}, func(v *vector.Vector) { v.Ints = append(xs, 0) })
}

func wides(t vector.Type, xs ...vector.Wide) *vector.Vector {
	return vec(t, len(xs)+1, []int{len(xs)}, func(v *vector.Vector) { v.Wides = append(xs, vector.Wide{}) })
}

func floats(bits int, xs ...float64) *vector.Vector {
	return vec(vector.Type{Kind: vector.Float, Bits: bits}, len(xs)+1, []int{len(xs)}, func(v *vector.Vector) { v.Floats = append(xs, 0) })
}

func texts(k vector.Kind, xs ...string) *vector.Vector {
	return vec(vector.Type{Kind: k}, len(xs)+1, []int{len(xs)}, func(v *vector.Vector) { v.Texts = append(xs, "garbage") })
}

// lists makes lists of the given lengths over elem; null is a NULL row.
func lists(k vector.Kind, elem *vector.Vector, lengths ...int) *vector.Vector {
	v := &vector.Vector{Type: vector.Type{Kind: k, Elem: &elem.Type}, Elem: elem, Valid: []uint64{0}}
	at := uint64(0)
	for i, n := range lengths {
		if n == null {
			v.Spans = append(v.Spans, vector.Span{Offset: 1 << 40, Length: 1 << 40}) // what a NULL row holds means nothing
			continue
		}
		v.Valid[0] |= 1 << i
		v.Spans = append(v.Spans, vector.Span{Offset: at, Length: uint64(n)})
		at += uint64(n)
	}
	return v
}

func structs(names []string, nulls []int, fields ...*vector.Vector) *vector.Vector {
	t := vector.Type{Kind: vector.Struct}
	for i, f := range fields {
		t.Fields = append(t.Fields, vector.Field{Name: names[i], Type: f.Type})
	}
	return vec(t, 64, nulls, func(v *vector.Vector) { v.Fields = fields })
}

func rowsOf(v *vector.Vector) int {
	if len(v.Fields) > 0 {
		return rowsOf(v.Fields[0])
	}
	return max(len(v.Bools), len(v.Ints), len(v.Uints), len(v.Wides), len(v.Floats), len(v.Texts), len(v.Intervals), len(v.Spans), 1)
}

func moment(k vector.Kind, unit time.Duration, zone bool) vector.Type {
	return vector.Type{Kind: k, Unit: unit, Zone: zone}
}

type goldenCase struct {
	name string
	cols []*vector.Vector
}

func goldenCases() []goldenCase {
	return append(scalarCases(), nestedCases()...)
}

func scalarCases() []goldenCase {
	const micro = time.Microsecond
	day := int64(24 * time.Hour / micro)
	decimal := func(precision, scale int) vector.Type {
		return vector.Type{Kind: vector.Decimal, Precision: precision, Scale: scale}
	}
	one := func(name string, v *vector.Vector) goldenCase { return goldenCase{name, []*vector.Vector{v}} }
	return []goldenCase{
		one("null", &vector.Vector{}),
		one("bool", vec(vector.Type{Kind: vector.Bool}, 3, []int{1}, func(v *vector.Vector) { v.Bools = []bool{true, true, false} })),
		one("int", ints(vector.Type{Kind: vector.Int, Bits: 64}, 0, 7, -1, math.MaxInt64, math.MinInt64, 9007199254740993)),
		one("uint", vec(vector.Type{Kind: vector.Uint, Bits: 64}, 3, []int{2}, func(v *vector.Vector) { v.Uints = []uint64{0, math.MaxUint64, 5} })),
		one("int128", wides(vector.Type{Kind: vector.Int128, Bits: 128}, vector.Wide{}, vector.Wide{Lo: math.MaxUint64, Hi: -1}, vector.Wide{Hi: 1},
			vector.Wide{Lo: math.MaxUint64, Hi: math.MaxInt64}, vector.Wide{Hi: math.MinInt64}, vector.Wide{Lo: 0x8ac7230489e80000})),
		one("uint128", wides(vector.Type{Kind: vector.Int128, Bits: 128, Unsigned: true}, vector.Wide{}, vector.Wide{Lo: math.MaxUint64, Hi: -1}, vector.Wide{Hi: math.MinInt64})),
		one("number", texts(vector.Number, "0", "-57896044618658097711785492504343953926634992332820282019728792003956564819968", "-0.050")),
		one("float", floats(64, 0, math.Copysign(0, -1), 1, 0.1, 12.34, -2501.875, 1e20, 1e21, 1e-6, 1e-7, 123456789012, 0.30000000000000004,
			math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1))),
		one("float32", floats(32, 0, 0.10000000149011612, 16777216, math.MaxFloat32, math.SmallestNonzeroFloat32, math.NaN(), math.Inf(-1))),
		one("decimal", ints(decimal(18, 2), 0, 5, -5, 150, 123456789012345678, -99999)),
		one("decimal_whole", ints(decimal(18, 0), 0, -42, 999999999999999999)),
		one("decimal_fraction", ints(decimal(18, 18), 1, -999999999999999999)),
		one("decimal_wide", wides(decimal(38, 10), vector.Wide{}, vector.Wide{Lo: 5}, vector.Wide{Lo: math.MaxUint64, Hi: -1},
			vector.Wide{Lo: 0x098a223fffffffff, Hi: 0x4b3b4ca85a86c47a}, vector.Wide{Lo: 12345678901})),
		one("decimal_wide_whole", wides(decimal(38, 0), vector.Wide{Lo: 0x098a223fffffffff, Hi: 0x4b3b4ca85a86c47a})),
		one("decimal_wide_fraction", wides(decimal(38, 38), vector.Wide{Lo: 1}, vector.Wide{Lo: 0x098a223fffffffff, Hi: 0x4b3b4ca85a86c47a})),
		one("text", texts(vector.Text, "", "plain", "comma, here", `quote " and \ slash`, "a\nb\r\nc\td", "\x00\x1f\x7f\b\f", "ünï€😀", "</script>&\u2028\u2029",
			"bad \xff\xc3 utf-8", "exactly8", "exactly8\"", "sixteen letters,", " spaces ", "'")),
		one("json", texts(vector.JSON, `{"a":[1,2,{"b":null}]}`, "1.50", `"text, with \n"`, "{\n \"a\":\r\n 1}")),
		one("json_loose", texts(vector.JSON, `{"a":NaN,"b":[-Infinity,inf,"NaN, inf,]"]}`, "[1,2,]", `{"a":1,}`, "nan", "[1,\n\"\xff\",\n]", "[,]", "[1,,]", "", `{"a":`, "NaN1")),
		one("blob", texts(vector.Blob, "", "\x00\xff", "ab", "abc", "many more bytes than that")),
		one("date", ints(vector.Type{Kind: vector.Date}, 0, -1, 20454, -719162, 2932896, -719163, 2932897, 2147483646, -2147483646, 11016,
			vector.Infinity, -vector.Infinity)),
		one("time", ints(moment(vector.Time, micro, false), 0, 1, day-1, day, 45296500000, 45296000000)),
		one("time_ns", ints(moment(vector.Time, time.Nanosecond, false), 1, 45296123456789)),
		one("time_s", ints(moment(vector.Time, time.Second, false), 59)),
		one("timestamp", ints(moment(vector.Timestamp, micro, false), 0, 1, -1, 1767225600500000, -62135596800000000, 253402300799999999,
			-62135596800000001, 253402300800000000, math.MaxInt64-1, -math.MaxInt64+1, vector.Infinity, -vector.Infinity)),
		one("timestamptz", ints(moment(vector.Timestamp, micro, true), 0, 1767225600123456, -62135596800000001, vector.Infinity)),
		one("timestamp_ns", ints(moment(vector.Timestamp, time.Nanosecond, false), 1, -1, math.MaxInt64-1, vector.Infinity)),
		one("timestamp_ms", ints(moment(vector.Timestamp, time.Millisecond, false), 1, -1)),
		one("timestamp_s", ints(moment(vector.Timestamp, time.Second, true), 1, -1, -86400)),
		one("interval", vec(vector.Type{Kind: vector.Interval}, 9, []int{8}, func(v *vector.Vector) {
			v.Intervals = []vector.IntervalValue{{}, {Months: 14, Days: 3, Micros: 14706700000}, {Months: -14, Days: -3, Micros: -14706700000},
				{Months: 12}, {Days: 1}, {Micros: 1}, {Micros: -500000}, {Months: math.MinInt32, Days: math.MaxInt32, Micros: math.MinInt64}, {}}
		})),
		one("uuid", wides(vector.Type{Kind: vector.UUID}, vector.Wide{}, vector.Wide{Lo: 0x89abcdef01234567, Hi: 0x0123456789abcdef}, vector.Wide{Lo: math.MaxUint64, Hi: -1})),
	}
}

func nestedCases() []goldenCase {
	integer := vector.Type{Kind: vector.Int, Bits: 64}
	one := func(name string, v *vector.Vector) goldenCase { return goldenCase{name, []*vector.Vector{v}} }
	row := func(k, v *vector.Vector) *vector.Vector { return structs([]string{"key", "value"}, nil, k, v) }
	return []goldenCase{
		one("list", lists(vector.List, ints(integer, 1, 2, 3), 2, 0, null, 2)),
		one("list_text", lists(vector.List, texts(vector.Text, "a", `say "hi", friend`), 1, 2)),
		one("list_list", lists(vector.List, lists(vector.List, ints(integer, 1, 2), 2, 0, null), 1, 2)),
		one("list_float", lists(vector.List, floats(64, 1.5, math.NaN()), 3)),
		one("struct", structs([]string{"n", `key "k"`, "when"}, []int{1}, ints(integer, 1, 2, 3), texts(vector.Text, "x", "y", "z"),
			ints(vector.Type{Kind: vector.Date}, 0, 1, 2))),
		one("struct_same_names", structs([]string{"a", "a"}, nil, ints(integer, 1), ints(integer, 2))),
		one("struct_of_struct", structs([]string{"in", "l"}, nil, structs([]string{"x"}, []int{1}, ints(integer, 7)), lists(vector.List, ints(integer, 1), 1, null))),
		one("tuple", structs([]string{"", ""}, nil, ints(integer, 1), texts(vector.Text, "x"))),
		one("struct_empty", structs(nil, nil)),
		one("map", lists(vector.Map, row(texts(vector.Text, "k", `"l"`), ints(integer, 1, 2)), 2, 0, null)),
		one("list_json_loose", lists(vector.List, texts(vector.JSON, "NaN", "[1,]", "no"), 2, 1)),
		one("map_int", lists(vector.Map, row(ints(integer, 5, 6), texts(vector.Text, "five", "six")), 2, 0, null)),
		one("map_nested", lists(vector.Map, row(texts(vector.Text, "k"), lists(vector.List, ints(integer, 1), 2, null)), 1)),
		{"many", []*vector.Vector{ints(integer, 1, 2), texts(vector.Text, "a", "b,c"), floats(64, 1.25, math.NaN())}},
	}
}

func fieldsOf(cols []*vector.Vector) []vector.Field {
	var out []vector.Field
	for i, c := range cols {
		out = append(out, vector.Field{Name: string(rune('a' + i)), Type: c.Type})
	}
	return out
}

func TestGolden(t *testing.T) {
	for _, tt := range goldenCases() {
		t.Run(tt.name, func(t *testing.T) {
			var all strings.Builder
			rows := rowsOf(tt.cols[0])
			for _, f := range textFormats() {
				var out bytes.Buffer
				encode(t, f, &out, fieldsOf(tt.cols), &vector.Batch{Rows: rows, Cols: tt.cols})
				checkForm(t, f.Name, out.String(), rows, len(tt.cols))
				all.WriteString("-- " + f.Name + " --\n" + strings.ReplaceAll(out.String(), "\r\n", "<CR>\n"))
			}
			file := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(all.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if all.String() != string(want) {
				t.Errorf("%s\n got %s\nwant %s", file, all.String(), want)
			}
		})
	}
}

// checkForm reads text with the standard library and counts.
func checkForm(t *testing.T, format, text string, rows, cols int) {
	t.Helper()
	switch format {
	case "json":
		var got []map[string]any
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		if lines := strings.Count(text, "\n"); len(got) != rows || lines != rows+2 {
			t.Errorf("json: got %d rows on %d lines, want %d on %d", len(got), lines, rows, rows+2)
		}
	case "ndjson":
		lines := strings.SplitAfter(text, "\n")
		if len(lines) != rows+1 || lines[rows] != "" {
			t.Errorf("ndjson: got %d lines, want %d and an end of line", len(lines)-1, rows)
		}
		for _, l := range lines[:len(lines)-1] {
			if !json.Valid([]byte(l)) {
				t.Errorf("ndjson: not JSON: %s", l)
			}
		}
	case "csv":
		if cols == 1 {
			text = strings.ReplaceAll(text, "\r\n\r\n", "\r\nNULL\r\n") // the reader skips lines without fields
			text = strings.ReplaceAll(text, "\r\n\r\n", "\r\nNULL\r\n")
		}
		got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(got) != rows+1 || len(got[0]) != cols {
			t.Errorf("csv: got %d records, error %v, want %d of %d fields", len(got), err, rows+1, cols)
		}
	}
}
