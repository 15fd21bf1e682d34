package duckdb

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// readConn opens an engine in memory for one test.
func readConn(t testing.TB) mapping.Connection {
	t.Helper()
	var db mapping.Database
	var conn mapping.Connection
	if mapping.Open(":memory:", &db) != mapping.StateSuccess || mapping.Connect(db, &conn) != mapping.StateSuccess {
		t.Fatal("the engine does not open")
	}
	t.Cleanup(func() {
		mapping.Disconnect(&conn)
		mapping.Close(&db)
	})
	return conn
}

// readStream runs sql as the driver does, as a stream, and gives each chunk's batch to each.
func readStream(t testing.TB, conn mapping.Connection, sql string, each func(*reader, *vector.Batch)) {
	t.Helper()
	var stmt mapping.PreparedStatement
	if mapping.Prepare(conn, sql, &stmt) != mapping.StateSuccess {
		t.Fatalf("prepare %s: %s", sql, mapping.PrepareError(stmt))
	}
	defer mapping.DestroyPrepare(&stmt)
	var pending mapping.PendingResult
	if bindings.PendingPreparedStreaming(stmt, &pending) != mapping.StateSuccess { //nolint:staticcheck // there is no other way to a stream
		t.Fatalf("pend %s: %s", sql, mapping.PendingError(pending))
	}
	defer mapping.DestroyPending(&pending)
	var res mapping.Result
	if mapping.ExecutePending(pending, &res) != mapping.StateSuccess {
		t.Fatalf("run %s: %s", sql, mapping.ResultError(&res))
	}
	defer mapping.DestroyResult(&res)
	r, err := newReader(&res)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for {
		chunk := mapping.FetchChunk(res)
		if chunk.Ptr == nil {
			break
		}
		b, err := r.batch(chunk)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		each(r, b)
		mapping.DestroyDataChunk(&chunk)
	}
	if text := mapping.ResultError(&res); text != "" {
		t.Fatalf("%s: %s", sql, text)
	}
}

// show prints a value in a plain form that shows the numbers as they are in the vector.
func show(v *vector.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	switch v.Type.Kind {
	case vector.Bool:
		return fmt.Sprint(v.Bools[i])
	case vector.Int, vector.Date, vector.Time, vector.Timestamp:
		return fmt.Sprint(v.Ints[i])
	case vector.Uint:
		return fmt.Sprint(v.Uints[i])
	case vector.Int128, vector.UUID:
		return fmt.Sprintf("%d:%d", v.Wides[i].Hi, v.Wides[i].Lo)
	case vector.Float:
		return fmt.Sprint(v.Floats[i])
	case vector.Decimal:
		if v.Type.Precision > 18 {
			return fmt.Sprintf("%d:%d", v.Wides[i].Hi, v.Wides[i].Lo)
		}
		return fmt.Sprint(v.Ints[i])
	case vector.Text, vector.JSON, vector.Blob:
		return fmt.Sprintf("%q", v.Texts[i])
	case vector.Interval:
		return fmt.Sprint(v.Intervals[i])
	case vector.Struct:
		return showStruct(v, i)
	default:
		var parts []string
		for at := range v.Spans[i].Length {
			parts = append(parts, show(v.Elem, int(v.Spans[i].Offset+at)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
}

func showStruct(v *vector.Vector, i int) string {
	var parts []string
	for k, f := range v.Fields {
		parts = append(parts, v.Type.Fields[k].Name+"="+show(f, i))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func showAll(t *testing.T, sql string) (string, []vector.Field) {
	t.Helper()
	var rows []string
	var heads []vector.Field
	readStream(t, readConn(t), sql, func(r *reader, b *vector.Batch) {
		heads = r.fields()
		for i := range b.Rows {
			var cells []string
			for _, c := range b.Cols {
				cells = append(cells, show(c, i))
			}
			rows = append(rows, strings.Join(cells, ", "))
		}
	})
	return strings.Join(rows, "\n"), heads
}

// values makes one column of the given SQL expressions, in order.
func values(exprs ...string) string {
	for i, e := range exprs {
		exprs[i] = fmt.Sprintf("(%d, %s)", i, e)
	}
	return "select x from (values " + strings.Join(exprs, ", ") + ") t(i, x) order by i"
}

func TestReadValues(t *testing.T) {
	for _, tt := range []struct{ name, sql, typ, want string }{
		{"boolean", values("true", "null", "false"), "BOOLEAN", "true\nNULL\nfalse"},
		{"tinyint", values("(-128)::tinyint", "127::tinyint", "null"), "TINYINT", "-128\n127\nNULL"},
		{"smallint", values("(-32768)::smallint", "32767::smallint"), "SMALLINT", "-32768\n32767"},
		{"integer", values("(-2147483648)::integer", "2147483647::integer"), "INTEGER", "-2147483648\n2147483647"},
		{"bigint", values("(-9223372036854775808)::bigint", "9223372036854775807", "null"), "BIGINT", "-9223372036854775808\n9223372036854775807\nNULL"},
		{"utinyint", values("0::utinyint", "255::utinyint"), "UTINYINT", "0\n255"},
		{"usmallint", values("65535::usmallint"), "USMALLINT", "65535"},
		{"uinteger", values("4294967295::uinteger"), "UINTEGER", "4294967295"},
		{"ubigint", values("18446744073709551615::ubigint"), "UBIGINT", "18446744073709551615"},
		{"hugeint", values("(-1)::hugeint", "18446744073709551616::hugeint", "(-170141183460469231731687303715884105728)::hugeint"),
			"HUGEINT", "-1:18446744073709551615\n1:0\n-9223372036854775808:0"},
		{"uhugeint", values("340282366920938463463374607431768211455::uhugeint"), "UHUGEINT", "-1:18446744073709551615"},
		{"float", values("1.5::float", "'nan'::float", "'-inf'::float"), "FLOAT", "1.5\nNaN\n-Inf"},
		{"double", values("0.1::double", "1.7976931348623157e308::double"), "DOUBLE", "0.1\n1.7976931348623157e+308"},
		{"decimal in 16 bits", values("-12.34::decimal(4,2)"), "DECIMAL(4,2)", "-1234"},
		{"decimal in 32 bits", values("-1234567.89::decimal(9,2)"), "DECIMAL(9,2)", "-123456789"},
		{"decimal in 64 bits", values("-1234567890.12345678::decimal(18,8)", "null"), "DECIMAL(18,8)", "-123456789012345678\nNULL"},
		{"decimal in 128 bits", values("18446744073709551616::decimal(38,0)", "-1"), "DECIMAL(38,0)", "1:0\n-1:18446744073709551615"},
		{"varchar around the inline length", values("''", "'12345678901'", "'123456789012'", "'1234567890123'", "null", "'ü€😀'"), "VARCHAR",
			"\"\"\n\"12345678901\"\n\"123456789012\"\n\"1234567890123\"\nNULL\n\"ü€😀\""},
		{"json", values(`'{"a":[1,2]}'::json`, "null"), "JSON", `"{\"a\":[1,2]}"` + "\nNULL"},
		{"blob", values(`'\x00\xFFab'::blob`), "BLOB", `"\x00\xffab"`},
		{"date", values("date '1970-01-02'", "date '0001-01-01'", "date 'infinity'", "date '-infinity'", "null"), "DATE",
			"1\n-719162\n9223372036854775807\n-9223372036854775807\nNULL"},
		{"time", values("time '12:34:56.789'", "time '24:00:00'"), "TIME", "45296789000\n86400000000"},
		{"time in ns", values("'12:34:56.123456789'::time_ns"), "TIME_NS", "45296123456789"},
		{"timestamp in s", values("'1970-01-02'::timestamp_s"), "TIMESTAMP_S", "86400"},
		{"timestamp in ms", values("'1970-01-02 00:00:00.001'::timestamp_ms"), "TIMESTAMP_MS", "86400001"},
		{"timestamp", values("timestamp '1970-01-01 00:00:00.000001'", "timestamp 'infinity'", "timestamp '-infinity'"), "TIMESTAMP",
			"1\n9223372036854775807\n-9223372036854775807"},
		{"timestamp in ns", values("'1970-01-01 00:00:00.000000001'::timestamp_ns"), "TIMESTAMP_NS", "1"},
		{"timestamptz", values("timestamptz '1970-01-01 01:00:00+01'"), "TIMESTAMP WITH TIME ZONE", "0"},
		{"interval", values("interval '1 year 2 months -3 days 4 hours'"), "INTERVAL", "{14 -3 14400000000}"},
		{"uuid", values("'00000000-0000-0000-0000-000000000001'::uuid", "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"), "UUID",
			"0:1\n-1:18446744073709551615"},
		{"enum", "select x::enum('a','b','a long word of the dictionary') from (" + values("'b'", "null", "'a long word of the dictionary'") + ")", "ENUM",
			"\"b\"\nNULL\n\"a long word of the dictionary\""},
		{"list", values("[1,null,3]", "[]", "null", "[4]"), "INTEGER[]", "[1 NULL 3]\n[]\nNULL\n[4]"},
		{"list of lists of text", values("[['a'],[],null]", "[['a text of more than twelve bytes']]"), "VARCHAR[][]",
			"[[\"a\"] [] NULL]\n[[\"a text of more than twelve bytes\"]]"},
		{"array", values("[1,2,3]::integer[3]", "null", "[4,null,6]"), "INTEGER[3]", "[1 2 3]\nNULL\n[4 NULL 6]"},
		{"struct", values("{'a':1,'b':'x'}", "null", "{'a':null,'b':'a text of more than twelve bytes'}"), `STRUCT("a" INTEGER, "b" VARCHAR)`,
			"{a=1 b=\"x\"}\nNULL\n{a=NULL b=\"a text of more than twelve bytes\"}"},
		{"map", values("map{'k':1,'l':null}", "map{}", "null"), "MAP(VARCHAR, INTEGER)", "[{key=\"k\" value=1} {key=\"l\" value=NULL}]\n[]\nNULL"},
		{"map of lists of structs", values("map{1:[{'d':date '1970-01-02'}]}"), `MAP(INTEGER, STRUCT("d" DATE)[])`, "[{key=1 value=[{d=1}]}]"},
		{"json in a list", values(`['{"a":1}'::json]`), "JSON[]", `["{\"a\":1}"]`},
		{"null alone", "select null", "INTEGER", "NULL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, heads := showAll(t, tt.sql)
			if got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.sql, got, tt.want)
			}
			if heads[0].Type.Name != tt.typ {
				t.Errorf("%s: got type %s, want %s", tt.sql, heads[0].Type.Name, tt.typ)
			}
		})
	}
}

// The engine may give constants and dictionaries; only flat vectors have value i at place i.
func TestReadVectorsAreFlat(t *testing.T) {
	for _, tt := range []struct{ name, sql, want string }{
		{"constant", "select 'a constant text, long', i from range(3) t(i)",
			"\"a constant text, long\", 0\n\"a constant text, long\", 1\n\"a constant text, long\", 2"},
		{"constant inside a struct", "select {'c': 7, 'i': i} from range(3) t(i)", "{c=7 i=0}\n{c=7 i=1}\n{c=7 i=2}"},
		{"constant list", "select [1,2], i from range(2) t(i)", "[1 2], 0\n[1 2], 1"},
		{"constant inside a list", "select [{'c': 7, 'i': i}, {'c': 8, 'i': i}] from range(2) t(i)", "[{c=7 i=0} {c=8 i=0}]\n[{c=7 i=1} {c=8 i=1}]"},
		{"constant null", "select null::bigint, i from range(2) t(i)", "NULL, 0\nNULL, 1"},
		{"filtered", "select i, [i], {'a': i} from range(5) t(i) where i % 2 = 1", "1, [1], {a=1}\n3, [3], {a=3}"},
		{"filtered struct in a list", "select l from (select i, [{'a': i, 's': i::varchar}] l from range(4) t(i)) where i % 2 = 1",
			"[{a=1 s=\"1\"}]\n[{a=3 s=\"3\"}]"},
		{"sorted dictionary", "select c, {'c': c} from (select ['x','y','z'][1 + i % 3] c, i from range(4) t(i)) order by i desc",
			"\"x\", {c=\"x\"}\n\"z\", {c=\"z\"}\n\"y\", {c=\"y\"}\n\"x\", {c=\"x\"}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := showAll(t, tt.sql); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.sql, got, tt.want)
			}
		})
	}
}

// A stored table comes back compressed and over many chunks; every row is checked against its own number.
func TestReadManyChunks(t *testing.T) {
	const rows = 10_000
	conn := readConn(t)
	readStream(t, conn, `create table t as select i, i::integer n, case when i % 3 = 0 then null else 'text number ' || i end s,
		[i, i + 1] l, {'a': i::smallint, 'd': (i % 7)::varchar} st from range(10000) t(i)`, func(*reader, *vector.Batch) {})
	next := 0
	readStream(t, conn, "select * from t order by i", func(_ *reader, b *vector.Batch) {
		for i := range b.Rows {
			text := fmt.Sprintf("%q", fmt.Sprintf("text number %d", next))
			if next%3 == 0 {
				text = "NULL"
			}
			want := fmt.Sprintf(`%d %d %s [%d %d] {a=%d d="%d"}`, next, next, text, next, next+1, next, next%7)
			c := b.Cols
			got := fmt.Sprintf("%s %s %s %s %s", show(c[0], i), show(c[1], i), show(c[2], i), show(c[3], i), show(c[4], i))
			if got != want {
				t.Fatalf("row %d\n got %s\nwant %s", next, got, want)
			}
			next++
		}
	})
	if next != rows {
		t.Errorf("got %d rows, want %d", next, rows)
	}
}

func TestReadFields(t *testing.T) {
	_, heads := showAll(t, "select 1::bigint as a, 2.50::decimal(9,2) as b, now() as c, 3::uinteger as a")
	want := []vector.Field{
		{Name: "a", Type: vector.Type{Kind: vector.Int, Bits: 64, Name: "BIGINT"}},
		{Name: "b", Type: vector.Type{Kind: vector.Decimal, Precision: 9, Scale: 2, Name: "DECIMAL(9,2)"}},
		{Name: "c", Type: vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true, Name: "TIMESTAMP WITH TIME ZONE"}},
		{Name: "a", Type: vector.Type{Kind: vector.Int, Bits: 32, Unsigned: true, Name: "UINTEGER"}},
	}
	if fmt.Sprint(heads) != fmt.Sprint(want) {
		t.Errorf("fields\n got %v\nwant %v", heads, want)
	}
}

func TestUnsupported(t *testing.T) {
	conn := readConn(t)
	for _, tt := range []struct {
		sql  string
		want bool
	}{
		{"1::bigint", false},
		{"'{}'::json", false},
		{"map{'a':[{'b':1.5}]}", false},
		{"'101'::bit", true},
		{"['101'::bit]", true},
		{"{'a':{'b':'101'::bit}}", true},
		{"map{1:'101'::bit}", true},
		{"['101'::bit]::bit[1]", true},
		{"union_value(a := 1)", true},
		{"[union_value(a := 1)]", true},
		{"timetz '12:00:00+01'", true},
		{"123::bignum", true},
		{"1::variant", true},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			var res mapping.Result
			if mapping.Query(conn, "select "+tt.sql, &res) != mapping.StateSuccess {
				t.Fatal(mapping.ResultError(&res))
			}
			defer mapping.DestroyResult(&res)
			typ := mapping.ColumnLogicalType(&res, 0)
			defer mapping.DestroyLogicalType(&typ)
			if got := unsupported(typ); got != tt.want {
				t.Errorf("unsupported(type of %s): got %v, want %v", tt.sql, got, tt.want)
			}
			if _, err := newReader(&res); (err != nil) != tt.want {
				t.Errorf("newReader over %s: got error %v, want one: %v", tt.sql, err, tt.want)
			}
		})
	}
}

// Scratch memory is made for the first chunk and used again for the others.
func TestReadAllocatesOnce(t *testing.T) {
	conn := readConn(t)
	var res mapping.Result
	if mapping.Query(conn, "select i::integer, i::varchar || ' and more text', [i::smallint], {'a': i::float} from range(2048) t(i)", &res) != mapping.StateSuccess {
		t.Fatal(mapping.ResultError(&res))
	}
	defer mapping.DestroyResult(&res)
	r, err := newReader(&res)
	if err != nil {
		t.Fatal(err)
	}
	chunk := mapping.FetchChunk(res)
	defer mapping.DestroyDataChunk(&chunk)
	read := func() {
		if _, err := r.batch(chunk); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if got := testing.AllocsPerRun(100, read); got != 0 {
		t.Errorf("got %v allocations for a chunk, want 0", got)
	}
}

func BenchmarkReadChunk(b *testing.B) {
	conn := readConn(b)
	var res mapping.Result
	if mapping.Query(conn, `select i, 'user-' || (i % 1000), i / 4.0::double, make_timestamptz(i), i % 2 = 1, 'some longer text ' || (i % 100), i * 7919
		from range(2048) t(i)`, &res) != mapping.StateSuccess {
		b.Fatal(mapping.ResultError(&res))
	}
	defer mapping.DestroyResult(&res)
	r, err := newReader(&res)
	if err != nil {
		b.Fatal(err)
	}
	chunk := mapping.FetchChunk(res)
	defer mapping.DestroyDataChunk(&chunk)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.batch(chunk); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/row")
}

// BenchmarkAnswer is a million rows of seven columns as JSON: printed by us, and by the engine's own to_json.
func BenchmarkAnswer(b *testing.B) {
	conn := readConn(b)
	readStream(b, conn, `create table wide as select i id, 'user-' || (i % 1000) as name, (i % 10007) / 4.0::double + 0.125 score,
		make_timestamptz((1767225600 + i) * 1000000) ts, i % 2 = 1 ok, 'some longer text ' || (i % 100) note, i * 7919 big
		from range(1000000) t(i)`, func(*reader, *vector.Batch) {})
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			out := result.NewJSON(io.Discard)
			begun := false
			readStream(b, conn, "select * from wide", func(r *reader, batch *vector.Batch) {
				if !begun {
					begun = true
					if err := out.Begin(r.fields()); err != nil {
						b.Fatal(err)
					}
				}
				if err := out.Write(batch); err != nil {
					b.Fatal(err)
				}
			})
			if err := out.End(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("to_json", func(b *testing.B) {
		for b.Loop() {
			readStream(b, conn, "select to_json(w) from wide w", func(*reader, *vector.Batch) {})
		}
	})
}
