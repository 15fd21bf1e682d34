package duckdb

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
)

// copied loads the answer of query into the table to, as a copy does.
func (d *Destination) copied(t *testing.T, query, to string) destination.Loaded {
	t.Helper()
	return destinationtest.Copy(t, d, query, d, to)
}

func TestCopiesKeepTypesAndValues(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{ // want is the type; empty means that of the values
		{"bool", "true, false, NULL", ""},
		{"tinyint", "(-128)::TINYINT, 127::TINYINT, NULL", ""},
		{"smallint", "(-32768)::SMALLINT, 32767::SMALLINT", ""},
		{"integer", "(-2147483648)::INTEGER, 2147483647::INTEGER", ""},
		{"bigint", "(-9223372036854775808)::BIGINT, 9223372036854775807::BIGINT", ""},
		{"hugeint", "(-170141183460469231731687303715884105728)::HUGEINT, 170141183460469231731687303715884105727::HUGEINT", ""},
		{"uhugeint", "340282366920938463463374607431768211455::UHUGEINT, 0::UHUGEINT", ""},
		{"utinyint", "255::UTINYINT, 0::UTINYINT", ""},
		{"usmallint", "65535::USMALLINT", ""},
		{"uinteger", "4294967295::UINTEGER", ""},
		{"ubigint", "18446744073709551615::UBIGINT, 0::UBIGINT", ""},
		{"float", "'nan'::FLOAT, 'inf'::FLOAT, '-inf'::FLOAT, 3.4028235e38::FLOAT, 1e-45::FLOAT, 0.1::FLOAT, '-0'::FLOAT", ""},
		{"double", "'nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, 1.7976931348623157e308, 5e-324, 0.1::DOUBLE, 1e22", ""},
		{"decimal", "12.34::DECIMAL(4,2), -0.01::DECIMAL(4,2), NULL", ""},
		{"wide decimal", "12345678901234567890123456789.123456789::DECIMAL(38,9), -0.000000001::DECIMAL(38,9)", ""},
		{"text", "'', 'a\"\\\n\t', 'NULL', 'ö𝄞', '2020-01-01', '42', chr(0) || 'x', NULL", ""},
		{"blob", `'\x00\xFFab'::BLOB, ''::BLOB, 'aGk='::BLOB, NULL`, ""},
		{"date", "'0001-01-01'::DATE, '9999-12-31'::DATE", ""},
		{"time", "'00:00:00'::TIME, '23:59:59.999999'::TIME", ""},
		{"time with nanoseconds", "'12:34:56.123456789'::TIME_NS", ""},
		{"timestamp", "'0001-01-01'::TIMESTAMP, '2020-02-29 12:34:56.123456'::TIMESTAMP", ""},
		{"timestamp in seconds", "'2020-02-29 12:34:56'::TIMESTAMP_S", ""},
		{"timestamp in milliseconds", "'2020-02-29 12:34:56.789'::TIMESTAMP_MS", ""},
		{"timestamp in nanoseconds", "'2020-02-29 12:34:56.123456789'::TIMESTAMP_NS", ""},
		{"timestamp with zone", "'2020-02-29 12:34:56.5+02'::TIMESTAMPTZ", ""},
		{"interval", "INTERVAL '14 months 3 days 4:05:06.000007', INTERVAL '-1 year', INTERVAL '0 days', INTERVAL '-100:00:00.5', to_days(-2), " +
			"INTERVAL '-1 months 5 days -00:00:01'", ""},
		{"uuid", "'ffffffff-ffff-ffff-8000-000000000001'::UUID, '00000000-0000-0000-0000-000000000000'::UUID", ""},
		{"enum", "'sad'::mood, 'o''k'::mood, NULL", "ENUM('sad', 'o''k')"},
		{"json", `'{"a": [1, 2.50], "b": null}'::JSON, '"123"'::JSON, '123'::JSON, 'null'::JSON, '"a\nb"'::JSON`, ""},
		{"list", "[1, NULL, 3], [], NULL", ""},
		{"list of texts", `['a"b', 'NULL', NULL, '', 'c, d', '{x: 1}', '\']`, ""},
		{"list of decimals", "[12345678901234567890123456789.123456789::DECIMAL(38,9)]", ""},
		{"list of hugeints", "[170141183460469231731687303715884105727::HUGEINT]", ""},
		{"list of floats", "['nan'::DOUBLE, 'inf'::DOUBLE, 0.1::DOUBLE]", ""},
		{"list of intervals", "[INTERVAL '1 year -2 days']", ""},
		{"list of timestamps", "['2020-02-29 12:34:56.123456'::TIMESTAMPTZ]", ""},
		{"list of lists", "[[1], [], NULL]", ""},
		{"array", "[1, 2, 3]::INTEGER[3]", ""},
		{"struct", `{'a': 1, 'B c': 'x', 'd"': [true]}, {'a': NULL, 'B c': NULL, 'd"': NULL}, NULL`, ""},
		{"map", "MAP {'a b': 1, '': NULL}, MAP {}::MAP(VARCHAR, INTEGER), NULL", ""},
		{"map of numbers", "MAP {1: 'x', -2: NULL}", ""},
		{"map of structs", "MAP {{'a, b': 1}: [DATE '2020-01-01']}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			d.sql(t, "CREATE TYPE mood AS ENUM ('sad', 'o''k')", "CREATE TABLE src AS SELECT unnest(["+tt.values+"]) AS v")
			typ := strings.Join(d.ask(t, "SELECT DISTINCT typeof(v) FROM src"), "")
			if tt.want != "" {
				typ = tt.want
			}
			wantCopied(t, d, "dst", typ)
			// A column that must be filled and that only the engine can fill keeps values from being converted at once.
			d.sql(t, "CREATE TABLE byhand (__row_id VARCHAR, __batch_file VARCHAR, __rescued VARCHAR, filled HUGEINT NOT NULL, v "+typ+")")
			wantCopied(t, d, "byhand", typ)
		})
	}
}

// wantCopied copies src into the table to and checks that its column v is the same there, and of the type typ.
func wantCopied(t *testing.T, d *Destination, to, typ string) {
	t.Helper()
	if did := d.copied(t, "SELECT * FROM src", to); did.Rescued != 0 {
		t.Errorf("%s: got %d rescued values, want none: %s", to, did.Rescued,
			strings.Join(d.ask(t, "SELECT __rescued FROM "+to+" WHERE __rescued IS NOT NULL"), " "))
	}
	const differ = "SELECT count(*)::INTEGER AS differ FROM ((SELECT v FROM src EXCEPT ALL SELECT v FROM dst) UNION ALL (SELECT v FROM dst EXCEPT ALL SELECT v FROM src))"
	wantAnswer(t, d, strings.ReplaceAll(differ, "dst", to), "0")
	wantAnswer(t, d, "SELECT DISTINCT typeof(v) FROM "+to, typ)
}

// A table that is there keeps its types, and what they cannot hold is rescued as it is of rows that were inserted.
func TestCopiesIntoOtherTypes(t *testing.T) {
	for _, tt := range []struct{ name, value, to, want, rescued string }{
		{"decimal with fewer places", "12.34::DECIMAL(4,2)", "DECIMAL(4,1)", "0.0", `{"v":12.34}`},
		{"decimal into more places", "12.34::DECIMAL(4,2)", "DECIMAL(10,3)", "12.340", "NULL"},
		{"decimal into text", "12.30::DECIMAL(4,2)", "VARCHAR", "12.30", "NULL"},
		{"decimal into integer", "12.00::DECIMAL(4,2)", "BIGINT", "12", "NULL"},
		{"text into integer", "'x'", "BIGINT", "0", `{"v":"x"}`},
		{"NaN into text", "'nan'::DOUBLE", "VARCHAR", "NaN", "NULL"},
		{"NaN into integer", "'nan'::DOUBLE", "BIGINT", "0", `{"v":"NaN"}`},
		{"blob into text", `'\xFF'::BLOB`, "VARCHAR", "/w==", "NULL"},
		{"bytes inside", `['\xFF'::BLOB]`, "BLOB[]", "[]", `{"v":["/w=="]}`},
		{"list into text", "[1, NULL]", "VARCHAR", "[1,null]", "NULL"},
		{"list into narrower list", "[1, 300]", "TINYINT[]", "[]", `{"v":[1,300]}`},
		{"JSON into text", `'{"a": [1]}'::JSON`, "VARCHAR", `{"a": [1]}`, "NULL"},
		{"enum into another", "'sad'::mood", "ENUM('glad')", "NULL", `{"v":"sad"}`},
		{"interval into text", "INTERVAL '1 year -2 days 3:00:00'", "VARCHAR", "1 years -2 days 03:00:00", "NULL"},
		{"nanoseconds into microseconds", "'2020-01-01 00:00:00.123456789'::TIMESTAMP_NS", "TIMESTAMP", "1970-01-01 00:00:00", `{"v":"2020-01-01T00:00:00.123456789"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			d.sql(t, "CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE dst (__row_id VARCHAR, __batch_file VARCHAR, __rescued VARCHAR, v "+tt.to+")")
			d.copied(t, "SELECT "+tt.value+" AS v", "dst")
			wantAnswer(t, d, "SELECT v::VARCHAR FROM dst", tt.want)
			wantAnswer(t, d, "SELECT __rescued FROM dst", tt.rescued)
		})
	}
}
