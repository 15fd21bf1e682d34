package clickhouse

import (
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// dialect is ClickHouse's.
func dialect() destinationtest.Dialect {
	outOfReach := map[destinationtest.Cell]string{}
	for _, value := range []string{"first instant", "midnight of year 1", "first day", "last day"} {
		outOfReach[destinationtest.Cell{Value: value, Kind: schema.Date}] = "!"
	}
	return destinationtest.Dialect{
		Quote: quote, NoNull: true, Instead: outOfReach,
		Exec: exec,
		Tail: ` ENGINE = MergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 100`,
		Text: "String", Int: "Int64", AsText: "toString(%s)",
		RowIDs: []string{"Int64", "UInt64"}, NarrowRowID: "Int32",
		Double: `"v" Int64 MATERIALIZED "n" * 2`,
		Check:  `CONSTRAINT small CHECK "v" < 10`, CheckSays: "Constraint `small`",
		Natives: natives(),
	}
}

// of makes a type of pairs of a JSON value and the text of what the column has. Before the text, ! says that the value
// is rescued, and that the text is the zero value.
func of(typ string, pairs ...string) destinationtest.Native {
	n := destinationtest.Native{Type: typ}
	for i := 0; i < len(pairs); i += 2 {
		v := destinationtest.NativeValue{Value: pairs[i], Want: pairs[i+1]}
		if v.Want != "" && v.Want[0] == '!' {
			v.Want, v.Rescued = v.Want[1:], true
		}
		n.Values = append(n.Values, v)
	}
	return n
}

func natives() []destinationtest.Native {
	return []destinationtest.Native{
		of("Int8", `127`, "127", `-128`, "-128", `128`, "!0", `"5"`, "5", `1.0`, "1", `true`, "1", `1.5`, "!0"),
		of("UInt64", `18446744073709551615`, "18446744073709551615", `18446744073709551616`, "!0", `-1`, "!0"),
		of("Int128", `170141183460469231731687303715884105727`, "170141183460469231731687303715884105727", `-5`, "-5",
			`170141183460469231731687303715884105728`, "!0", `1e3`, "1000", `1.5`, "!0", `"42"`, "42", `"042"`, "!0", `" 42"`, "!0", `true`, "1"),
		of("UInt256", `115792089237316195423570985008687907853269984665640564039457584007913129639935`,
			"115792089237316195423570985008687907853269984665640564039457584007913129639935", `-1`, "!0"),
		of("Float32", `1.5`, "1.5", `16777217`, "!0", `1e39`, "!0"),
		of("Decimal(9, 2)", `12.34`, "12.34", `"-0.5"`, "-0.5", `-9999999.99`, "-9999999.99", `12345678.9`, "!0", `"many"`, "!0",
			`12.345`, "!0", `12.340000`, "12.34", `1.234e1`, "12.34", `1.2345e1`, "!0", `" 1.5"`, "!0", `""`, "!0", `[1]`, "!0", `1e3`, "1000", `true`, "!0", `1e99999999`, "!0", `0e999`, "0"),
		of("Decimal(38, 9)", `1234567890123456789012345678.5`, "1234567890123456789012345678.5", `0.0000000001`, "!0"),
		of("Decimal(76, 10)", `-1.0000000001`, "-1.0000000001"),
		of("Nullable(Int32)", `2147483647`, "2147483647", `2147483648`, "!0", `0`, "0"),
		of("Nullable(Decimal(9, 2))", `1.5`, "1.5", `"x"`, "!0"),
		of("LowCardinality(String)", `"a"`, "a", `1.50`, "1.50", `{"a":1}`, `{"a":1}`),
		of("LowCardinality(Nullable(String))", `"a"`, "a", `""`, ""),
		of("UUID", `"A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
			`"a0eebc99"`, "!00000000-0000-0000-0000-000000000000", `7`, "!00000000-0000-0000-0000-000000000000",
			`"g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, "!00000000-0000-0000-0000-000000000000"),
		of("Enum8('sad' = 5, 'it''s, ok' = -3, 'a\\'b' = 7)", `"sad"`, "sad", `"it's, ok"`, "it's, ok", `"a'b"`, "a'b", `"glad"`, "!it's, ok", `5`, "!it's, ok"),
		of("Enum16('a' = 1000, 'b' = 2000)", `"b"`, "b", `"c"`, "!a"),
		of("FixedString(3)", `"abc"`, "abc", `"abcd"`, "!", `123`, "123", `"é"`, "é"),
		of("IPv4", `"192.168.0.1"`, "192.168.0.1", `"192.168.0.256"`, "!0.0.0.0", `"::1"`, "!0.0.0.0", `1`, "!0.0.0.0"),
		of("IPv6", `"2001:db8::1"`, "2001:db8::1", `"1.2.3.4"`, "::ffff:1.2.3.4", `"fe80::1%eth0"`, "!::"),
		of("Bool", `true`, "true", `1`, "true", `2`, "!false"),
		of("Date", `"2024-02-29"`, "2024-02-29", `"1969-12-31"`, "!1970-01-01", `"2149-06-06"`, "2149-06-06", `"2149-06-07"`, "!1970-01-01"),
		of("DateTime('Europe/Oslo')", `"2024-02-29T12:00:00Z"`, "2024-02-29 13:00:00", `"2024-10-27T00:30:00Z"`, "2024-10-27 02:30:00", `"2024-10-27T01:30:00Z"`, "2024-10-27 02:30:00",
			`"2024-02-29T12:00:00.5Z"`, "!1970-01-01 01:00:00", `"1969-12-31T00:00:00Z"`, "!1970-01-01 01:00:00", `"2024-02-29"`, "2024-02-29 01:00:00", `5`, "!1970-01-01 01:00:00"),
		of("DateTime64(3, 'Europe/Oslo')", `"2024-02-29T12:00:00.123Z"`, "2024-02-29 13:00:00.123", `"2024-02-29T12:00:00.1234Z"`, "!1970-01-01 01:00:00.000",
			`"2024-02-29T12:00:00.1230000Z"`, "2024-02-29 13:00:00.123", `"2024-02-29T12:00:00+02:00"`, "2024-02-29 11:00:00.000", `"soon"`, "!1970-01-01 01:00:00.000"),
		of("DateTime64(9, 'UTC')", `"2024-02-29T12:00:00.123456789Z"`, "2024-02-29 12:00:00.123456789", `"2024-02-29T12:00:00.1234567891Z"`, "!1970-01-01 00:00:00.000000000",
			`"1969-12-31T23:59:59.999999999Z"`, "1969-12-31 23:59:59.999999999", `"9999-12-31T00:00:00Z"`, "!1970-01-01 00:00:00.000000000"),
		of("Array(String)", `["a","it's \\ \"q\"","é\n"]`, `['a','it\'s \\ "q"','é\n']`, `[]`, "[]", `["a",1]`, `['a','1']`, `{"a":1}`, "![]", `"[\"x\"]"`, `['x']`, `[null]`, "![]", `""`, "![]"),
		of("Array(Nullable(Int8))", `[1,null,"3"]`, "[1,NULL,3]", `[128]`, "![]", `[1.0,1e1]`, "[1,10]", `[1.5]`, "![]", `[true]`, "[1]"),
		of("Array(Array(Decimal(5, 1)))", `[[1.5],[]]`, "[[1.5],[]]", `[[1.25]]`, "![]"),
		of("Array(DateTime64(3, 'Europe/Oslo'))", `["2024-10-27T01:30:00.5Z"]`, "['2024-10-27 02:30:00.500']", `["2024-10-27T01:30:00.5001Z"]`, "![]"),
		of("Map(String, Int64)", `{"a":1,"it's":-2}`, `{'a':1,'it\'s':-2}`, `{}`, "{}", `{"a":1,"a":2}`, "!{}", `{"a":"x"}`, "!{}", `[1]`, "!{}"),
		of("Map(Int8, Array(String))", `[{"key":1,"value":["x"]}]`, `{1:['x']}`, `{"1":[]}`, `{1:[]}`, `{"x":[]}`, "!{}"),
		of("Tuple(a Int32, b Nullable(String))", `{"a":1,"b":"x"}`, "(1,'x')", `{"b":null}`, "(0,NULL)", `[2,"y"]`, "(2,'y')", `{"a":1,"z":2}`, "!(0,NULL)", `[1]`, "!(0,NULL)"),
		of("Tuple(Int32, UUID, Date, Bool)", `[1,"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","2024-02-29",true]`, "(1,'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11','2024-02-29',true)"),
		of("Array(Enum8('a' = 1, 'b' = 2))", `["b"]`, "['b']", `["c"]`, "![]"),
		of("Array(IPv4)", `["1.2.3.4"]`, "['1.2.3.4']"),
		of("JSON", `{"a":{"b":1}}`, `{"a":{"b":1}}`, `"{\"a\":2}"`, `{"a":2}`, `[1]`, "!{}", `"x"`, "!{}"),
		of("Point", `[1.5,-2]`, "(1.5,-2)", `[1]`, "!(0,0)"),
		of("Int64 CODEC(Delta, ZSTD)", `5`, "5"),
	}
}
