package builtin

import "strings"

// answer is values that databases can have in common, as each of them spells them, and what they look like to whoever asks.
type answer struct {
	name       string
	duckdb     string // their type there; empty when there is none
	clickhouse string
	values     []spelling
	// differs is what docs/FORMATS.md says of how ClickHouse's answer is another than DuckDB's; empty: each format has the same
	// bytes of both.
	differs string
	parquet bool // differs, but not in Parquet
	// copied is what the values are after a copy into the other database and back, where TYPES.md says that texts are made of them; a
	// single "" is the text of each one's JSON.
	copied []string
	arrow  string // the type in Arrow of ClickHouse's values, where that is another or there is nothing to compare it with
}

// spelling is the SQL of a value, without its type, and what is JSON. A second SQL is ClickHouse's own, a second JSON
// what its answer has, where that is the difference.
type spelling struct{ sql, json, clickhouse, otherJSON string }

// is makes spellings of pairs of SQL and JSON.
func is(pairs ...string) (list []spelling) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, spelling{sql: pairs[i], json: pairs[i+1]})
	}
	return list
}

// either makes spellings of DuckDB's SQL, ClickHouse's, and JSON.
func either(triples ...string) (list []spelling) {
	for i := 0; i < len(triples); i += 3 {
		list = append(list, spelling{sql: triples[i], clickhouse: triples[i+1], json: triples[i+2]})
	}
	return list
}

// controls is the SQL of a text with every control character, and its JSON.
func controls() (sql, json string) {
	var chars []string
	for c := range 32 {
		chars = append(chars, "chr("+digits(c)+")")
	}
	return strings.Join(append(chars, "chr(127)"), " || "), `"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f` +
		`\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f` + "\x7f\""
}

func digits(n int) string {
	return strings.TrimPrefix(string(rune('0'+n/10)), "0") + string(rune('0'+n%10))
}

const (
	least128, most128 = "-170141183460469231731687303715884105728", "170141183460469231731687303715884105727"
	mostU128          = "340282366920938463463374607431768211455"
	least256          = "-57896044618658097711785492504343953926634992332820282019728792003956564819968"
	mostU256          = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
)

// answers has every type of which both databases have values, and those of one alone.
func answers() []answer {
	return append(append(append(numbers(), texts()...), moments()...), severals()...)
}

func numbers() []answer {
	n := func(name, duckdb, clickhouse string, values ...string) answer {
		var pairs []string
		for _, v := range values {
			pairs = append(pairs, "'"+v+"'", v)
		}
		a := answer{name: name, duckdb: duckdb, clickhouse: "Nullable(" + clickhouse + ")", values: append(is(pairs...), is("NULL", "null")...)}
		if duckdb == "" {
			a.arrow, a.copied = "utf8", []string{""}
		}
		return a
	}
	return []answer{
		{name: "bool", duckdb: "BOOLEAN", clickhouse: "Nullable(Bool)", values: is("true", "true", "false", "false", "NULL", "null")},
		n("int8", "TINYINT", "Int8", "-128", "127"), n("int16", "SMALLINT", "Int16", "-32768", "32767"),
		n("int32", "INTEGER", "Int32", "-2147483648", "2147483647"), n("int64", "BIGINT", "Int64", "-9223372036854775808", "9223372036854775807", "9007199254740993"),
		n("int128", "HUGEINT", "Int128", "0", "-1", "99999999999999999999999999999999999999"),
		n("uint8", "UTINYINT", "UInt8", "0", "255"), n("uint16", "USMALLINT", "UInt16", "65535"), n("uint32", "UINTEGER", "UInt32", "4294967295"),
		n("uint64", "UBIGINT", "UInt64", "18446744073709551615", "0"), n("uint128", "UHUGEINT", "UInt128", mostU128, "0"),
		n("int256", "", "Int256", least256, "-5", "0"), n("uint256", "", "UInt256", mostU256),
		n("decimal of 4", "DECIMAL(4, 2)", "Decimal(4, 2)", "-12.34", "0.05", "0.00"), n("decimal of 9", "DECIMAL(9, 9)", "Decimal(9, 9)", "-0.123456789"),
		n("decimal of 18", "DECIMAL(18, 3)", "Decimal(18, 3)", "999999999999999.999", "-0.001"),
		n("decimal of 38", "DECIMAL(38, 10)", "Decimal(38, 10)", "-1234567890123456789012345678.0123456789", "1.1000000000"),
		n("whole decimal", "DECIMAL(38, 0)", "Decimal(38, 0)", "-99999999999999999999999999999999999999", "1"),
		n("decimal of 76", "", "Decimal(76, 3)", "-0.050", "1234567890123456789012345678901234567890123456789012345678901234567890123.456"),
		{name: "float32", duckdb: "FLOAT", clickhouse: "Nullable(Float32)", values: is("'1.5'", "1.5", "'0.1'", "0.1", "'-0'", "-0", "'3.4028235e38'", "3.4028235e+38", "'1e-45'", "1e-45",
			"'16777216'", "16777216", "'nan'", "null", "'inf'", "null", "'-inf'", "null", "NULL", "null")},
		{name: "float64", duckdb: "DOUBLE", clickhouse: "Nullable(Float64)", values: is("'0.1'", "0.1", "'-0'", "-0", "'1e300'", "1e+300", "'5e-324'", "5e-324", "'1e21'", "1e+21",
			"'100000000000000000000'", "100000000000000000000", "'0.000001'", "0.000001", "'0.0000001'", "1e-7", "'-2501.875'", "-2501.875", "'nan'", "null", "'inf'", "null", "'-inf'", "null", "NULL", "null")},
		{name: "bfloat16", duckdb: "FLOAT", clickhouse: "BFloat16", values: is("1.5", "1.5", "-0.125", "-0.125")},
		{name: "nothing", clickhouse: "Nullable(Nothing)", values: is("NULL", "null"), arrow: "null"},
	}
}

func texts() []answer {
	all, allJSON := controls()
	text := append(is("''", `""`, "'a\"b,c'", `"a\"b,c"`, "'it''s'", `"it's"`, "' x '", `" x "`, "'ü€😀'", `"ü€😀"`, "'</script>&'", `"</script>&"`, "NULL", "null", all, allJSON),
		either(`'back\slash'`, `'back\\slash'`, `"back\\slash"`)...)
	return []answer{
		{name: "text", duckdb: "VARCHAR", clickhouse: "Nullable(String)", values: text},
		{name: "text of few words", duckdb: "VARCHAR", clickhouse: "LowCardinality(Nullable(String))", values: text},
		{name: "text of fixed length", duckdb: "VARCHAR", clickhouse: "Nullable(FixedString(3))", values: is("'abc'", `"abc"`, "'é!'", `"é!"`, "NULL", "null")},
		{name: "enum", duckdb: "ENUM('a', 'b,c', 'it''s')", clickhouse: "Nullable(Enum8('a' = -1, 'b,c' = 5, 'it''s' = 7))", values: is("'a'", `"a"`, "'b,c'", `"b,c"`, "'it''s'", `"it's"`, "NULL", "null")},
		{name: "enum of 16 bits", duckdb: "ENUM('a', 'b')", clickhouse: "Nullable(Enum16('a' = -1000, 'b' = 1000))", values: is("'b'", `"b"`, "'a'", `"a"`)},
		{name: "uuid", duckdb: "UUID", clickhouse: "Nullable(UUID)", values: is("'01234567-89ab-cdef-0123-456789abcdef'", `"01234567-89ab-cdef-0123-456789abcdef"`,
			"'ffffffff-ffff-ffff-8000-000000000001'", `"ffffffff-ffff-ffff-8000-000000000001"`, "NULL", "null")},
		{name: "IPv4", duckdb: "VARCHAR", clickhouse: "Nullable(IPv4)", values: is("'192.168.0.1'", `"192.168.0.1"`, "'0.0.0.0'", `"0.0.0.0"`, "NULL", "null")},
		{name: "IPv6", duckdb: "VARCHAR", clickhouse: "Nullable(IPv6)", values: is("'2001:db8::1'", `"2001:db8::1"`, "'::'", `"::"`, "'::ffff:1.2.3.4'", `"::ffff:1.2.3.4"`, "NULL", "null")},
		{name: "JSON", duckdb: "JSON", clickhouse: "JSON", values: is(`'{"a":{"b":[1,2.5,"x"]},"c":true}'`, `{"a":{"b":[1,2.5,"x"]},"c":true}`, "'{}'", "{}"), copied: []string{""}},
		{name: "bytes", duckdb: "BLOB", clickhouse: "String", values: []spelling{{sql: `'\x00\xFFab'`, json: `"AP9hYg=="`, clickhouse: `unhex('00FF6162')`, otherJSON: `"\u0000` + "\ufffd" + `ab"`}},
			differs: "a `String` is text", arrow: "utf8"},
	}
}

func moments() []answer {
	zone := func(digits string) string { return "Nullable(DateTime64(" + digits + ", 'UTC'))" }
	return []answer{
		{name: "date", duckdb: "DATE", clickhouse: "Nullable(Date32)", values: is("'1969-12-31'", `"1969-12-31"`, "'2024-02-29'", `"2024-02-29"`, "'1900-01-01'", `"1900-01-01"`, "'2299-12-31'", `"2299-12-31"`, "NULL", "null")},
		{name: "date of 16 bits", duckdb: "DATE", clickhouse: "Nullable(Date)", values: is("'1970-01-01'", `"1970-01-01"`, "'2149-06-06'", `"2149-06-06"`)},
		{name: "timestamp", duckdb: "TIMESTAMPTZ", clickhouse: zone("6"), values: either("'1969-12-31 23:59:59.999999+00'", "'1969-12-31 23:59:59.999999'", `"1969-12-31T23:59:59.999999Z"`,
			"'2024-02-29 12:00:00+00'", "'2024-02-29 12:00:00'", `"2024-02-29T12:00:00Z"`, "'2024-02-29 12:00:00.5+00'", "'2024-02-29 12:00:00.5'", `"2024-02-29T12:00:00.5Z"`, "NULL", "NULL", "null")},
		{name: "timestamp in a zone", duckdb: "TIMESTAMPTZ", clickhouse: "DateTime64(6, 'Europe/Oslo')", values: either("'2024-10-27 02:30:00+02'", "toDateTime64('2024-10-27 00:30:00', 6, 'UTC')", `"2024-10-27T00:30:00Z"`,
			"'2024-10-27 02:30:00+01'", "toDateTime64('2024-10-27 01:30:00', 6, 'UTC')", `"2024-10-27T01:30:00Z"`)},
		{name: "timestamp in seconds", duckdb: "TIMESTAMPTZ", clickhouse: "Nullable(DateTime('UTC'))", values: either("'2024-02-29 12:00:00+00'", "'2024-02-29 12:00:00'", `"2024-02-29T12:00:00Z"`, "NULL", "NULL", "null"),
			differs: "`DateTime64(3)`", arrow: "timestamp[s, tz=UTC]"},
		{name: "timestamp in milliseconds", duckdb: "TIMESTAMPTZ", clickhouse: zone("3"), values: either("'2024-02-29 12:00:00.12+00'", "'2024-02-29 12:00:00.12'", `"2024-02-29T12:00:00.12Z"`),
			differs: "`DateTime64(3)`", arrow: "timestamp[ms, tz=UTC]"},
		{name: "timestamp in nanoseconds", clickhouse: zone("9"), values: is("'2024-02-29 12:00:00.123456789'", `"2024-02-29T12:00:00.123456789Z"`, "'1969-12-31 23:59:59.999999999'", `"1969-12-31T23:59:59.999999999Z"`)},
		{name: "timestamp of 7 digits", clickhouse: zone("7"), values: is("'2024-02-29 12:00:00.1234567'", `"2024-02-29T12:00:00.1234567Z"`)},
		{name: "timestamp without a zone", duckdb: "TIMESTAMP", clickhouse: "DateTime64(6, 'UTC')", values: []spelling{{sql: "'2024-02-29 12:00:00.5'", json: `"2024-02-29T12:00:00.5"`, otherJSON: `"2024-02-29T12:00:00.5Z"`}},
			differs: "no timestamps without a zone", arrow: "timestamp[us, tz=UTC]", copied: []string{`"2024-02-29T12:00:00.5Z"`}},
		{name: "time", duckdb: "TIME", clickhouse: "Time", values: is("'01:02:03'", `"01:02:03"`, "'23:59:59'", `"23:59:59"`), differs: "`Time64`", arrow: "utf8"},
		{name: "time with digits", duckdb: "TIME", clickhouse: "Time64(6)", values: is("'01:02:03.5'", `"01:02:03.5"`, "'12:34:56.000001'", `"12:34:56.000001"`), differs: "`Time64`", arrow: "utf8"},
		{name: "time beyond a day", clickhouse: "Time64(3)", values: is("'-999:59:59.999'", `"-999:59:59.999"`, "'100:00:00'", `"100:00:00"`)},
		span("years", "INTERVAL 3 YEAR", "P3Y", "3 years"), span("quarters", "INTERVAL 5 QUARTER", "P1Y3M", "1 years 3 months"), span("months", "INTERVAL (-14) MONTH", "P-1Y-2M", "-1 years -2 months"), span("weeks", "INTERVAL 2 WEEK", "P14D", "14 days"),
		span("days", "INTERVAL (-3) DAY", "P-3D", "-3 days"), span("hours", "INTERVAL 100 HOUR", "PT100H", "100:00:00"), span("minutes", "INTERVAL (-61) MINUTE", "PT-1H-1M", "-01:01:00"),
		span("seconds", "INTERVAL 0 SECOND", "PT0S", "00:00:00"), span("milliseconds", "INTERVAL 1500 MILLISECOND", "PT1.5S", "00:00:01.5"), span("microseconds", "INTERVAL (-1) MICROSECOND", "PT-0.000001S", "-00:00:00.000001"),
		{name: "nanoseconds", duckdb: "INTERVAL", clickhouse: "IntervalNanosecond", values: either("'90061500 milliseconds'", "90061500000000", `"PT25H1M1.5S"`, "'-1 microseconds'", "-1000", `"PT-0.000001S"`, "'0 days'", "0", `"PT0S"`),
			differs: "`IntervalNanosecond`", arrow: "utf8", parquet: true,
			copied: []string{`"25:01:01.5"`, `"-00:00:00.000001"`, `"00:00:00"`}},
		{name: "a nanosecond", clickhouse: "IntervalNanosecond", values: is("-1", `"PT-0.000000001S"`)},
	}
}

// span is a length of time, of which ClickHouse has a type for each unit.
func span(unit, sql, json, copied string) answer {
	return answer{name: unit, duckdb: "INTERVAL", clickhouse: "Interval" + strings.ToUpper(unit[:1]) + strings.TrimSuffix(unit[1:], "s"), values: is(sql, `"`+json+`"`), copied: []string{`"` + copied + `"`}}
}

func severals() []answer {
	return []answer{
		{name: "list", duckdb: "INTEGER[]", clickhouse: "Array(Nullable(Int32))", values: is("[1, NULL, 3]", "[1,null,3]", "[]", "[]")},
		{name: "list of texts", duckdb: "VARCHAR[]", clickhouse: "Array(LowCardinality(String))", values: is("['a\"b', '', 'c, d']", `["a\"b","","c, d"]`)},
		{name: "list of lists", duckdb: "VARCHAR[][]", clickhouse: "Array(Array(String))", values: is("[['a'], []]", `[["a"],[]]`, "[]", "[]")},
		{name: "list of floats", duckdb: "DOUBLE[]", clickhouse: "Array(Float64)", values: is("['nan', '1.5', '-inf']", "[null,1.5,null]")},
		{name: "list of short floats", duckdb: "FLOAT[]", clickhouse: "Array(Float32)", values: is("['0.1', '-inf', '3.4028235e38']", "[0.1,null,3.4028235e+38]")},
		{name: "struct of floats", duckdb: "STRUCT(f FLOAT, m MAP(VARCHAR, DOUBLE))", clickhouse: "Tuple(f Float32, m Map(String, Float64))",
			values: either("{'f': '0.1', 'm': MAP {'a': 'nan'}}", "(0.1, map('a', nan))", `{"f":0.1,"m":{"a":null}}`)},
		{name: "list of decimals", duckdb: "DECIMAL(38, 9)[]", clickhouse: "Array(Decimal(38, 9))", values: is("['12345678901234567890123456789.123456789']", "[12345678901234567890123456789.123456789]")},
		{name: "list of timestamps", duckdb: "TIMESTAMPTZ[]", clickhouse: "Array(DateTime64(6, 'UTC'))", values: either("['2024-02-29 12:00:00.5+00']", "['2024-02-29 12:00:00.5']", `["2024-02-29T12:00:00.5Z"]`)},
		{name: "list of spans", duckdb: "INTERVAL[]", clickhouse: "Array(IntervalDay)", values: is("[INTERVAL 3 DAY]", `["P3D"]`), copied: []string{`["3 days"]`}},
		{name: "list without a type", duckdb: "INTEGER[]", clickhouse: "Array(Nothing)", values: is("[]", "[]"), differs: "`Array(Nothing)`", arrow: "list<item: null, nullable>"},
		{name: "struct", duckdb: `STRUCT(a INTEGER, "b c" VARCHAR, d DATE)`, clickhouse: "Tuple(a Nullable(Int32), `b c` Nullable(String), d Nullable(Date32))",
			values: either("{'a': 1, 'b c': 'x\"y', 'd': '2024-02-29'}", "(1, 'x\"y', '2024-02-29')", `{"a":1,"b c":"x\"y","d":"2024-02-29"}`, "{'a': NULL, 'b c': NULL, 'd': NULL}", "(NULL, NULL, NULL)", `{"a":null,"b c":null,"d":null}`)},
		{name: "tuple", duckdb: "", clickhouse: "Tuple(Int32, String)", values: is("(1, 'a')", `[1,"a"]`), copied: []string{""}},
		{name: "struct of several", duckdb: "STRUCT(l INTEGER[], s STRUCT(u UUID))", clickhouse: "Tuple(l Array(Int32), s Tuple(u UUID))",
			values: either("{'l': [1, 2], 's': {'u': '01234567-89ab-cdef-0123-456789abcdef'}}", "([1, 2], tuple('01234567-89ab-cdef-0123-456789abcdef'))", `{"l":[1,2],"s":{"u":"01234567-89ab-cdef-0123-456789abcdef"}}`)},
		{name: "list of structs", duckdb: "STRUCT(n BIGINT)[]", clickhouse: "Nested(n Int64)", values: either("[{'n': 1}, {'n': 2}]", "[tuple(1), tuple(2)]", `[{"n":1},{"n":2}]`)},
		{name: "map", duckdb: "MAP(VARCHAR, INTEGER)", clickhouse: "Map(String, Nullable(Int32))", values: either("MAP {'a b': 1, '': NULL}", "map('a b', 1, '', NULL)", `{"a b":1,"":null}`, "MAP {}", "map()", "{}")},
		{name: "map of numbers", duckdb: "MAP(INTEGER, VARCHAR[])", clickhouse: "Map(Int32, Array(String))", values: either("MAP {1: ['x'], -2: []}", "map(1, ['x'], -2, [])", `[{"key":1,"value":["x"]},{"key":-2,"value":[]}]`)},
		{name: "point", duckdb: "", clickhouse: "Point", values: is("(1.5, -2)", "[1.5,-2]"), copied: []string{""}},
		{name: "variant", duckdb: "VARCHAR", clickhouse: "Variant(Int64, String)", values: is("'x'", `"x"`, "NULL", "null")},
		{name: "dynamic", duckdb: "VARCHAR", clickhouse: "Dynamic", values: is("'x'", `"x"`)},
	}
}
