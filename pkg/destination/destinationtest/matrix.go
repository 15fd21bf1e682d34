package destinationtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// rescue, in the matrix, says that the column has its zero value and __rescued the original.
const rescue = "!"

// value is a row of the matrix: a JSON value, and what a column of each kind has of it afterwards. Nested values are
// kept as text.
type value struct {
	name, json                                    string
	bool, int, float, timestamp, date, textOrTree string
}

const (
	long   = "a text that is longer than a page of it would be, and goes on "
	longer = long + long + long + long + long + long + long + long
)

var scalars = []value{
	{"null", `null`, "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"},
	{"true", `true`, "true", "1", "1", "!", "!", "true"},
	{"false", `false`, "false", "0", "0", "!", "!", "false"},
	{"0", `0`, "false", "0", "0", "!", "!", "0"},
	{"1", `1`, "true", "1", "1", "!", "!", "1"},
	{"-1", `-1`, "!", "-1", "-1", "!", "!", "-1"},
	{"2", `2`, "!", "2", "2", "!", "!", "2"},
	{"42", `42`, "!", "42", "42", "!", "!", "42"},
	{"above 2^53", `9007199254740993`, "!", "9007199254740993", "!", "!", "!", "9007199254740993"},
	{"most int64", `9223372036854775807`, "!", "9223372036854775807", "!", "!", "!", "9223372036854775807"},
	{"least int64", `-9223372036854775808`, "!", "-9223372036854775808", "-9.223372036854776e+18", "!", "!", "-9223372036854775808"},
	{"past int64", `9223372036854775808`, "!", "!", "9.223372036854776e+18", "!", "!", "9223372036854775808"},
	{"30 digits", `123456789012345678901234567890`, "!", "!", "!", "!", "!", "123456789012345678901234567890"},
	{"1.0", `1.0`, "!", "1", "1", "!", "!", "1.0"},
	{"1e3", `1e3`, "!", "1000", "1000", "!", "!", "1e3"},
	{"1.5", `1.5`, "!", "!", "1.5", "!", "!", "1.5"},
	{"0.1", `0.1`, "!", "!", "0.1", "!", "!", "0.1"},
	{"-0", `-0`, "!", "!", "-0", "!", "!", "-0"},
	{"1.5e300", `1.5e300`, "!", "!", "1.5e+300", "!", "!", "1.5e300"},
	{"1e400", `1e400`, "!", "!", "!", "!", "!", "1e400"},
	{"a day's digits", `20240229`, "!", "20240229", "2.0240229e+07", "!", "!", "20240229"},
	{"object", `{"a":[1,2,{"b":null}],"c":"\u00e9"}`, "!", "!", "!", "!", "!", `{"a":[1,2,{"b":null}],"c":"\u00e9"}`},
	{"array", `[1,"x",[]]`, "!", "!", "!", "!", "!", `[1,"x",[]]`},
	{"empty object", `{}`, "!", "!", "!", "!", "!", `{}`},
}

var texts = []value{
	{"empty text", `""`, "!", "!", "!", "!", "!", ""},
	{"text 42", `"42"`, "!", "42", "42", "!", "!", "42"},
	{"text 1", `"1"`, "!", "1", "1", "!", "!", "1"},
	{"text 042", `"042"`, "!", "!", "!", "!", "!", "042"},
	{"text with a space before 42", `" 42"`, "!", "!", "!", "!", "!", " 42"},
	{"text 4.2e1", `"4.2e1"`, "!", "!", "42", "!", "!", "4.2e1"},
	{"text true", `"true"`, "true", "!", "!", "!", "!", "true"},
	{"text TRUE", `"TRUE"`, "!", "!", "!", "!", "!", "TRUE"},
	{"text yes", `"yes"`, "!", "!", "!", "!", "!", "yes"},
	{"text NaN", `"NaN"`, "!", "!", "!", "!", "!", "NaN"},
	{"text now", `"now"`, "!", "!", "!", "!", "!", "now"},
	{"text of 12 bytes", `"abcdefghijkl"`, "!", "!", "!", "!", "!", "abcdefghijkl"},
	{"text of 13 bytes", `"abcdefghijklm"`, "!", "!", "!", "!", "!", "abcdefghijklm"},
	{"long text", `"` + longer + `"`, "!", "!", "!", "!", "!", longer},
	{"emoji", `"👩‍👩‍👧 ä"`, "!", "!", "!", "!", "!", "👩‍👩‍👧 ä"},
	{"escapes", `"a\"b\\c\nd\u00e9\ud83d\ude00"`, "!", "!", "!", "!", "!", "a\"b\\c\ndé😀"},
}

var instants = []value{
	{"instant", `"2024-02-29T23:59:59Z"`, "!", "!", "!", "2024-02-29T23:59:59Z", "!", "2024-02-29T23:59:59Z"},
	{"instant with zone", `"2024-03-01T01:00:00+02:00"`, "!", "!", "!", "2024-02-29T23:00:00Z", "!", "2024-03-01T01:00:00+02:00"},
	{"midnight elsewhere", `"2024-02-29T02:00:00+02:00"`, "!", "!", "!", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29T02:00:00+02:00"},
	{"naive instant", `"2024-03-01T01:00:00"`, "!", "!", "!", "2024-03-01T01:00:00Z", "!", "2024-03-01T01:00:00"},
	{"naive instant with a space", `"2024-03-01 01:00:00"`, "!", "!", "!", "2024-03-01T01:00:00Z", "!", "2024-03-01 01:00:00"},
	{"instant without seconds", `"2024-03-01T01:00Z"`, "!", "!", "!", "2024-03-01T01:00:00Z", "!", "2024-03-01T01:00Z"},
	{"before 1970", `"1969-12-31T23:59:59Z"`, "!", "!", "!", "1969-12-31T23:59:59Z", "!", "1969-12-31T23:59:59Z"},
	{"1 digit", `"2024-02-29T23:59:59.5Z"`, "!", "!", "!", "2024-02-29T23:59:59.5Z", "!", "2024-02-29T23:59:59.5Z"},
	{"3 digits", `"2024-02-29T23:59:59.123Z"`, "!", "!", "!", "2024-02-29T23:59:59.123Z", "!", "2024-02-29T23:59:59.123Z"},
	{"6 digits", `"2024-02-29T23:59:59.123456Z"`, "!", "!", "!", "2024-02-29T23:59:59.123456Z", "!", "2024-02-29T23:59:59.123456Z"},
	{"7 digits", `"2024-02-29T23:59:59.1234567Z"`, "!", "!", "!", "!", "!", "2024-02-29T23:59:59.1234567Z"},
	{"7 digits, the last is 0", `"2024-02-29T23:59:59.1234560Z"`, "!", "!", "!", "2024-02-29T23:59:59.123456Z", "!", "2024-02-29T23:59:59.1234560Z"},
	{"9 digits", `"2024-02-29T23:59:59.123456789Z"`, "!", "!", "!", "!", "!", "2024-02-29T23:59:59.123456789Z"},
	{"9 digits, the last are 0", `"2024-02-29T23:59:59.123456000Z"`, "!", "!", "!", "2024-02-29T23:59:59.123456Z", "!", "2024-02-29T23:59:59.123456000Z"},
	{"leap second", `"2016-12-31T23:59:60Z"`, "!", "!", "!", "!", "!", "2016-12-31T23:59:60Z"},
	{"first instant", `"0001-01-01T00:00:00Z"`, "!", "!", "!", "0001-01-01T00:00:00Z", "0001-01-01", "0001-01-01T00:00:00Z"},
	{"last instant", `"9999-12-31T23:59:59.999999Z"`, "!", "!", "!", "9999-12-31T23:59:59.999999Z", "!", "9999-12-31T23:59:59.999999Z"},
	{"instant of year 0", `"0000-01-01T00:00:00Z"`, "!", "!", "!", "!", "!", "0000-01-01T00:00:00Z"},
	{"zone leads before year 1", `"0001-01-01T00:00:00+00:01"`, "!", "!", "!", "!", "!", "0001-01-01T00:00:00+00:01"},
	{"zone leads past year 9999", `"9999-12-31T23:59:59-00:01"`, "!", "!", "!", "!", "!", "9999-12-31T23:59:59-00:01"},
	{"hour 24", `"2024-02-29T24:00:00Z"`, "!", "!", "!", "!", "!", "2024-02-29T24:00:00Z"},
	{"time alone", `"24:00"`, "!", "!", "!", "!", "!", "24:00"},
}

var days = []value{
	{"day", `"2024-02-29"`, "!", "!", "!", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29"},
	{"day before 1970", `"1912-06-23"`, "!", "!", "!", "1912-06-23T00:00:00Z", "1912-06-23", "1912-06-23"},
	{"no such day", `"2023-02-29"`, "!", "!", "!", "!", "!", "2023-02-29"},
	{"first day", `"0001-01-01"`, "!", "!", "!", "0001-01-01T00:00:00Z", "0001-01-01", "0001-01-01"},
	{"last day", `"9999-12-31"`, "!", "!", "!", "9999-12-31T00:00:00Z", "9999-12-31", "9999-12-31"},
	{"day of year 0", `"0000-12-31"`, "!", "!", "!", "!", "!", "0000-12-31"},
	{"day of year 10000", `"10000-01-01"`, "!", "!", "!", "!", "!", "10000-01-01"},
	{"short day", `"2024-2-9"`, "!", "!", "!", "!", "!", "2024-2-9"},
	{"day without dashes", `"20240229"`, "!", "20240229", "2.0240229e+07", "!", "!", "20240229"},
}

// matrix loads each value into a column of each kind.
func matrix(t *testing.T, s *suite) {
	for _, kind := range []schema.Kind{schema.Bool, schema.Int, schema.Float, schema.Timestamp, schema.Date, schema.Text, schema.Nested} {
		table := s.create(t, "of_"+kind.String(), column("v", kind), column(schema.BatchFile, schema.Text), column(schema.Rescued, schema.Text))
		for _, list := range [][]value{scalars, texts, instants, days} {
			for _, v := range list {
				t.Run(v.name+" into "+kind.String(), func(t *testing.T) {
					want := v.in(kind)
					if instead, ok := s.dialect.Instead[Cell{v.name, kind}]; ok {
						want = instead
					}
					s.wantCell(t, table, kind, v.json, want)
				})
			}
		}
	}
}

// in gives what a column of that kind has of v.
func (v value) in(kind schema.Kind) string {
	return map[schema.Kind]string{schema.Bool: v.bool, schema.Int: v.int, schema.Float: v.float, schema.Timestamp: v.timestamp,
		schema.Date: v.date, schema.Text: v.textOrTree, schema.Nested: v.textOrTree}[kind]
}

// zeros are what columns have instead of a value that they cannot hold.
var zeros = map[schema.Kind]string{schema.Bool: "false", schema.Int: "0", schema.Float: "0",
	schema.Timestamp: "1970-01-01T00:00:00Z", schema.Date: "1970-01-01", schema.Text: "", schema.Nested: ""}

// missing is what a column of that kind has when there is no value.
func (s *suite) missing(kind schema.Kind) string {
	if s.dialect.NoNull {
		return zeros[kind]
	}
	return "NULL"
}

// wantCell loads one value into the column "v" and compares what is there afterwards.
func (s *suite) wantCell(t *testing.T, table schema.Table, kind schema.Kind, json, want string) {
	t.Helper()
	did, original := loaded(1), s.missing(schema.Text)
	switch want {
	case rescue:
		did, want, original = loaded(1, schema.Unfit), zeros[kind], `{"v":`+json+`}`
	case "NULL":
		want = s.missing(kind)
	}
	b := s.batch(`{"v":` + json + `}`)
	if got := s.mustLoad(t, table, b); got != did {
		t.Errorf("got %+v, want %+v", got, did)
	}
	s.wantRows(t, fmt.Sprintf(`SELECT "v", "__rescued" FROM %s WHERE "__batch_file" = '%s'`, quote(table.Name()), b.ID), want+"|"+original)
}

// loadSaysWhy rescues values for each reason.
func loadSaysWhy(t *testing.T, s *suite) {
	table := s.create(t, "events", column("v", schema.Int), column(schema.Rescued, schema.Text))
	b := s.batch(`{"v":1}`, `{"v":"x"}`, `{"w":2,"x":3}`, `{"v":4,"v":5}`, `{"__batch_file":"y"}`, `{"__rescued":{"v":6,"w#2":7,"__row_id":8}}`)
	did := loaded(6, schema.Unfit, schema.Homeless, schema.Homeless, schema.Duplicate, schema.Reserved,
		schema.Duplicate, schema.Homeless, schema.Reserved)
	if got := s.mustLoad(t, table, b); got != did {
		t.Errorf("got %+v, want %+v", got, did)
	}
	did.Already, did.Why = true, schema.Rescues{}
	if got := s.mustLoad(t, table, b); got != did {
		t.Errorf("again: got %+v, want %+v", got, did)
	}
}

// loadOfMixedKinds: a column holds all kinds that join to its own, and rescues the others of the same batch.
func loadOfMixedKinds(t *testing.T, s *suite) {
	for i, tt := range []struct {
		name   string
		kind   schema.Kind
		values string // one a line; nothing is no value
		want   string
	}{
		{"bool and int in int", schema.Int, "true\n7\nfalse\nnull\n", "1|7|0|NULL|NULL"},
		{"int and float in float", schema.Float, "1\n2.5\n\n-3", "1|2.5|NULL|-3"},
		{"instant and day in text", schema.Text, `"2024-02-29"` + "\n" + `"2024-02-29T00:00:00Z"` + "\n1", "2024-02-29|2024-02-29T00:00:00Z|1"},
		{"nested and others in text", schema.Text, `{"a":1}` + "\n[]\n1\ntrue\n" + `"x"`, `{"a":1}|[]|1|true|x`},
		{"text in int", schema.Int, "1\n" + `"2"` + "\n3.0\n" + `"x"` + "\n\nnull\n4.5\n5", "1|2|3|!|NULL|NULL|!|5"},
		{"int in bool", schema.Bool, "true\n2\n0\n" + `"false"`, "true|!|false|false"},
		{"text in timestamp", schema.Timestamp, `"2024-02-29T23:59:59Z"` + "\n5\n" + `"soon"` + "\n\n" + `"2024-03-01"`,
			"2024-02-29T23:59:59Z|!|!|NULL|2024-03-01T00:00:00Z"},
		{"instant in date", schema.Date, `"2024-02-29"` + "\n" + `"2024-02-29T00:00:01Z"` + "\n" + `"2024-02-28T00:00:00Z"`, "2024-02-29|!|2024-02-28"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := s.create(t, fmt.Sprintf("mixed_%d", i), column("n", schema.Int), column("v", tt.kind), column(schema.Rescued, schema.Text))
			var rows, want []string
			var why []schema.Reason
			values := strings.Split(tt.values, "\n")
			for n, cell := range strings.Split(tt.want, "|") {
				row, original := fmt.Sprintf(`{"n":%d,"v":%s}`, n, values[n]), s.missing(schema.Text)
				switch {
				case values[n] == "":
					row, cell = fmt.Sprintf(`{"n":%d}`, n), s.missing(tt.kind)
				case cell == "NULL":
					cell = s.missing(tt.kind)
				case cell == rescue:
					cell, original, why = zeros[tt.kind], `{"v":`+values[n]+`}`, append(why, schema.Unfit)
				}
				rows, want = append(rows, row), append(want, cell+"|"+original)
			}
			if got, did := s.mustLoad(t, table, s.batch(rows...)), loaded(int64(len(rows)), why...); got != did {
				t.Errorf("got %+v, want %+v", got, did)
			}
			s.wantRows(t, `SELECT "v", "__rescued" FROM `+quote(table.Name())+` ORDER BY "n"`, want...)
		})
	}
}

// loadOfNullsAlone: a key that only ever is null needs no column, and is not rescued.
func loadOfNullsAlone(t *testing.T, s *suite) {
	table := s.create(t, "events", column("v", schema.Timestamp), column("n", schema.Int))
	if did := s.mustLoad(t, table, s.batch(`{"n":1,"v":null,"w":null}`, `{"n":2,"w":null}`, `{"n":3,"v":null}`)); did != loaded(3) {
		t.Errorf("got %+v, want 3 rows and nothing rescued", did)
	}
	none := s.missing(schema.Timestamp)
	s.wantRows(t, `SELECT "n", "v" FROM "events" ORDER BY "n"`, "1|"+none, "2|"+none, "3|"+none)
}
