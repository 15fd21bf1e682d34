package duckdb

import (
	"bytes"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/result"
)

// lines is what a query of the driver's answers in a format, by lines.
func lines(t *testing.T, d *Destination, query, format string) []string {
	t.Helper()
	f, err := result.FormatOf(format, "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.Query(t.Context(), query, nil, f.New(&out)); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(out.String(), "\r\n", "\n"), "\n"), "\n")
}

// TestTextFormatsOfEachType: a value of each type of the engine's as text, by the way of a query. TestParquetIsReadByTheEngine
// has them in Parquet, api/scripts/arrow.mjs in Arrow, package result each value that a type has.
func TestTextFormatsOfEachType(t *testing.T) {
	d := open(t)
	for _, tt := range []struct{ name, sql, json, csv string }{
		{"boolean", values("true", "null", "false"), "true null false", "true  false"},
		{"bigint", values("(-9223372036854775808)::bigint", "9007199254740993", "null"), "-9223372036854775808 9007199254740993 null", "-9223372036854775808 9007199254740993 "},
		{"ubigint", values("18446744073709551615::ubigint"), "18446744073709551615", "18446744073709551615"},
		{"hugeint", values("170141183460469231731687303715884105727::hugeint", "(-1)"), "170141183460469231731687303715884105727 -1", "170141183460469231731687303715884105727 -1"},
		{"uhugeint", values("340282366920938463463374607431768211455::uhugeint"), "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"},
		{"float", values("1.5::float", "0.1", "'nan'", "'-inf'"), "1.5 0.1 null null", "1.5 0.1  "},
		{"double", values("0.1::double", "1e300", "'nan'", "'inf'"), "0.1 1e+300 null null", "0.1 1e+300  "},
		{"decimal in 32 bits", values("-12.34::decimal(4,2)", "0.05", "null"), "-12.34 0.05 null", "-12.34 0.05 "},
		{"decimal in 128 bits", values("-12345678901234567890123456789012345678::decimal(38,0)", "1"), "-12345678901234567890123456789012345678 1", "-12345678901234567890123456789012345678 1"},
		{"decimal with all its digits", values("1.10::decimal(38,10)"), "1.1000000000", "1.1000000000"},
		{"varchar", values("''", `'a"b'`, "'ü€😀'", "null"), `"" "a\"b" "ü€😀" null`, `"" "a""b" ü€😀 `},
		{"enum", "select x::enum('a','b') x from (" + values("'b'", "null") + ")", `"b" null`, "b "},
		{"json", values(`'{"a":[1,2]}'::json`, "null"), `{"a":[1,2]} null`, `"{""a"":[1,2]}" `},
		{"json of no numbers", values("to_json('nan'::double)", "json_object('a','inf'::double)", "[1,'-inf'::double]::json", `'{"a":-Infinity,"b":[-NaN,"NaN"]}'::json`),
			`null {"a":null} [1.0,null] {"a":null,"b":[null,"NaN"]}`, `null "{""a"":null}" "[1.0,null]" "{""a"":null,""b"":[null,""NaN""]}"`},
		{"json with more commas", values("'[1,2,]'::json", `'{"a":1 , }'::json`), `[1,2] {"a":1  }`, `"[1,2]" "{""a"":1  }"`},
		{"json of no numbers inside", values("{'j':'NaN'::json,'l':['[Infinity,]'::json]}"), `{"j":null,"l":[[null]]}`, `"{""j"":null,""l"":[[null]]}"`},
		{"uuid", values("'01234567-89ab-cdef-0123-456789abcdef'::uuid", "null"), `"01234567-89ab-cdef-0123-456789abcdef" null`, "01234567-89ab-cdef-0123-456789abcdef "},
		{"blob", values(`'\x00\xFFab'::blob`, "null"), `"AP9hYg==" null`, "AP9hYg== "},
		{"bit", values("'101'::bit"), `"101"`, "101"},
		{"date", values("date '1969-12-31'", "'infinity'", "null"), `"1969-12-31" "infinity" null`, "1969-12-31 infinity "},
		{"time", values("time '12:34:56.789'"), `"12:34:56.789"`, "12:34:56.789"},
		{"time in ns", values("'12:34:56.123456789'::time_ns"), `"12:34:56.123456789"`, "12:34:56.123456789"},
		{"timestamp", values("timestamp '1969-12-31 23:59:59.999999'", "'-infinity'"), `"1969-12-31T23:59:59.999999" "-infinity"`, "1969-12-31T23:59:59.999999 -infinity"},
		{"timestamp in s", values("'2024-02-29 12:00:00'::timestamp_s"), `"2024-02-29T12:00:00"`, "2024-02-29T12:00:00"},
		{"timestamp in ms", values("'2024-02-29 12:00:00.001'::timestamp_ms"), `"2024-02-29T12:00:00.001"`, "2024-02-29T12:00:00.001"},
		{"timestamp in ns", values("'2024-02-29 12:00:00.000000001'::timestamp_ns"), `"2024-02-29T12:00:00.000000001"`, "2024-02-29T12:00:00.000000001"},
		{"timestamp with a zone", values("timestamptz '2024-07-01 00:00:00+02'"), `"2024-06-30T22:00:00Z"`, "2024-06-30T22:00:00Z"},
		{"interval", values("interval '1 year 2 months -3 days 4 hours'", "null"), `"P1Y2M-3DT4H" null`, "P1Y2M-3DT4H "},
		{"list", values("[1,null,3]", "[]", "null"), "[1,null,3] [] null", `"[1,null,3]" [] `},
		{"list of lists", values("[['a'],[],null]"), `[["a"],[],null]`, `"[[""a""],[],null]"`},
		{"array", values("[1,2]::integer[2]"), "[1,2]", `"[1,2]"`},
		{"struct", values("{'a':1,'b':'x'}", "null"), `{"a":1,"b":"x"} null`, `"{""a"":1,""b"":""x""}" `},
		{"map", values("map{'k':1,'l':null}", "map{}"), `{"k":1,"l":null} {}`, `"{""k"":1,""l"":null}" {}`},
		{"map by numbers", values("map{1:date '1970-01-02'}"), `[{"key":1,"value":"1970-01-02"}]`, `"[{""key"":1,""value"":""1970-01-02""}]"`},
		{"deep", values("{'l':[{'d':1.50::decimal(4,2)},null]}"), `{"l":[{"d":1.50},null]}`, `"{""l"":[{""d"":1.50},null]}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rows []string
			for _, line := range lines(t, d, tt.sql, "ndjson") {
				rows = append(rows, strings.TrimSuffix(strings.TrimPrefix(line, `{"x":`), "}"))
			}
			if got := strings.Join(rows, " "); got != tt.json {
				t.Errorf("ndjson\n got %s\nwant %s", got, tt.json)
			}
			array := strings.Join(lines(t, d, tt.sql, "json"), "\n")
			if want := "[\n" + strings.Join(lines(t, d, tt.sql, "ndjson"), ",\n") + "\n]"; array != want {
				t.Errorf("json\n got %s\nwant %s", array, want)
			}
			table := lines(t, d, tt.sql, "csv")
			if got := strings.Join(table[1:], " "); table[0] != "x" || got != tt.csv {
				t.Errorf("csv\n got %s %s\nwant x %s", table[0], got, tt.csv)
			}
		})
	}
}

// TestTextFormatsOfColumnsOfOneName: each is there, under a name of its own.
func TestTextFormatsOfColumnsOfOneName(t *testing.T) {
	d := open(t)
	const sql = `select 1 as a, 2 as a, 3 as "A", 4 as a_1, 5 as a`
	if got, want := strings.Join(lines(t, d, sql, "ndjson"), ""), `{"a":1,"a_2":2,"A":3,"a_1":4,"a_3":5}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := strings.Join(lines(t, d, sql, "csv"), ";"), "a,a_2,A,a_1,a_3;1,2,3,4,5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
