package duckdb

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// verdict is what the guard makes of sql: a query that it refuses must be refused.
func (d *Destination) verdict(t *testing.T, q *conn, sql string) string {
	t.Helper()
	err := q.check(sql)
	switch {
	case fault.Of(err) == fault.Denied:
		if got := d.Query(t.Context(), sql, nil, &destinationtest.Rows{}); fault.CodeOf(got) != fault.CodeOf(err) {
			t.Errorf("%s: the guard says %v, a query gets %v", sql, err, got)
		}
		return "refused"
	case classOf(err) == "Parser":
		return "unread"
	case err != nil:
		t.Errorf("%s: %v", sql, err)
	}
	return "allowed"
}

// statements has one statement, or more, for each word that one may begin with.
var statements = []string{
	"(SELECT 1)", "SELECT 1", "FROM t", "TABLE t", "VALUES (1)", "WITH x AS (SELECT 1) FROM x", "DESC t", "DESCRIBE t", "SHOW TABLES",
	"SUMMARIZE t", "PIVOT t ON n IN (1) USING count(*)", "PIVOT_WIDER t ON n IN (1) USING count(*)", "UNPIVOT t ON n", "PIVOT_LONGER t ON n",
	"WITH x AS (SELECT 1) INSERT INTO t FROM x",
	"ABORT", "ALTER TABLE t ADD COLUMN m INT", "ANALYZE", "ATTACH ':memory:' AS m", "BEGIN", "CALL pragma_version()", "CHECKPOINT",
	"COMMENT ON TABLE t IS 'x'", "COMMIT", "COPY t TO '/dev/null'", "CREATE TABLE x (i INT)", "DEALLOCATE p", "DELETE FROM t", "DETACH m",
	"DROP TABLE t", "END", "EXECUTE p", "EXPLAIN SELECT 1", "EXPORT DATABASE '/tmp'", "FORCE CHECKPOINT", "IMPORT DATABASE '/tmp'",
	"INSERT INTO t VALUES (2)", "INSTALL json", "LOAD json", "MERGE INTO t USING t AS u ON false WHEN NOT MATCHED THEN INSERT VALUES (1)",
	"PRAGMA version", "PREPARE p AS SELECT 1", "RESET threads", "ROLLBACK", "SET threads = 1", "START TRANSACTION", "TRUNCATE t",
	"UPDATE t SET n = 2", "UPDATE EXTENSIONS", "USE memory", "VACUUM",
}

// survey lists what the engine knows, each with what the guard makes of it.
type survey struct {
	d     *Destination
	q     *conn // one that queries use
	lines []string
}

func (s *survey) add(t *testing.T, kind, name, sql string) {
	t.Helper()
	s.lines = append(s.lines, kind+" "+s.d.verdict(t, s.q, sql)+" "+name)
}

// beginnings adds the statements. The words that one may begin with are those by which the engine's grammar completes
// nothing.
func (s *survey) beginnings(t *testing.T) {
	for _, word := range textColumn(t, plainEngine(t), "SELECT suggestion FROM sql_auto_complete('')") {
		word = strings.TrimSpace(word)
		begins := func(sql string) bool {
			rest, ok := strings.CutPrefix(strings.ToLower(sql), word)
			return ok && (word == "(" || rest == "" || rest[0] == ' ')
		}
		if !slices.ContainsFunc(statements, begins) {
			t.Errorf("a statement may begin with %s, and statements has none", word)
		}
	}
	for _, sql := range statements {
		s.add(t, "statement", sql, sql)
	}
}

// functions adds the functions of all kinds, called without arguments, at which the guard seldom looks.
func (s *survey) functions(t *testing.T) {
	calls := map[string]string{"table": "SELECT * FROM %s()", "table_macro": "SELECT * FROM %s()", "pragma": "PRAGMA %s('x')"}
	for _, kind := range s.d.ask(t, "SELECT DISTINCT function_type FROM duckdb_functions()") {
		call := calls[kind]
		if call == "" {
			call = "SELECT %s()"
		}
		for _, name := range s.d.ask(t, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = ?", kind) {
			quoted := quote(name)
			if kind == "pragma" {
				quoted = name // may have none
			}
			s.add(t, kind, name, fmt.Sprintf(call, quoted))
		}
	}
}

// settings adds the settings. No query changes one; and past the guard, on a connection that queries use, it is locked.
func (s *survey) settings(t *testing.T) {
	for _, name := range s.d.ask(t, "SELECT name FROM duckdb_settings()") {
		line := "setting locked " + name
		for _, sql := range []string{"SET %s = '1'", "SET GLOBAL %s = '1'", "SET SESSION %s = '1'", "RESET %s", "RESET GLOBAL %s", "PRAGMA %s = '1'"} {
			sql = fmt.Sprintf(sql, name)
			if got := s.d.verdict(t, s.q, sql); got != "refused" {
				t.Errorf("%s: %s, want it refused", sql, got)
			}
			if err := s.q.exec(sql); err == nil {
				line = "setting open " + name
			}
		}
		s.lines = append(s.lines, line)
	}
}

// TestSurface fails when an engine brings a statement, a function, a view or a setting that nobody has looked at, or when
// the guard makes something else of one: read what it does, change the lists in calls.go, and run with -update.
func TestSurface(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
	q, err := d.engine.queries.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.engine.queries.put(q)
	s := &survey{d: d, q: q}
	s.beginnings(t)
	s.functions(t)
	for _, name := range d.ask(t, "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE internal") {
		s.add(t, "view", name, "FROM "+name)
	}
	s.settings(t)
	slices.Sort(s.lines)
	file := filepath.Join("testdata", "surface.golden")
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(s.lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range missing(s.lines, strings.Split(string(want), "\n")) {
		t.Errorf("new: %s", line)
	}
	for _, line := range missing(strings.Split(strings.TrimSpace(string(want)), "\n"), s.lines) {
		t.Errorf("no more: %s", line)
	}
}

// missing gives those of lines that others lacks.
func missing(lines, others []string) []string {
	known := setOf(others...)
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return known[line] })
}

// TestNothingHidesACall: what a macro or a view of the engine's own calls is not in the query's syntax tree. One that calls
// what a query must not call must be refused itself.
func TestNothingHidesACall(t *testing.T) {
	d := open(t)
	q, err := d.engine.queries.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.engine.queries.put(q)
	hidden := 0
	wantRefused := func(definition, use string) {
		t.Helper()
		if q.check(definition) == nil {
			return
		}
		hidden++
		if got := d.verdict(t, q, use); got != "refused" {
			t.Errorf("%s is %s, and does what is refused: %s", use, got, definition)
		}
	}
	for _, macro := range d.ask(t, "SELECT function_type || ' ' || function_name || ' ' || macro_definition FROM duckdb_functions() WHERE function_type LIKE '%macro'") {
		kind, rest, _ := strings.Cut(macro, " ")
		name, body, _ := strings.Cut(rest, " ")
		if kind == "macro" {
			wantRefused("SELECT "+body, "SELECT "+quote(name)+"()")
		} else {
			wantRefused(body, "FROM "+quote(name)+"()")
		}
	}
	for _, view := range d.ask(t, "SELECT schema_name || '.' || view_name || ' ' || sql FROM duckdb_views() WHERE internal") {
		name, sql, _ := strings.Cut(view, " ")
		_, body, _ := strings.Cut(strings.TrimSuffix(sql, ";"), " AS ")
		wantRefused(body, "FROM "+name)
	}
	if hidden < 6 { // pg_sleep, duckdb_logs_parsed, histogram, histogram_values and two views
		t.Errorf("%d macros and views do what is refused: the test sees too little", hidden)
	}
}

// TestVolatileFunctionsAreKnown: what gives another answer each time may do more than compute.
func TestVolatileFunctionsAreKnown(t *testing.T) {
	d := open(t)
	harmless := setOf("current_connection_id", "current_query", "current_query_id", "current_transaction_id", "error", "gen_random_uuid",
		"random", "stats", "uuid", "uuidv4", "uuidv7")
	for _, name := range d.ask(t, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'") {
		if !harmless[name] && !refusedFunctions[name] {
			t.Errorf("volatile function %s is new", name)
		}
	}
}
