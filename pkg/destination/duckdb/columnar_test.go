package duckdb

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	_ "github.com/duckdb/duckdb-go/v2" // the driver of an engine that is not ours

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// plainEngine is an engine without our settings, which reads files.
func plainEngine(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection has settings of its own
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), "SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	return db
}

// textColumn reads one column of text; NULL is "NULL".
func textColumn(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close() //nolint:errcheck // its error is in Err
	var out []string
	for rows.Next() {
		text := sql.NullString{String: "NULL"}
		if err := rows.Scan(&text); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if !text.Valid {
			text.String = "NULL"
		}
		out = append(out, text.String)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// parquetOf is the answer to query, of our driver, as a file.
func parquetOf(t testing.TB, d *Destination, query string) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.Query(t.Context(), query, nil, result.NewParquet(&out)); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	file := filepath.Join(t.TempDir(), "answer.parquet")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestParquetIsReadByTheEngine: what a query answers as Parquet, the engine's own reader reads as the same values.
func TestParquetIsReadByTheEngine(t *testing.T) {
	d, db := open(t), plainEngine(t)
	for _, tt := range []struct{ name, sql, typ, want string }{
		{"boolean", values("true", "null", "false"), "BOOLEAN", "true NULL false"},
		{"tinyint", values("(-128)::tinyint", "127::tinyint", "null"), "TINYINT", "-128 127 NULL"},
		{"smallint", values("(-32768)::smallint", "32767::smallint"), "SMALLINT", "-32768 32767"},
		{"integer", values("(-2147483648)::integer", "2147483647::integer"), "INTEGER", "-2147483648 2147483647"},
		{"bigint", values("(-9223372036854775808)::bigint", "9223372036854775807", "null"), "BIGINT", "-9223372036854775808 9223372036854775807 NULL"},
		{"utinyint", values("0::utinyint", "255::utinyint"), "UTINYINT", "0 255"},
		{"usmallint", values("65535::usmallint"), "USMALLINT", "65535"},
		{"uinteger", values("4294967295::uinteger"), "UINTEGER", "4294967295"},
		{"ubigint", values("18446744073709551615::ubigint"), "UBIGINT", "18446744073709551615"},
		{"hugeint", values("(-1)::hugeint", "18446744073709551616::hugeint", "99999999999999999999999999999999999999::hugeint", "null"), "DECIMAL(38,0)",
			"-1 18446744073709551616 99999999999999999999999999999999999999 NULL"},
		{"sum", "select sum(i) x from range(5) r(i)", "DECIMAL(38,0)", "10"},
		{"uhugeint", values("340282366920938463463374607431768211455::uhugeint"), "VARCHAR", "340282366920938463463374607431768211455"},
		{"float", values("1.5::float", "'nan'::float", "'-inf'::float"), "FLOAT", "1.5 nan -inf"},
		{"double", values("0.1::double", "1.7976931348623157e308::double", "'inf'::double"), "DOUBLE", "0.1 1.7976931348623157e+308 inf"},
		{"decimal in 32 bits", values("-12.34::decimal(4,2)", "null"), "DECIMAL(4,2)", "-12.34 NULL"},
		{"decimal in 64 bits", values("-1234567890.12345678::decimal(18,8)", "null"), "DECIMAL(18,8)", "-1234567890.12345678 NULL"},
		{"decimal in 128 bits", values("-18446744073709551616.5::decimal(38,1)", "1"), "DECIMAL(38,1)", "-18446744073709551616.5 1.0"},
		{"varchar", values("''", "'ü€😀'", "null", "'a text of more than twelve bytes'"), "VARCHAR", " ü€😀 NULL a text of more than twelve bytes"},
		{"json", values(`'{"a":[1,2]}'::json`, "null"), "VARCHAR", `{"a":[1,2]} NULL`},
		{"blob", values(`'\x00\xFFab'::blob`), "BLOB", `\x00\xFFab`},
		{"date", values("date '1969-12-31'", "date '0001-01-01'", "date 'infinity'", "date '-infinity'", "null"), "DATE", "1969-12-31 0001-01-01 NULL NULL NULL"},
		{"time", values("time '12:34:56.789'", "time '24:00:00'"), "TIME", "12:34:56.789 24:00:00"},
		{"time in ns", values("'12:34:56.123456789'::time_ns"), "TIME_NS", "12:34:56.123456789"},
		{"timestamp in s", values("'1969-12-31 23:59:59'::timestamp_s", "'infinity'::timestamp_s"), "TIMESTAMP", "1969-12-31 23:59:59 NULL"},
		{"timestamp in ms", values("'1970-01-02 00:00:00.001'::timestamp_ms"), "TIMESTAMP", "1970-01-02 00:00:00.001"},
		{"timestamp", values("timestamp '1969-12-31 23:59:59.999999'", "timestamp 'infinity'", "timestamp '-infinity'"), "TIMESTAMP",
			"1969-12-31 23:59:59.999999 NULL NULL"},
		{"timestamp in ns", values("'1970-01-01 00:00:00.000000001'::timestamp_ns"), "TIMESTAMP_NS", "1970-01-01 00:00:00.000000001"},
		{"timestamptz", values("timestamptz '2024-07-01 00:00:00+02'"), "TIMESTAMP WITH TIME ZONE", "2024-06-30 22:00:00+00"},
		{"interval", values("interval '1 year 2 months -3 days 4 hours'", "null"), "VARCHAR", "P1Y2M-3DT4H NULL"},
		{"uuid", values("'00000000-0000-0000-0000-0000000000a1'::uuid", "null"), "VARCHAR", "00000000-0000-0000-0000-0000000000a1 NULL"},
		{"enum", "select x::enum('a','b') x from (" + values("'b'", "null") + ")", "VARCHAR", "b NULL"},
		{"bit", values("'101'::bit", "null"), "VARCHAR", "101 NULL"},
		{"list", values("[1,null,3]", "[]", "null", "[4]"), "INTEGER[]", "[1, NULL, 3] [] NULL [4]"},
		{"lists all empty", values("[]::bigint[]", "[]", "null"), "BIGINT[]", "[] [] NULL"},
		{"list of lists", values("[['a'],[],null]", "[['b']]"), "VARCHAR[][]", "[[a], [], NULL] [[b]]"},
		{"array", values("[1,2,3]::integer[3]", "null", "[4,null,6]"), "INTEGER[]", "[1, 2, 3] NULL [4, NULL, 6]"},
		{"struct", values("{'a':1,'b':'x'}", "null", "{'a':null,'b':'y'}"), "STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': x} NULL {'a': NULL, 'b': y}"},
		{"tuple", values("row(1,'x')", "null"), `STRUCT("1" INTEGER, "2" VARCHAR)`, "{'1': 1, '2': x} NULL"},
		{"struct of lists of structs", values("{'l':[{'d':date '1970-01-02'},null]}", "{'l':null}", "null"), "STRUCT(l STRUCT(d DATE)[])",
			"{'l': [{'d': 1970-01-02}, NULL]} {'l': NULL} NULL"},
		{"map", values("map{'k':1,'l':null}", "map{}", "null"), "MAP(VARCHAR, INTEGER)", "{k=1, l=NULL} {} NULL"},
		{"map of lists of structs", values("map{1:[{'d':date '1970-01-02'}]}"), "MAP(INTEGER, STRUCT(d DATE)[])", "{1=[{'d': 1970-01-02}]}"},
		{"map by structs", values("map{{'a':1}:2}"), "MAP(STRUCT(a INTEGER), INTEGER)", "{{'a': 1}=2}"},
		{"list of nothing", "select [null] x", "INTEGER[]", "[NULL]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := fmt.Sprintf("read_parquet('%s')", parquetOf(t, d, tt.sql))
			if got := strings.Join(textColumn(t, db, "SELECT x::VARCHAR FROM "+from), " "); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.sql, got, tt.want)
			}
			if got := textColumn(t, db, "SELECT typeof(x) FROM "+from+" LIMIT 1"); got[0] != tt.typ {
				t.Errorf("%s: got type %s, want %s", tt.sql, got[0], tt.typ)
			}
		})
	}
}

// TestAllTypesOfTheEngine sends the engine's own table of all its types, with their least and greatest values, through
// the driver and Parquet, and has the engine compare the two.
func TestAllTypesOfTheEngine(t *testing.T) {
	d, db := open(t), plainEngine(t)
	// Values that docs/FORMATS.md says are refused or different are made what they become.
	const finite = "list_transform(%[1]s, lambda x: CASE WHEN isfinite(x) THEN x END)"
	all := `SELECT * REPLACE (hugeint % 1000000000000000000000000000000::hugeint AS hugeint) FROM test_all_types()`
	became := map[string]string{"interval": "CASE WHEN %[1]s IS NULL THEN NULL WHEN %[1]s = INTERVAL 0 DAY THEN 'PT0S' ELSE 'P83Y3M999DT16M39.999999S' END",
		"date_array": finite, "timestamp_array": finite, "timestamptz_array": finite}
	d.sql(t, "CREATE TABLE everything AS "+all)
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE ours AS SELECT * FROM read_parquet('"+parquetOf(t, d, "SELECT * FROM everything")+"')"); err != nil {
		t.Fatal(err)
	}
	names := textColumn(t, db, "SELECT column_name FROM (DESCRIBE "+all+")")
	if len(names) < 50 {
		t.Fatalf("the engine has %d types", len(names))
	}
	for _, name := range names {
		want := became[name]
		if want == "" {
			want = "%[1]s"
			if typ := textColumn(t, db, `SELECT column_type FROM (DESCRIBE SELECT "`+name+`" FROM test_all_types())`)[0]; typ == "DATE" || strings.HasPrefix(typ, "TIMESTAMP") {
				want = "CASE WHEN isfinite(%[1]s) THEN %[1]s END"
			}
		}
		want = fmt.Sprintf(want, `"`+name+`"`)
		wanted := textColumn(t, db, "SELECT ("+want+")::VARCHAR FROM ("+all+")")
		if got := textColumn(t, db, `SELECT "`+name+`"::VARCHAR FROM ours`); strings.Join(got, "\n") != strings.Join(wanted, "\n") {
			t.Errorf("%s\n got %q\nwant %q", name, got, wanted)
		}
	}
}

// TestParquetOfManyChunks: a table over many chunks, with NULLs, is the same after the way through Parquet.
func TestParquetOfManyChunks(t *testing.T) {
	d, db := open(t), plainEngine(t)
	const table = `SELECT i, CASE WHEN i % 3 > 0 THEN 'text ' || i % 5000 END s, CASE WHEN i % 7 > 0 THEN i / 8.0::double END f,
		CASE WHEN i % 11 > 0 THEN (i * 7919 / 100)::decimal(12,2) END d, i % 2 = 0 b, make_timestamptz(i * 1000003) t,
		CASE WHEN i % 5 > 0 THEN [i, NULL, i + 1][1 : i % 4] END l, CASE WHEN i % 13 > 0 THEN {'a': i, 's': 'v' || i % 9} END st,
		map {'k' || i % 4: i} m FROM range(300000) r(i)`
	file := parquetOf(t, d, table)
	compare := "SELECT count(*) FROM ((" + table + ") EXCEPT ALL (SELECT * FROM read_parquet('" + file + "')))"
	if got := textColumn(t, db, compare); got[0] != "0" {
		t.Errorf("%s rows differ", got[0])
	}
	if got := textColumn(t, db, "SELECT count(*) FROM read_parquet('"+file+"')"); got[0] != "300000" {
		t.Errorf("got %s rows, want 300000", got[0])
	}
	// The engine skips row groups by their statistics.
	if got := textColumn(t, db, "SELECT count(*) || ' ' || min(i) FROM read_parquet('"+file+"') WHERE s = 'text 4999'"); got[0] != "40 4999" {
		t.Errorf("rows with a certain text: got %s, want 40 from 4999 on", got[0])
	}
}

// TestColumnarFailures: what fails before the first row leaves nothing behind, what fails later is not whole.
func TestColumnarFailures(t *testing.T) {
	d, db := open(t), plainEngine(t)
	for _, name := range []string{"arrow", "parquet"} {
		f, err := result.FormatOf(name, "")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := d.Query(t.Context(), "SELECT error('at once')", nil, f.New(&out)); err == nil || out.Len() > 0 {
			t.Errorf("%s: got error %v and %d bytes, want an error alone", name, err, out.Len())
		}
		if err := d.Query(t.Context(), "SELECT (-170141183460469231731687303715884105728)::hugeint", nil, f.New(&out)); fault.CodeOf(err) != "value_out_of_range" || out.Len() > 0 {
			t.Errorf("%s: got error %v and %d bytes, want value_out_of_range alone", name, err, out.Len())
		}
		err = d.Query(t.Context(), "SELECT i, CASE WHEN i < 1999999 THEN i ELSE error('at the end') END FROM range(2000000) r(i)", nil, f.New(&out))
		if err == nil || out.Len() == 0 {
			t.Errorf("%s: got error %v after %d bytes, want one after some", name, err, out.Len())
		}
		if name == "parquet" {
			file := filepath.Join(t.TempDir(), "cut.parquet")
			if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), "SELECT count(*) FROM read_parquet('"+file+"')"); err == nil {
				t.Error("the engine reads a file that was cut")
			}
		}
	}
}

// TestArrowOfManyChunks: the driver's vectors end with each call, and the stream has all of their values.
func TestArrowOfManyChunks(t *testing.T) {
	d := open(t)
	var out bytes.Buffer
	if err := d.Query(t.Context(), "SELECT i, 'number ' || i s FROM range(200000) r(i)", nil, result.NewArrow(&out)); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r.Next() {
		b := r.RecordBatch()
		for i := range int(b.NumRows()) {
			if got, want := b.Column(0).ValueStr(i)+" "+b.Column(1).ValueStr(i), fmt.Sprintf("%d number %d", n, n); got != want {
				t.Fatalf("row %d: got %s", n, got)
			}
			n++
		}
	}
	if n != 200_000 || r.Err() != nil {
		t.Errorf("got %d rows, error %v", n, r.Err())
	}
}
