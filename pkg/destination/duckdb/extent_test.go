package duckdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// twice gives n CTEs, each of which is made of the one before it, twice.
func twice(n int, first, each string) string {
	ctes := []string{"c0 AS (" + first + ")"}
	for i := range n {
		ctes = append(ctes, fmt.Sprintf("c%d AS (", i+1)+strings.ReplaceAll(each, "prev", fmt.Sprintf("c%d", i))+")")
	}
	return "WITH " + strings.Join(ctes, ", ") + fmt.Sprintf(" SELECT count(*) FROM c%d", n)
}

// everywhere lets the CTEs of a query be made wherever they are used.
func everywhere(sql string) string { return strings.ReplaceAll(sql, " AS (", " AS NOT MATERIALIZED (") }

// repeated gives a text and n more of another.
func repeated(first string, n int, more string) string { return first + strings.Repeat(more, n) }

// A query that would take the engine long to plan, which nothing can interrupt, is refused before; what is large and well is not.
func TestLargeQueries(t *testing.T) {
	d := open(t)
	if err := d.CreateTable(t.Context(), tableOf(t, "events")); err != nil {
		t.Fatal(err)
	}
	const columns, parts, joined = "columns in all", "SELECTs and tables", "joined with each other"
	for _, tt := range []struct{ name, sql, want string }{
		{"stars of stars", twice(14, repeated("SELECT 1", 9, ", 1"), "SELECT t.*, u.* FROM prev t LEFT JOIN prev u ON true"), columns},
		{"of a table", twice(22, "SELECT * FROM events", "SELECT *, * FROM prev"), columns},
		{"in a subquery", "SELECT (" + twice(22, "SELECT 1 AS x", "SELECT *, * FROM prev") + ")", columns},
		{"described", "SELECT * FROM (DESCRIBE " + twice(22, "SELECT 1 AS x", "SELECT *, * FROM prev") + ")", columns},
		{"sorted", "SELECT 1 ORDER BY (" + twice(22, "SELECT 1 AS x", "SELECT *, * FROM prev") + ")", columns},
		{"in a condition", "SELECT 1 FROM events WHERE EXISTS (" + twice(22, "SELECT 1 AS x", "SELECT *, * FROM prev") + ")", columns},
		{"columns that match", twice(22, "SELECT 1 AS x", "SELECT COLUMNS(*), COLUMNS(*) FROM prev"), columns},
		{"a long list", repeated("SELECT 1", maxColumns, ",1"), columns},
		{"unions of unions", everywhere(twice(22, "SELECT 1 AS x", "SELECT x FROM prev UNION ALL SELECT x FROM prev")), parts},
		{"in a recursion", "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL (" + everywhere(twice(22, "SELECT 1 AS x", "SELECT x FROM prev UNION SELECT x FROM prev")) + ")) SELECT * FROM r", parts},
		{"a long union", repeated("SELECT 1", maxParts, " UNION ALL SELECT 1"), parts},
		{"subqueries", repeated("SELECT 1", maxParts, ", (SELECT 1)"), parts},
		{"joins", repeated("SELECT count(*) FROM events", maxJoined, " JOIN events USING (__row_id)"), joined},
		{"joins of joins", everywhere(twice(7, "SELECT * FROM events", "SELECT a.__row_id FROM prev a JOIN prev b USING (__row_id)")), joined},
		{"joins that may be inlined", repeated("WITH c AS (SELECT 1 FROM range(1)", 40, ", range(1)") + repeated(") SELECT 1 FROM c", 40, ", range(1)"), joined},
		{"products", repeated("SELECT count(*) FROM range(1)", maxJoined, ", range(1)"), joined},
		{"under an outer join", repeated("SELECT count(*) FROM range(1) LEFT JOIN (SELECT 1 FROM range(1)", maxJoined, ", range(1)") + ") ON true", joined},
		{"well: stars of two tables", twice(6, "SELECT * FROM events", "SELECT t.*, u.* FROM prev t LEFT JOIN prev u ON true"), ""},
		{"well: stars", twice(10, "SELECT * FROM events", "SELECT * FROM prev"), ""},
		{"well: a union of a hundred", repeated("SELECT * FROM events", 99, " UNION ALL SELECT * FROM events"), ""},
		{"well: outer joins", repeated("SELECT count(*) FROM events a", 99, " LEFT JOIN events USING (__row_id)"), ""},
		{"well: joins that are grouped", everywhere(twice(6, "SELECT * FROM events", "SELECT a.__row_id FROM prev a JOIN prev b USING (__row_id) GROUP BY 1")), ""},
		{"well: unions of unions", twice(20, "SELECT 1 AS x", "SELECT x FROM prev UNION SELECT x FROM prev"), ""},
		{"well: joins of joins", twice(20, "SELECT * FROM events", "SELECT a.__row_id FROM prev a JOIN prev b USING (__row_id)"), ""},
		{"well: a name that hides a CTE", "WITH events AS (SELECT 1 AS x) SELECT count(*) FROM main.events", ""},
		{"well: a recursion", "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 9) SELECT count(*) FROM r", ""},
		{"well: a pivot", "SELECT * FROM (PIVOT (SELECT 1 AS x, 2 AS y) ON x IN (1, 2, 3) USING sum(y))", ""},
	} {
		err := d.Check(t.Context(), tt.sql)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if fault.Of(err) != fault.Invalid || fault.CodeOf(err) != "query_too_large" || !strings.Contains(fault.TextOf(err), tt.want) {
			t.Errorf("%s: got %.200v, want it refused for its %s", tt.name, err, tt.want)
		}
	}
}
