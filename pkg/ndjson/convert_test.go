package ndjson

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// conversion says what a value becomes in a column of each kind. An empty cell means that it is rescued. A nested
// column has the JSON text of any value, and a foreign one what a text column has.
type conversion struct {
	name, value                                       string
	asBool, asInt, asFloat32, asFloat, asTime, asDate string
	asText                                            string
}

const (
	zeroTime = "1970-01-01T00:00:00Z"
	zeroDate = "1970-01-01"
)

var conversions = []conversion{
	{"true", `true`, "true", "1", "1", "1", "", "", "true"},
	{"false", `false`, "false", "0", "0", "0", "", "", "false"},
	{"zero", `0`, "false", "0", "0", "0", "", "", "0"},
	{"one", `1`, "true", "1", "1", "1", "", "", "1"},
	{"two", `2`, "", "2", "2", "2", "", "", "2"},
	{"minus one", `-1`, "", "-1", "-1", "-1", "", "", "-1"},
	{"minus zero", `-0`, "", "", "-0", "-0", "", "", "-0"},
	{"minus zero with a point", `-0.0`, "", "", "-0", "-0", "", "", "-0.0"},
	{"int8's most", `127`, "", "127", "127", "127", "", "", "127"},
	{"one more", `128`, "", "128", "128", "128", "", "", "128"},
	{"int8's least", `-128`, "", "-128", "-128", "-128", "", "", "-128"},
	{"one less", `-129`, "", "-129", "-129", "-129", "", "", "-129"},
	{"uint8's most", `255`, "", "255", "255", "255", "", "", "255"},
	{"past uint8", `256`, "", "256", "256", "256", "", "", "256"},
	{"int16's most", `32767`, "", "32767", "32767", "32767", "", "", "32767"},
	{"past int16", `32768`, "", "32768", "32768", "32768", "", "", "32768"},
	{"past uint16", `65536`, "", "65536", "65536", "65536", "", "", "65536"},
	{"past float32's integers", `16777217`, "", "16777217", "", "1.6777217e+07", "", "", "16777217"},
	{"int32's most", `2147483647`, "", "2147483647", "", "2.147483647e+09", "", "", "2147483647"},
	{"past int32", `2147483648`, "", "2147483648", "2.1474836e+09", "2.147483648e+09", "", "", "2147483648"},
	{"past uint32", `4294967296`, "", "4294967296", "4.2949673e+09", "4.294967296e+09", "", "", "4294967296"},
	{"float's most integer", `9007199254740992`, "", "9007199254740992", "9.007199e+15", "9.007199254740992e+15", "", "", "9007199254740992"},
	{"past it", `9007199254740993`, "", "9007199254740993", "", "", "", "", "9007199254740993"},
	{"int64's most", `9223372036854775807`, "", "9223372036854775807", "", "", "", "", "9223372036854775807"},
	{"int64's least", `-9223372036854775808`, "", "-9223372036854775808", "-9.223372e+18", "-9.223372036854775808e+18", "", "", "-9223372036854775808"},
	{"past int64", `9223372036854775808`, "", "9223372036854775808", "9.223372e+18", "9.223372036854775808e+18", "", "", "9223372036854775808"},
	{"before int64", `-9223372036854775809`, "", "", "", "", "", "", "-9223372036854775809"},
	{"uint64's most", `18446744073709551615`, "", "18446744073709551615", "", "", "", "", "18446744073709551615"},
	{"past uint64", `18446744073709551616`, "", "", "1.8446744e+19", "1.8446744073709552e+19", "", "", "18446744073709551616"},
	{"30 digits", `123456789012345678901234567890`, "", "", "", "", "", "", "123456789012345678901234567890"},
	{"1 with a point", `1.0`, "", "1", "1", "1", "", "", "1.0"},
	{"exponent", `1e3`, "", "1000", "1000", "1000", "", "", "1e3"},
	{"exponent and point", `1.25E+2`, "", "125", "125", "125", "", "", "1.25E+2"},
	{"exponent takes zeros", `1200e-2`, "", "12", "12", "12", "", "", "1200e-2"},
	{"int64 with a point", `9007199254740993.000`, "", "9007199254740993", "9.007199e+15", "9.007199254740992e+15", "", "", "9007199254740993.000"},
	{"many zeros", `5.` + strings.Repeat("0", 30), "", "5", "5", "5", "", "", "5." + strings.Repeat("0", 30)},
	{"many zeros, then 1", `5.` + strings.Repeat("0", 30) + "1", "", "", "5", "5", "", "", "5." + strings.Repeat("0", 30) + "1"},
	{"fraction", `1.5`, "", "", "1.5", "1.5", "", "", "1.5"},
	{"small fraction", `0.1`, "", "", "0.1", "0.1", "", "", "0.1"},
	{"all digits of pi", `3.14159265358979323846`, "", "", "3.1415927", "3.141592653589793", "", "", "3.14159265358979323846"},
	{"past float32", `1e39`, "", "", "", "1e+39", "", "", "1e39"},
	{"past float", `1e400`, "", "", "", "", "", "", "1e400"},
	{"too near zero", `1e-400`, "", "", "", "", "", "", "1e-400"},
	{"zero times much", `0e99999999999999999999`, "", "0", "0", "0", "", "", "0e99999999999999999999"},
	{"huge exponent", `1e99999999999999999999`, "", "", "", "", "", "", "1e99999999999999999999"},
	{"text of an integer", `"42"`, "", "42", "42", "42", "", "", "42"},
	{"text of a negative integer", `"-7"`, "", "-7", "-7", "-7", "", "", "-7"},
	{"text of one", `"1"`, "", "1", "1", "1", "", "", "1"},
	{"text with escapes", `"\u0034\u0032"`, "", "42", "42", "42", "", "", "42"},
	{"text with a space", `" 42"`, "", "", "", "", "", "", " 42"},
	{"text with a leading zero", `"042"`, "", "", "", "", "", "", "042"},
	{"text with a plus", `"+42"`, "", "", "", "", "", "", "+42"},
	{"text of minus zero", `"-0"`, "", "", "-0", "-0", "", "", "-0"},
	{"text of a fraction", `"1.5"`, "", "", "1.5", "1.5", "", "", "1.5"},
	{"text of 1.0", `"1.0"`, "", "", "1", "1", "", "", "1.0"},
	{"text of an exponent", `"1e3"`, "", "", "1000", "1000", "", "", "1e3"},
	{"text of a fraction alone", `".5"`, "", "", "", "", "", "", ".5"},
	{"text of no digits", `"-"`, "", "", "", "", "", "", "-"},
	{"text of half a number", `"1."`, "", "", "", "", "", "", "1."},
	{"text of half an exponent", `"1e+"`, "", "", "", "", "", "", "1e+"},
	{"text of NaN", `"NaN"`, "", "", "", "", "", "", "NaN"},
	{"text of hexadecimal", `"0x1"`, "", "", "", "", "", "", "0x1"},
	{"text of true", `"true"`, "true", "", "", "", "", "", "true"},
	{"text of false", `"false"`, "false", "", "", "", "", "", "false"},
	{"text of True", `"True"`, "", "", "", "", "", "", "True"},
	{"text of null", `"null"`, "", "", "", "", "", "", "null"},
	{"empty text", `""`, "", "", "", "", "", "", "-empty-"},
	{"text", `"abc"`, "", "", "", "", "", "", "abc"},
	{"text with a quote", `"1\"2"`, "", "", "", "", "", "", `1"2`},
	{"text with NUL", `"a\u0000b"`, "", "", "", "", "", "", "a\x00b"},
	{"date", `"2024-02-29"`, "", "", "", "", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29"},
	{"date with escapes", `"2024\u002d02-29"`, "", "", "", "", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29"},
	{"no date", `"2023-02-29"`, "", "", "", "", "", "", "2023-02-29"},
	{"timestamp", `"2024-02-29T12:34:56.5Z"`, "", "", "", "", "2024-02-29T12:34:56.5Z", "", "2024-02-29T12:34:56.5Z"},
	{"naive timestamp", `"2024-02-29 12:34"`, "", "", "", "", "2024-02-29T12:34:00Z", "", "2024-02-29 12:34"},
	{"midnight", `"2024-02-29T00:00:00Z"`, "", "", "", "", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29T00:00:00Z"},
	{"midnight elsewhere", `"2024-02-29T02:00:00+02:00"`, "", "", "", "", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29T02:00:00+02:00"},
	{"early midnight", `"1899-12-31T00:00:00Z"`, "", "", "", "", "1899-12-31T00:00:00Z", "1899-12-31", "1899-12-31T00:00:00Z"},
	{"timestamp too fine", `"2024-02-29T12:34:56.0000001Z"`, "", "", "", "", "", "", "2024-02-29T12:34:56.0000001Z"},
	{"object", `{"a":[1,{"b":"c"}]}`, "", "", "", "", "", "", `{"a":[1,{"b":"c"}]}`},
	{"array", `[1,null,"x\n"]`, "", "", "", "", "", "", `[1,null,"x\n"]`},
	{"empty object", `{}`, "", "", "", "", "", "", `{}`},
	{"empty array", `[]`, "", "", "", "", "", "", `[]`},
}

// intCell gives what the integer text becomes in a column, empty when that cannot hold it.
func intCell(text string, width int, unsigned bool) string {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return ""
	}
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(width))
	if !unsigned {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	if n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
		return ""
	}
	return text
}

func TestConvert(t *testing.T) {
	for _, v := range conversions {
		text := strings.Replace(v.asText, "-empty-", "", 1)
		cell := func(col schema.Column, want, zero string) {
			name := fmt.Sprintf("%s into %s", v.name, col.Type)
			t.Run(name, func(t *testing.T) { testCell(t, v.value, col, want, want == "" && col.Kind < schema.Text, zero) })
		}
		cell(schema.Column{Kind: schema.Bool, Type: "bool"}, v.asBool, "false")
		for _, width := range []int{8, 16, 32, 64} {
			for _, unsigned := range []bool{false, true} {
				col := schema.Column{Kind: schema.Int, Bits: width, Unsigned: unsigned}
				col.Type = fmt.Sprintf("int%d unsigned %t", width, unsigned)
				cell(col, intCell(v.asInt, width, unsigned), "0")
			}
		}
		cell(schema.Column{Kind: schema.Int, Type: "int"}, intCell(v.asInt, 64, false), "0")
		cell(schema.Column{Kind: schema.Float, Bits: 32, Type: "float32"}, v.asFloat32, "0")
		// The float is compared as it prints, so the table may spell it in any way.
		if f, err := strconv.ParseFloat(v.asFloat, 64); err == nil {
			v.asFloat = strconv.FormatFloat(f, 'g', -1, 64)
		}
		cell(schema.Column{Kind: schema.Float, Bits: 64, Type: "float64"}, v.asFloat, "0")
		cell(schema.Column{Kind: schema.Float, Type: "float"}, v.asFloat, "0")
		cell(schema.Column{Kind: schema.Timestamp, Type: "timestamp"}, v.asTime, zeroTime)
		cell(schema.Column{Kind: schema.Date, Type: "date"}, v.asDate, zeroDate)
		cell(schema.Column{Kind: schema.Text, Type: "text"}, text, "")
		cell(schema.Column{Kind: schema.Foreign, Type: "foreign"}, text, "")
		cell(schema.Column{Kind: schema.Nested, Type: "nested"}, v.value, "")
	}
}

// testCell reads value into a column twice, first in a row and last.
func testCell(t *testing.T, value string, col schema.Column, want string, rescued bool, zero string) {
	col.Name = "c"
	cols := []schema.Column{{Name: "id", Kind: schema.Text}, col, {Name: "__rescued", Kind: schema.Text}}
	rows := `{"c":` + value + `,"id":"x"}` + "\n" + `{"id":"y","c":` + value + "}\n"
	original := "NULL"
	if rescued {
		want, original = zero, `{"c":`+value+`}`
	}
	d := NewDecoder(strings.NewReader(rows), cols, Options{})
	got, err := readAll(d, 10)
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, got, []string{"x|" + want + "|" + original, "y|" + want + "|" + original})
	wantCount := int64(0)
	if rescued {
		wantCount = 2
	}
	if d.Rescued() != wantCount {
		t.Errorf("got %d rescued, want %d", d.Rescued(), wantCount)
	}
}

func TestMissingValues(t *testing.T) {
	for kind := schema.Bool; kind <= schema.Foreign; kind++ {
		for _, tt := range []struct {
			notNull, hasDefault, want bool // want: the zero value
		}{{false, false, false}, {true, false, true}, {true, true, false}} {
			t.Run(fmt.Sprintf("%v not null %t default %t", kind, tt.notNull, tt.hasDefault), func(t *testing.T) {
				cols := []schema.Column{{Name: "c", Kind: kind, NotNull: tt.notNull, Default: tt.hasDefault}}
				d := NewDecoder(strings.NewReader("{}\n{\"c\":null}\n"), cols, Options{})
				got, err := readAll(d, 10)
				if err != nil {
					t.Fatal(err)
				}
				want := "NULL"
				if tt.want {
					want = map[schema.Kind]string{schema.Bool: "false", schema.Int: "0", schema.Float: "0",
						schema.Timestamp: zeroTime, schema.Date: zeroDate}[kind]
				}
				wantRows(t, got, []string{want, want})
			})
		}
	}
}

func TestFloatsAreTheNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		s := strconv.FormatInt(r.Int64N(1<<uint(1+r.IntN(62))), 10)
		if at := r.IntN(len(s) + 1); at > 0 && at < len(s) {
			s = s[:at] + "." + s[at:]
		}
		if len(s) > 1 && s[0] == '0' && s[1] != '.' {
			continue
		}
		if r.IntN(2) == 0 {
			s = "-" + s
		}
		got, end := quickFloat(append([]byte(s), '}'), 0)
		want, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		if end != 0 && (end != len(s) || got != want) {
			t.Fatalf("quickFloat(%s) got %v, want %v", s, got, want)
		}
		if digits := len(strings.Trim(s, "-.")); end == 0 && digits <= 15 {
			t.Fatalf("quickFloat(%s) is not quick", s)
		}
	}
}

func TestIntegersAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		digits := strconv.FormatUint(r.Uint64()>>uint(r.IntN(64)), 10) + strings.Repeat("0", r.IntN(4))
		s := digits
		if at := r.IntN(len(s)); at > 0 {
			s = s[:at] + "." + s[at:]
		}
		exponent := r.IntN(30) - 10
		s += "e" + strconv.Itoa(exponent)
		x, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatal(s)
		}
		want := x.IsInt() && x.Num().IsUint64()
		got, ok := parseDecimal([]byte(s)).uint()
		if ok != want || ok && got != x.Num().Uint64() {
			t.Fatalf("%s got %d, %t, want %v, %t", s, got, ok, x, want)
		}
	}
}

// A float that is copied is the one that its number is nearest to, however large, and what JSON has no number for. Into a
// narrower column it goes by the rules for all numbers.
func TestCopiedFloats(t *testing.T) {
	column := func(bits, from int) []schema.Column {
		return []schema.Column{{Name: "f", Kind: schema.Float, Bits: bits, Like: &vector.Type{Kind: vector.Float, Bits: from}}, {Name: "__rescued", Kind: schema.Text}}
	}
	for _, tt := range []struct {
		bits, from  int
		value, want string
	}{
		{64, 64, `123456789012345680000`, "1.2345678901234568e+20|NULL"}, // which has a longer exact text
		{64, 64, `-9007199254740994`, "-9.007199254740994e+15|NULL"},
		{64, 64, `1e+21`, "1e+21|NULL"},
		{64, 64, `5e-324`, "5e-324|NULL"},
		{64, 64, `0.1`, "0.1|NULL"},
		{64, 64, `"NaN"`, "NaN|NULL"},
		{64, 64, `"-Infinity"`, "-Inf|NULL"},
		{64, 64, `1e400`, `0|{"f":1e400}`},
		{64, 64, `"NaN "`, `0|{"f":"NaN "}`},
		{32, 32, `6444741000000000`, "6.444741e+15|NULL"},
		{32, 32, `-1.2345678e+25`, "-1.2345678e+25|NULL"},
		{32, 32, `3.4028235e+38`, "3.4028235e+38|NULL"},
		{32, 32, `1e-45`, "1e-45|NULL"},
		{32, 32, `"Infinity"`, "+Inf|NULL"},
		{32, 64, `16777217`, `0|{"f":16777217}`},
		{32, 64, `16777216`, "1.6777216e+07|NULL"},
		{32, 64, `1e39`, `0|{"f":1e39}`},
		{64, 32, `6444741000000000`, "6.444741e+15|NULL"},
		{64, 0, `123456789012345680000`, `0|{"f":123456789012345680000}`}, // not copied
		{64, 0, `"NaN"`, `0|{"f":"NaN"}`},
	} {
		cols := column(tt.bits, tt.from)
		if tt.from == 0 {
			cols[0].Like = nil
		}
		got, err := readAll(NewDecoder(strings.NewReader(`{"f":`+tt.value+"}\n"), cols, Options{}), 10)
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s of %d bits into %d: got %q, %v, want %s", tt.value, tt.from, tt.bits, got, err, tt.want)
		}
	}
}
