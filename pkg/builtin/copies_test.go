package builtin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
)

// TestCopiesBetweenDatabases copies the values of each type to the other database and back. Columns that are made there have no NULL
// in ClickHouse.
func TestCopiesBetweenDatabases(t *testing.T) {
	o := open(t)
	for i, a := range answers() {
		a.values = notNull(a.values)
		if len(a.values) == 0 {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			d := o.clickhouse["native"]
			if a.duckdb != "" {
				wantCopied(t, a, "duckdb", fmt.Sprintf("first_%d", i), o.duckdb, d)
			}
			if !strings.Contains(a.clickhouse, "Nothing") { // that has no type that could be kept
				wantCopied(t, a, "clickhouse", fmt.Sprintf("second_%d", i), d, o.duckdb)
			}
		})
	}
}

func notNull(values []spelling) (list []spelling) {
	for _, v := range values {
		if v.json != "null" || v.sql != "NULL" {
			list = append(list, v)
		}
	}
	return list
}

// wantCopied copies a's values from one database, where they are made, to the other, and back.
func wantCopied(t *testing.T, a answer, in, table string, from, to destination.Destination) {
	t.Helper()
	query := strings.Replace(strings.Replace(a.sql(in), "SELECT v", "SELECT i, v", 1), "SELECT t.2 AS v", "SELECT t.1 AS i, t.2 AS v", 1)
	for i, step := range []struct{ from, to destination.Destination }{{from, to}, {to, from}} {
		if did := destinationtest.Copy(t, step.from, query, step.to, table); did.Rescued != 0 {
			t.Errorf("from %s: got %+v, want nothing rescued", in, did)
		}
		query = "SELECT i, v FROM " + table + " ORDER BY i"
		wantText(t, "from "+in, ask(t, step.to, "SELECT v FROM "+table+" ORDER BY i")["ndjson"], a.after(in, i))
	}
}

// after is what the values are after the first or second copy. Texts are made of them where the other database has no such type.
func (a answer) after(in string, step int) string {
	if in == "clickhouse" && step == 0 && a.duckdb == "" && strings.Contains(a.clickhouse, "DateTime64") {
		return strings.ReplaceAll(a.ndjson(in), `Z"`, `"`) // DuckDB has nanoseconds without a zone only
	}
	if a.copied == nil || in == "clickhouse" && (step == 0 && a.duckdb != "" || a.clickhouse == "IntervalNanosecond") {
		return a.ndjson(in)
	}
	var b strings.Builder
	for i, v := range a.values {
		text := v.json
		if a.copied[0] != "" {
			text = a.copied[i]
		} else if quoted, err := json.Marshal(v.json); err == nil {
			text = string(quoted)
		}
		b.WriteString(`{"v":` + text + "}\n")
	}
	return b.String()
}
