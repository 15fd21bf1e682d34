package duckdb

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func tableOf(t testing.TB, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// wideColumns lists n columns, of integers and texts in turn.
func wideColumns(n int) (cols []schema.Column, seen []schema.Seen) {
	for i := range n {
		k := [...]schema.Kind{schema.Int, schema.Text}[i%2]
		cols = append(cols, schema.Column{Name: "c" + strconv.Itoa(i), Kind: k})
		seen = append(seen, schema.Seen{Name: "c" + strconv.Itoa(i), Kinds: schema.Kinds(0).With(k)})
	}
	return cols, seen
}

// wideFile writes rows of n columns to a file, as canonical NDJSON.
func wideFile(t *testing.T, rows, n int) string {
	t.Helper()
	var tail strings.Builder
	for i := range n {
		fmt.Fprintf(&tail, [...]string{`,"c%d":%[1]d`, `,"c%d":"a text of some length"`}[i%2], i)
	}
	name := filepath.Join(t.TempDir(), "rows")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if _, err := fmt.Fprintf(f, "{\"__row_id\":\"%026d\"%s}\n", i, tail.String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestWideTable loads a table with as many columns as one may have by default, in the memory that there is by default.
func TestWideTable(t *testing.T) {
	const columns, rows = 2000, 1500
	d, table := open(t), tableOf(t, "wide")
	cols, seen := wideColumns(columns)
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := d.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	file := wideFile(t, rows, columns)
	b := destination.Batch{ID: "01J00000000000000000000000", Rows: rows, Seen: seen}
	b.Open = func(_ context.Context) (io.ReadCloser, error) { return os.Open(file) }
	loaded, err := d.Load(t.Context(), table, b)
	if err != nil || loaded.Rows != rows || loaded.Rescued != 0 {
		t.Fatalf("got %+v, %v, want %d rows", loaded, err, rows)
	}
	wantAnswer(t, d, `SELECT count(*), sum(c0), sum(c1998), min(c1999) FROM wide`,
		fmt.Sprintf("%d|0|%d|a text of some length", rows, 1998*rows))
}

func TestRowsOf(t *testing.T) {
	for cols, want := range map[int]int{0: 2048, 1: 2048, 32: 2048, 64: 1024, 2000: 32, 1 << 20: 1} {
		if got := rowsOf(cols); got != want {
			t.Errorf("%d columns: got %d rows, want %d", cols, got, want)
		}
	}
}

// TestAddColumnsInParts adds more columns than one transaction does, to tables that cannot be made anew.
func TestAddColumnsInParts(t *testing.T) {
	cols, _ := wideColumns(2*columnsAtOnce + 1)
	want := []string{schema.RowID}
	for _, c := range cols {
		want = append(want, c.Name)
	}
	for _, tt := range []struct{ name, sql, keeps string }{
		{"made by us", "CREATE TABLE t (__row_id VARCHAR)", "0"},
		{"with a row", "CREATE TABLE t (__row_id VARCHAR); INSERT INTO t VALUES ('x')", "1"},
		{"with a constraint", "CREATE TABLE t (__row_id VARCHAR UNIQUE)", "0"},
		{"with a constraint, in capitals", "CREATE TABLE T (__row_id VARCHAR UNIQUE)", "0"},
		{"with a check", "CREATE TABLE t (__row_id VARCHAR CHECK (__row_id <> 'y'))", "0"},
		{"with an index", "CREATE TABLE t (__row_id VARCHAR); CREATE INDEX i ON t (__row_id)", "0"},
		{"with a default", "CREATE TABLE t (__row_id VARCHAR DEFAULT 'x')", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			d.sql(t, strings.Split(tt.sql, "; ")...)
			constraints := d.ask(t, "SELECT count(*) FROM (SELECT 1 FROM duckdb_constraints() UNION ALL SELECT 1 FROM duckdb_indexes())")
			for range 2 {
				if err := d.AddColumns(t.Context(), tableOf(t, "t"), cols); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Columns(t.Context(), tableOf(t, "t"))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, c := range got {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, want) {
				t.Errorf("got columns %q, want %q", names, want)
			}
			wantAnswer(t, d, "SELECT count(*) FROM t", tt.keeps)
			wantAnswer(t, d, "SELECT count(*) FROM (SELECT 1 FROM duckdb_constraints() UNION ALL SELECT 1 FROM duckdb_indexes())", constraints...)
			if tt.name == "with a default" {
				d.sql(t, "INSERT INTO t (c0) VALUES (1)")
				wantAnswer(t, d, "SELECT __row_id FROM t", "x")
			}
		})
	}
}
