package duckdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// sql runs statements of ours on the writer, as a person would who opens the file by hand.
func (d *Destination) sql(t testing.TB, statements ...string) {
	t.Helper()
	if err := d.exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
}

func (d *Destination) exec(ctx context.Context, statements ...string) error {
	return d.call(ctx, func(e *engine) error {
		w, err := e.writer.take(ctx)
		if err != nil {
			return err
		}
		defer e.writer.put(w)
		for _, sql := range statements {
			if err := w.exec(sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// ask runs a query and gives its rows.
func (d *Destination) ask(t testing.TB, sql string, args ...any) []string {
	t.Helper()
	var out destinationtest.Rows
	if err := d.Query(t.Context(), sql, args, &out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out.Rows
}

func wantAnswer(t *testing.T, d *Destination, sql string, want ...string) {
	t.Helper()
	if got := d.ask(t, sql); !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q", sql, got, want)
	}
}

// TestQueryCannotLeave tries what is known to reach files, other databases, settings or memory through SQL.
func TestQueryCannotLeave(t *testing.T) {
	d := open(t)
	dir := filepath.Dir(d.cfg.File)
	file, temp := d.cfg.File, d.cfg.File+".tmp"
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n", "CREATE SEQUENCE s", "CREATE VIEW v AS SELECT * FROM t")
	before := d.ask(t, "SELECT name, value FROM duckdb_settings() ORDER BY name")
	attacks := []string{
		// other statements
		`COPY t TO '` + dir + `/x.csv'`, `COPY (SELECT 1) TO '/dev/stdout'`, `COPY t FROM '/etc/passwd'`,
		`ATTACH '` + dir + `/other.duckdb'`, `ATTACH ':memory:' AS m`, `DETACH test`, `USE memory`,
		`INSTALL httpfs`, `LOAD httpfs`, `FORCE INSTALL httpfs`, `UPDATE EXTENSIONS`,
		`EXPORT DATABASE '` + dir + `/out'`, `IMPORT DATABASE '` + dir + `'`,
		`SET memory_limit = '1TB'`, `SET GLOBAL enable_external_access = true`, `RESET lock_configuration`, `SET VARIABLE x = 1`,
		`PRAGMA memory_limit = '1TB'`, `PRAGMA show_tables`, `PRAGMA database_list`, `PRAGMA import_database('/etc')`,
		`CALL enable_logging()`, `CALL pragma_version()`, `CALL checkpoint()`, `CHECKPOINT`, `FORCE CHECKPOINT`, `VACUUM`, `ANALYZE`,
		`EXPLAIN SELECT 1`, `EXPLAIN ANALYZE SELECT 1`, `EXPLAIN ANALYZE INSERT INTO t VALUES (2)`,
		`BEGIN`, `COMMIT`, `ROLLBACK`, `PREPARE p AS SELECT 1`, `EXECUTE p`, `DEALLOCATE p`,
		`CREATE TEMP TABLE x (i INT)`, `CREATE OR REPLACE VIEW v AS SELECT 2`, `CREATE MACRO f() AS 1`, `CREATE SECRET x (TYPE s3)`,
		`CREATE TABLE x AS SELECT * FROM t`, `DROP VIEW v`, `INSERT INTO t SELECT 2 RETURNING *`, `MERGE INTO t USING t AS u ON false WHEN NOT MATCHED THEN INSERT VALUES (1)`,
		`WITH x AS (INSERT INTO t VALUES (2) RETURNING *) SELECT * FROM x`,
		`COMMENT ON TABLE t IS 'x'`, `SELECT * INTO x FROM t`, `SELECT 1 INTO OUTFILE '/tmp/x'`,
		// second statements
		`SELECT 1; SELECT 2`, `SELECT 1;; DROP TABLE t`, `SELECT 1; COMMIT; DROP TABLE t`, `SELECT 1 /* ; */ ; DELETE FROM t -- x`,
		"SELECT 1\x00; DROP TABLE t",
		// files
		`SELECT * FROM read_text('/etc/passwd')`, `SELECT * FROM read_blob('/etc/passwd')`, `SELECT * FROM read_csv('/etc/passwd')`,
		`SELECT * FROM read_csv_auto('/etc/passwd')`, `SELECT * FROM read_json('/etc/passwd')`, `SELECT * FROM read_parquet('/etc/passwd')`,
		`SELECT * FROM parquet_metadata('/etc/passwd')`, `SELECT * FROM sniff_csv('/etc/passwd')`, `SELECT * FROM glob('/etc/*')`,
		`SELECT * FROM '/etc/passwd'`, `FROM '/etc/passwd.csv'`, `FROM "/etc/x.parquet"`, `FROM 'https://example.com/x.csv'`,
		`FROM 's3://bucket/x.parquet'`, `DESCRIBE '/etc/passwd.csv'`, `SUMMARIZE '/etc/passwd.csv'`, `DESCRIBE SELECT * FROM read_text('/etc/passwd')`,
		`SELECT (SELECT content FROM read_text('/etc/passwd'))`, `SELECT 1 WHERE EXISTS (FROM read_text('/etc/passwd'))`,
		`WITH x AS (SELECT * FROM READ_TEXT('/etc/passwd')) FROM x`, `SELECT * FROM t, LATERAL (FROM read_text('/etc/passwd'))`,
		`SELECT * FROM system.main.read_text('/etc/passwd')`, `SELECT * FROM "read_text"('/etc/passwd')`,
		`SELECT * FROM (PIVOT (FROM read_text('/etc/passwd')) ON filename IN ('x') USING count(*))`,
		// the database's own files, for which the engine's lock on external access is open
		`SELECT * FROM read_blob('` + file + `')`, `SELECT * FROM read_duckdb('` + file + `')`, `FROM '` + file + `'`,
		`SELECT * FROM read_blob('` + temp + `/*')`, `SELECT * FROM glob('` + temp + `/*')`, `FROM '` + temp + `/x.csv'`, `FROM '` + temp + `/*.json'`,
		`FROM "` + temp + `/x".csv`, `FROM "` + temp + `/x".y.csv`, `DESCRIBE '` + temp + `/x.csv'`, `FROM histogram('` + temp + `/x.csv', a)`,
		// SELECTs that do something
		`SELECT * FROM enable_logging()`, `SELECT * FROM enable_logging(storage = 'file', storage_path = '` + temp + `/log')`,
		`SELECT * FROM disable_logging()`, `SELECT * FROM truncate_duckdb_logs()`, `SELECT * FROM checkpoint()`, `SELECT * FROM force_checkpoint()`,
		`SELECT * FROM enable_profiling()`, `SELECT * FROM enable_peg_parser()`, `SELECT write_log('x')`, `SELECT 'x'.write_log()`,
		`SELECT nextval('s')`, `SELECT * FROM t ORDER BY nextval('s')`, `SELECT setseed(0.5)`, `SELECT sleep_ms(1)`,
		`SELECT * FROM query('SELECT 1')`, `SELECT * FROM query_table('t')`, `SELECT * FROM json_execute_serialized_sql('{}')`,
		`SELECT * FROM arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)`, `SELECT * FROM seq_scan('t')`,
		`SELECT getenv('HOME')`, `SELECT * FROM duckdb_secrets()`, `SELECT json_serialize_plan('SELECT 1')`, `SELECT pg_sleep(0.001)`,
		// what hides such a call: macros and views of the engine's own
		`SELECT * FROM duckdb_logs_parsed('QueryLog')`, `FROM duckdb_logs`, `FROM system.main."DUCKDB_LOGS"`, `DESCRIBE duckdb_logs`,
		`FROM pg_catalog.pg_prepared_statements`, `FROM histogram('/etc/passwd', a)`, `FROM histogram('` + file + `', a)`,
		`FROM histogram_values('/etc/passwd.csv', a)`, `FROM histogram('read_text(''/etc/passwd'')', content)`,
		`FROM pragma_table_info('/etc/passwd.csv')`, `FROM pragma_show('/etc/passwd')`, `FROM duckdb_table_sample('/etc/passwd.csv')`,
		`FROM summary((FROM read_text('/etc/passwd')))`, `SELECT list_aggregate([1], 'nextval')`, `SELECT unnest((FROM read_text('/etc/passwd')))`,
		// what ends the process, or used to
		`SELECT json_structure(repeat('[', 100000) || repeat(']', 100000))`, `SELECT json_group_structure(j) FROM (SELECT '1'::JSON j)`,
		`SELECT json_contains(repeat('[', 100000) || repeat(']', 100000), '1')`, `SELECT json_merge_patch(j, j) FROM (SELECT '{}'::JSON j)`,
		`SELECT from_json('1', repeat('[', 100000) || '"INT"' || repeat(']', 100000))`, `SELECT json_transform('1', $1)`,
		`SELECT from_json_strict('1', '` + strings.Repeat("[", 101) + `"INT"` + strings.Repeat("]", 101) + `')`,
		`SELECT list_transform(['1'], lambda x: json_transform_strict(x, x))`, `SELECT (repeat('[', 100000) || repeat(']', 100000))::JSON::VARIANT`,
		`SELECT TRY_CAST(1 AS STRUCT(a "variant"[]))`, `SELECT VARIANT '1'`, `SELECT 1::variant(1)`, `SELECT 1::main.variant`, `SELECT variant_bytes_to_variant('')`,
	}
	for _, sql := range attacks {
		t.Run(sql, func(t *testing.T) {
			var out destinationtest.Rows
			err := d.Query(t.Context(), sql, nil, &out)
			if k := fault.Of(err); k != fault.Denied && k != fault.Invalid {
				t.Errorf("got %v (%v), want fault.Denied or fault.Invalid", err, k)
			}
			if len(out.Rows) > 0 {
				t.Errorf("got the rows %q", out.Rows)
			}
			wantAnswer(t, d, "SELECT n FROM t", "1")
		})
	}
	if after := d.ask(t, "SELECT name, value FROM duckdb_settings() ORDER BY name"); !slices.Equal(after, before) {
		t.Errorf("settings\n got %q\nwant %q", after, before)
	}
	wantAnswer(t, d, "SELECT COUNT(*) FROM duckdb_tables() WHERE NOT internal", "2") // t and the ledger
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(file)) {
			t.Errorf("a query made the file %s", e.Name())
		}
	}
	d.sql(t, "INSERT INTO t VALUES (2)") // the writer works still
}

// TestQueryCodes checks what a caller is told.
func TestQueryCodes(t *testing.T) {
	d := open(t)
	for _, tt := range []struct{ sql, code, text string }{
		{"SELECT 1; SELECT 2", "multiple_statements", "has 2"},
		{"SELECT 1; DROP TABLE t", "multiple_statements", "has 2"},
		{"DROP TABLE t", "not_a_select", "SELECT"},
		{"EXPLAIN SELECT 1", "not_a_select", "SELECT"},
		{"SELECT * FROM read_text('x')", "function_not_allowed", "read_text"},
		{"FROM '/etc/x.csv'", "external_access", "/etc/x.csv"},
		{"FROM 'x.csv'", "external_access", "x.csv"},
		{"SELEC 1", "bad_sql", "LINE 1: SELEC 1"},
		{"SELECT nosuch FROM range(1)", "bad_sql", `"nosuch" not found`},
		{"SELECT 1 + [1]", "bad_sql", "Binder Error"},
		{"SELECT 'x'::INT", "bad_sql", "Conversion Error"},
		{"SELECT error('boom')", "bad_sql", "boom"},
		{"SELECT error('')", "bad_sql", "Invalid Input Error"},
		{"FROM duckdb_logs", "view_not_allowed", "duckdb_logs"},
		{"SELECT 1::VARIANT", "type_not_allowed", "VARIANT"},
		{"SELECT from_json('1', $1)", "function_not_allowed", "from_json only with a structure that is a text in the query"},
		{"", "bad_sql", "empty"},
		{"-- nothing", "bad_sql", "empty"},
		{"SELECT ?", "bad_sql", "wants values for $1"},
		{"SELECT '\xff'", "bad_sql", "UTF-8"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			err := d.Query(t.Context(), tt.sql, nil, &destinationtest.Rows{})
			if got := fault.CodeOf(err); got != tt.code {
				t.Errorf("code: got %q (%v), want %q", got, err, tt.code)
			}
			if got := fault.TextOf(err); !strings.Contains(got, tt.text) || strings.Contains(got, "Stack Trace") {
				t.Errorf("text: got %q, want %q in it", got, tt.text)
			}
		})
	}
}

// TestCheck: a query is looked at as Query would, and not run.
func TestCheck(t *testing.T) {
	d := open(t)
	for _, tt := range []struct{ sql, code string }{
		{"SELECT $n + 1", ""},
		{"SELECT error('at once') FROM range(1000000000000)", ""},
		{"SELECT '101'::BIT; -- of a type that becomes text", ""},
		{"SELECT 1) AS a, (SELECT 2", "bad_sql"},
		{"SELECT nosuch", "bad_sql"},
		{"DROP TABLE t", "not_a_select"},
		{"SELECT 1; SELECT 2", "multiple_statements"},
		{"FROM read_text('x')", "function_not_allowed"},
		{"FROM '/etc/x.csv'", "external_access"},
	} {
		if err := d.Check(t.Context(), tt.sql); (err != nil) != (tt.code != "") || err != nil && fault.CodeOf(err) != tt.code {
			t.Errorf("%s: got %v, want %q", tt.sql, err, tt.code)
		}
	}
}

// TestQueryAllows keeps the guard from refusing what people ask.
func TestQueryAllows(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT i AS n, 'g' || i % 2 AS g FROM range(4) r(i)", "CREATE VIEW v AS SELECT n FROM t")
	for _, tt := range []struct{ sql, want string }{
		{"FROM t SELECT sum(n)", "6"},
		{"VALUES (1)", "1"},
		{"TABLE v LIMIT 1", "0"},
		{"SELECT 1 -- comment", "1"},
		{"SELECT ';' ;", ";"},
		{"SELECT count(*) FROM t, range(3)", "12"},
		{"SELECT u FROM unnest([7]) x(u)", "7"},
		{"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r", "15"},
		{"PIVOT t ON g IN ('g0', 'g1') USING sum(n) GROUP BY n ORDER BY n LIMIT 1", "0|0|NULL"},
		{"SELECT list_transform([1, 2], lambda x: x + 1)[2]", "3"},
		{"SELECT [x * 2 FOR x IN [4]][1]", "8"},
		{"SELECT row_number() OVER (ORDER BY n DESC) FROM t QUALIFY n = 0", "4"},
		{"SELECT a.n FROM t a ASOF JOIN t b ON a.n >= b.n WHERE a.n = 3", "3"},
		{`SELECT value FROM json_each('{"a": 5}')`, "5"},
		{`SELECT from_json('{"a": [5]}', '{"a": ["INT"], "{[": "INT"}').a[1]`, "5"},
		{`SELECT json_transform('1', '` + strings.Repeat("[", 100) + `"INT"` + strings.Repeat("]", 100) + `') IS NULL`, "true"},
		{`SELECT '{"id":"VARIANT"}' || 'VARIANT', 1 AS "VARIANT"`, `{"id":"VARIANT"}VARIANT|1`},
		{"SELECT COUNT(*) FROM (DESCRIBE t)", "2"},
		{"SELECT COUNT(*) FROM (SUMMARIZE t)", "2"},
		{"SHOW TABLES", "t"},
		{"SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY ALL LIMIT 1", "t"},
		{"SELECT name FROM pragma_table_info('t') LIMIT 1", "n"},
		{"SELECT COUNT(*) FROM __scratchdata.batches", "0"},
		{"SELECT sum(n)::DECIMAL(9,2) FROM t", "600e-2"},
		{"SELECT regexp_replace(g, 'g', 'h') FROM t LIMIT 1", "h0"},
		{"SELECT strftime(TIMESTAMPTZ '2024-07-01 00:00:00+02', '%H:%M')", "22:00"}, // every connection is in UTC
		{"SELECT current_setting('TimeZone')", "UTC"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			if got := d.ask(t, tt.sql); len(got) == 0 || got[0] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQueryBinds(t *testing.T) {
	d := open(t)
	at := time.Date(2024, 2, 29, 12, 0, 0, 5000, time.FixedZone("", 3600))
	got := d.ask(t, "SELECT $1, $2, $3, $4, $5, $6, $7", int64(9007199254740993), 1.5, "it's", true, nil, at, 7)
	if want := []string{"9007199254740993|1.5|it's|true|NULL|2024-02-29T11:00:00.000005Z|7"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, args := range map[string][]any{"too few": {1}, "too many": {1, 2, 3}, "strange": {1, struct{}{}}} {
		if err := d.Query(t.Context(), "SELECT ?, ?", args, &destinationtest.Rows{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want fault.Invalid", name, err)
		}
	}
}

func TestQueryBindsByName(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t (n BIGINT, \"when\" TIMESTAMPTZ, day DATE, f DOUBLE, s VARCHAR, ok BOOLEAN)",
		"INSERT INTO t VALUES (5, '2024-02-29 12:00:00+00', '2024-02-29', 1.5, 'it''s', true)")
	named := func(name string, value any) destination.Named { return destination.Named{Name: name, Value: value} }
	for _, tt := range []struct {
		sql  string
		args []any
		want string // or what the error says
	}{
		{"SELECT $b, $a", []any{named("a", 1), named("b", "x")}, "x|1"},
		{"SELECT $a, $a, $B", []any{named("A", 1), named("b", nil)}, "1|1|NULL"},
		{"SELECT s FROM t WHERE n = $n AND day = $day AND f > $f AND ok = $ok AND \"when\" < $at", []any{named("n", int64(5)),
			named("day", "2024-02-29"), named("f", 1), named("ok", true), named("at", "2024-03-01T00:00:00Z")}, "it's"},
		{"SELECT s FROM t WHERE n = $n AND f < $f", []any{named("n", "5"), named("f", "2.5")}, "it's"},
		{"SELECT n FROM t WHERE s = $s", []any{named("s", "it's")}, "5"},
		{"SELECT $s", []any{named("s", "'; DROP TABLE t; --")}, "'; DROP TABLE t; --"},
		{"SELECT $1, $2", []any{named("2", "b"), named("1", "a")}, "a|b"},
		{"SELECT $a, '$b'", []any{named("a", 1), named("b", 1)}, "has no parameter $b"},
		{"SELECT $a, $b", []any{named("b", 1)}, "wants values for $a"},
		{"SELECT $a", []any{named("a", 1), named("A", 2)}, "given twice"},
		{"SELECT $a", nil, "wants values for $a"},
		{"SELECT n FROM t WHERE n = $n", []any{named("n", "many")}, "many"},
	} {
		var out destinationtest.Rows
		err := d.Query(t.Context(), tt.sql, tt.args, &out)
		got := strings.Join(out.Rows, ";")
		if err != nil {
			got = fault.TextOf(err)
		}
		if wrong := err != nil && fault.Of(err) != fault.Invalid; wrong || got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: got %s, %v, want %s", tt.sql, got, err, tt.want)
		}
	}
}

// TestQueryOddTypes: what the vectors have no form for arrives as the engine's text, under the same names and order.
func TestQueryOddTypes(t *testing.T) {
	d := open(t)
	for _, sql := range []string{
		`SELECT '101'::BIT AS a, 5 AS a, '12:00:00+02'::TIMETZ AS "b c", ? AS p`,
		`SELECT '101'::BIT AS a, 5 AS a, '12:00:00+02'::TIMETZ AS "b c", ? AS p ; `,
		"SELECT '101'::BIT AS a, 5 AS a, '12:00:00+02'::TIMETZ AS \"b c\", ? AS p -- comment",
	} {
		var out destinationtest.Rows
		if err := d.Query(t.Context(), sql, []any{"x"}, &out); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if want := []string{"101|5|12:00:00+02|x"}; !slices.Equal(out.Rows, want) {
			t.Errorf("rows: got %q, want %q", out.Rows, want)
		}
		if want := []string{"a", "a", "b c", "p"}; !slices.Equal(out.Columns, want) {
			t.Errorf("columns: got %q, want %q", out.Columns, want)
		}
	}
	wantAnswer(t, d, "SELECT i::VARCHAR::BIT FROM (VALUES (1), (0), (1)) v(i) ORDER BY i DESC", "1", "1", "0")
}

// TestQueryFailsMidway: an error after the first rows is an error, not the end.
func TestQueryFailsMidway(t *testing.T) {
	d := open(t)
	var out destinationtest.Rows
	err := d.Query(t.Context(), "SELECT CASE WHEN i < 9999999 THEN i ELSE error('at the end') END FROM range(10000000) r(i)", nil, &out)
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "at the end") {
		t.Errorf("got %v, want the query's own error", err)
	}
	if len(out.Rows) == 0 || out.Ended {
		t.Errorf("got %d rows, ended %v, want some rows and no end", len(out.Rows), out.Ended)
	}
}

// TestQueriesWaitForAPlace: more queries than connections wait, and leave when their context ends.
func TestQueriesWaitForAPlace(t *testing.T) {
	d := open(t)
	standing, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, queryConnections)
	for range queryConnections {
		go func() {
			ended <- d.Query(t.Context(), "SELECT 1", nil, &pausing{at: standing, until: release})
		}()
	}
	for range queryConnections {
		<-standing
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := d.Query(ctx, "SELECT 1", nil, &destinationtest.Rows{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	close(release)
	for range queryConnections {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	wantAnswer(t, d, "SELECT 1", "1")
}

// pausing stands still when it is complete.
type pausing struct {
	destinationtest.Rows
	at    chan<- struct{}
	until <-chan struct{}
}

func (p *pausing) End() error {
	p.at <- struct{}{}
	<-p.until
	return nil
}

// panicking is a writer with a mistake.
type panicking struct{ destinationtest.Rows }

func (*panicking) Write(*vector.Batch) error { panic("a mistake") }

// A writer that panics takes nothing with it: its connection is not used again, and Close does not wait for it.
func TestQueryPanics(t *testing.T) {
	d := open(t)
	for range 2 * queryConnections {
		func() {
			defer func() {
				if got := recover(); got != "a mistake" {
					t.Errorf("got the panic %v", got)
				}
			}()
			err := d.Query(t.Context(), "SELECT 1", nil, &panicking{})
			t.Errorf("got %v, want a panic", err)
		}()
	}
	if got := d.ask(t, "SELECT 1"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("afterwards: got %q", got)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
