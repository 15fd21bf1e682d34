package torture

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/duckdb"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// The account's queries, on tables that a WITH stands for.
func TestQueriesOfTheAccount(t *testing.T) {
	for _, engine := range []struct {
		name, none string // what a column has where a row has nothing
		ask        func(t *testing.T) func(sql string) string
	}{
		{"duckdb", "null", askDuckDB},
		{"clickhouse", "''", func(t *testing.T) func(string) string {
			house := servertest.ClickHouse(t)
			return func(sql string) string { return strings.ReplaceAll(house.Exec(t, sql), "\t", ",") }
		}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			ask := engine.ask(t)
			for _, tt := range []struct {
				name       string
				ids, notes []string
				want       string
			}{
				{"each once in both", []string{"'a'", "'b'"}, []string{"'b'", "'a'"}, "0"},
				{"rows of one table alone", []string{"'a'", engine.none, engine.none}, []string{"'a'", engine.none}, "0"},
				{"a note is missing", []string{"'a'", "'b'"}, []string{"'a'"}, "1"},
				{"a row is missing", []string{"'a'"}, []string{"'a'", "'b'"}, "1"},
				{"a note is doubled", []string{"'a'", "'b'"}, []string{"'a'", "'a'", "'b'"}, "1"},
				{"both are doubled", []string{"'a'", "'a'"}, []string{"'a'", "'a'"}, "1"},
			} {
				with := fmt.Sprintf("with torture_1 as (%s), note as (%s) ", column("id", tt.ids), column("torture_1_id", tt.notes))
				if got := ask(with + orphansOf(1)); got != tt.want {
					t.Errorf("%s: got %s orphans, want %s", tt.name, got, tt.want)
				}
			}
			with := "with copied as (select 'x' as __batch_file, n from (" + fmt.Sprintf(copied, 4) + ") q union all select 'x' as __batch_file, 4 as n) "
			if got := ask(with + copiesFound); got != "x,5,4" {
				t.Errorf("a copy of 4 rows, of which one is doubled: got %s, want x,5,4", got)
			}
			if got := ask("with torture_0 as (select 1 as c, 2 as n), torture_1 as (select 1 as c, 2 as n), torture_2 as (select 1 as c, 2 as n) " +
				union("c, n")); got != "1,2\n1,2\n1,2" {
				t.Errorf("rows of all tables: got %q", got)
			}
		})
	}
}

func askDuckDB(t *testing.T) func(sql string) string {
	cfg := duckdb.DefaultConfig()
	cfg.InMemory = true
	d, err := duckdb.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(sql string) string {
		var out strings.Builder
		if err := d.Query(t.Context(), sql, nil, result.NewCSV(&out)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		_, rows, _ := strings.Cut(strings.ReplaceAll(out.String(), "\r\n", "\n"), "\n")
		return strings.TrimSuffix(rows, "\n")
	}
}

// column is a query for a column of these values.
func column(name string, values []string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = "select " + v + " as " + name
	}
	return strings.Join(parts, " union all ")
}
