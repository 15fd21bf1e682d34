package duckdb

import (
	"context"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
)

// dialect is DuckDB's: it holds all that the plain rules say.
func dialect() destinationtest.Dialect {
	return destinationtest.Dialect{
		OpenStringTypes: func(t *testing.T) destination.Destination {
			cfg := DefaultConfig()
			cfg.InMemory, cfg.StringTypes = true, true
			return openWith(t, cfg)
		},
		Exec: func(ctx context.Context, d destination.Destination, sql string) error {
			return d.(*Destination).exec(ctx, sql)
		},
		Setup: []string{"CREATE TYPE mood AS ENUM ('sad', 'ok')"},
		Text:  "VARCHAR", Int: "BIGINT", AsText: "CAST(%s AS VARCHAR)",
		RowIDs: []string{"BIGINT", "UBIGINT"}, NarrowRowID: "INTEGER",
		Double: `"v" BIGINT GENERATED ALWAYS AS ("n" * 2)`,
		Check:  `CHECK ("v" < 10)`, CheckSays: "CHECK constraint failed",
		Natives: append(append(integers(), numbers()...), append(times(), others()...)...),
	}
}

// native makes a type of pairs of a JSON value and the text of what the column has. Before the text, ! says that the
// value is rescued, and that the text is the zero value.
func native(typ string, pairs ...string) destinationtest.Native {
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

func integers() []destinationtest.Native {
	return []destinationtest.Native{
		native("TINYINT", `127`, "127", `-128`, "-128", `128`, "!0", `-129`, "!0", `"5"`, "5", `1.0`, "1", `true`, "1", `1.5`, "!0", `"x"`, "!0"),
		native("SMALLINT", `32767`, "32767", `-32768`, "-32768", `32768`, "!0", `-32769`, "!0"),
		native("INTEGER", `2147483647`, "2147483647", `-2147483648`, "-2147483648", `2147483648`, "!0", `-2147483649`, "!0"),
		native("UTINYINT", `255`, "255", `0`, "0", `256`, "!0", `-1`, "!0"),
		native("USMALLINT", `65535`, "65535", `65536`, "!0", `-1`, "!0"),
		native("UINTEGER", `4294967295`, "4294967295", `4294967296`, "!0", `-1`, "!0"),
		native("UBIGINT", `18446744073709551615`, "18446744073709551615", `18446744073709551616`, "!0", `-1`, "!0", `"7"`, "7"),
		native("HUGEINT", `170141183460469231731687303715884105727`, "170141183460469231731687303715884105727", `-5`, "-5",
			`170141183460469231731687303715884105728`, "!0", `1.0`, "1", `1e3`, "1000", `9e20`, "900000000000000000000", `1.5`, "!0", `1.5e0`, "!0",
			`"042"`, "!0", `" 42"`, "!0", `"4_2"`, "!0", `"42"`, "42", `"many"`, "!0", `true`, "!0"),
		native("UHUGEINT", `7`, "7", `340282366920938463463374607431768211455`, "340282366920938463463374607431768211455", `-7`, "!0"),
		native("BIT", `"101"`, "101", `"102"`, "!0"),
	}
}

func numbers() []destinationtest.Native {
	return []destinationtest.Native{
		native("FLOAT", `1.5`, "1.5", `16777216`, "16777216.0", `16777217`, "!0.0", `1e39`, "!0.0", `"2.5"`, "2.5"),
		native("DECIMAL(9,2)", `12.34`, "12.34", `"-0.5"`, "-0.50", `-9999999.99`, "-9999999.99", `12345678.9`, "!0.00", `"many"`, "!0.00",
			`12.345`, "!0.00", `12.340000`, "12.34", `1.234e1`, "12.34", `1.2345e1`, "!0.00", `0.1`, "0.10", `" 1.5"`, "!0.00", `""`, "!0.00",
			`[1]`, "!0.00", `1e3`, "1000.00"),
		native("DECIMAL(38,10)", `1234567890123456789012345678.5`, "1234567890123456789012345678.5000000000",
			`12345678901234567890123456789`, "!0.0000000000", `12345678901234567890.12345678901`, "!0.0000000000",
			`0.00000000001`, "!0.0000000000", `true`, "!0.0000000000"),
	}
}

func times() []destinationtest.Native {
	return []destinationtest.Native{
		native("TIMESTAMP", `"2024-02-29T23:59:59.123456Z"`, "2024-02-29 23:59:59.123456", `"2024-03-01T01:00:00+02:00"`, "2024-02-29 23:00:00",
			`"2024-02-29"`, "2024-02-29 00:00:00", `"now"`, "!1970-01-01 00:00:00", `5`, "!1970-01-01 00:00:00"),
		native("TIMESTAMP_S", `"2024-02-29T23:59:59"`, "2024-02-29 23:59:59", `"now?"`, "!1970-01-01 00:00:00",
			`"2024-02-29T23:59:59+02:00"`, "2024-02-29 21:59:59", `"2024-02-29T23:59:59.9"`, "!1970-01-01 00:00:00",
			`"2024-02-29T23:59:59.0000001"`, "!1970-01-01 00:00:00", `"2024-02-29T23:59:59.000Z"`, "2024-02-29 23:59:59"),
		native("TIMESTAMP_MS", `"2024-02-29T23:59:59.123"`, "2024-02-29 23:59:59.123", `2024`, "!1970-01-01 00:00:00",
			`"2024-02-29T23:59:59.1234"`, "!1970-01-01 00:00:00", `"2024-02-29T23:59:59.1230000Z"`, "2024-02-29 23:59:59.123", `"2024-02-29T23:59:59.123-01:00"`, "2024-03-01 00:59:59.123"),
		native("TIMESTAMP_NS", `"2024-02-29T23:59:59.123456789"`, "2024-02-29 23:59:59.123456789",
			`"2024-02-29T23:59:59.1234567891"`, "!1970-01-01 00:00:00", `"2023-02-29T00:00:00"`, "!1970-01-01 00:00:00"),
		native("TIME", `"12:34:56.789"`, "12:34:56.789", `"25:00:00"`, "!00:00:00", `"12:34:56.1234567"`, "!00:00:00",
			`"2024-02-29T12:34:56"`, "!00:00:00"),
		native("TIMETZ", `"12:34:56+02"`, "12:34:56+02", `"noon"`, "!00:00:00+00", `"2024-02-29 12:34:56+02"`, "!00:00:00+00"),
		native("INTERVAL", `"1 day 02:00:00"`, "1 day 02:00:00", `"soon"`, "!00:00:00", `"1.2345678 seconds"`, "!00:00:00"),
	}
}

func others() []destinationtest.Native {
	return []destinationtest.Native{
		native("UUID", `"A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
			`"a0eebc99"`, "!00000000-0000-0000-0000-000000000000", `7`, "!00000000-0000-0000-0000-000000000000"),
		native("BLOB", `"abc"`, "abc", `"\\x41"`, "A", `"\\xZZ"`, "!", `{"a":1}`, `{\x22a\x22:1}`),
		native("mood", `"ok"`, "ok", `"glad"`, "!NULL", `"OK"`, "!NULL"),
		native("JSON", `{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`, `"plain"`, `"plain"`, `"it's \"quoted\""`, `"it's \"quoted\""`, `"{}"`, "{}",
			`1.50`, "1.50", `true`, "true"),
		native("INTEGER[]", `[1,null,3]`, "[1, NULL, 3]", `[]`, "[]", `["x"]`, "![]", `[1.5e300]`, "![]", `[1.5]`, "![]", `[2.0,1e1]`, "[2, 10]", `"[1, 2]"`, "[1, 2]"),
		native("INTEGER[2]", `[1,2]`, "[1, 2]", `[1,2,3]`, "!NULL"),
		native("VARCHAR[]", `["a","b c"]`, "[a, b c]", `["it's","a, b"]`, `['it\'s', 'a, b']`,
			`["\u00e9","e\nf","g\"h","i\\j",""," k "]`, `[é, e`+"\n"+`f, 'g"h', i\j, '', ' k ']`,
			`["NULL","null",null," k ","a,b","","[x]","'q'"]`, `['NULL', 'null', NULL, ' k ', 'a,b', '', '[x]', '\'q\'']`, `{"a":1}`, "![]"),
		native("STRUCT(a INTEGER, b VARCHAR)", `{"a":1,"b":"x"}`, "{'a': 1, 'b': x}", `[1]`, "!{'a': NULL, 'b': NULL}"),
		native(`STRUCT("INTEGER" BIGINT, d DECIMAL(5,1)[])`, `{"INTEGER":9007199254740993,"d":[1.5,null]}`,
			"{'INTEGER': 9007199254740993, 'd': [1.5, NULL]}", `{"d":[1.25]}`, "!{'INTEGER': NULL, 'd': NULL}",
			`{"\u0049NTEGER":1.5,"d":[]}`, "!{'INTEGER': NULL, 'd': NULL}", `{"\u0049NTEGER":2,"d":[]}`, "{'INTEGER': 2, 'd': []}"),
		native("STRUCT(a INTEGER)", `{"a":null}`, "{'a': NULL}", `{}`, "{'a': NULL}", `{"a":"x"}`, "!{'a': NULL}", `{"a":1,"z":2}`, "!{'a': NULL}",
			`{"a":1,"z":"\\"}`, "!{'a': NULL}"),
		native("STRUCT(a INTEGER[])[]", `[{"a":[1]},null]`, "[{'a': [1]}, NULL]", `[{"a":[1,"x"]}]`, "![]"),
		native("MAP(VARCHAR, INTEGER)", `"{a=1}"`, "{a=1}", `"a"`, "!{}", `{"a":1,"é \"q\"":null}`, `{a=1, 'é "q"'=NULL}`, `{}`, "{}", `{"a":1.5}`, "!{}",
			`{"a":1,"a":2}`, "!{}", `[1]`, "!{}", `{"a":1,"b":-2}`, "{a=1, b=-2}"),
	}
}
