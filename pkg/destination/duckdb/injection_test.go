package duckdb

import (
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// hostile are texts that would do harm where they are not quoted.
var hostile = destinationtest.Hostile()

// withVictim opens a database with the table victim, which wantVictim looks at.
func withVictim(t *testing.T) *Destination {
	t.Helper()
	cfg := DefaultConfig()
	cfg.InMemory = true
	d := openWith(t, cfg)
	d.sql(t, "CREATE TABLE victim AS SELECT 'secret' AS secret")
	return d
}

func wantVictim(t *testing.T, d *Destination) {
	t.Helper()
	wantAnswer(t, d, "SELECT * FROM victim", "secret")
}

// rowOf makes one row of the keys, each with its value.
func rowOf(keys []string, value func(i int) string) string {
	members := make([]string, len(keys))
	for i, key := range keys {
		members[i] = jsonString(key) + ":" + jsonString(value(i))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestHostileKeys gives a table a column for each hostile key, and reads it back under the name that the driver promised.
func TestHostileKeys(t *testing.T) {
	want := []string{schema.RowID}
	var cols []schema.Column
	for _, key := range hostile {
		name := columnName(key)
		want = append(want, name)
		cols = append(cols, schema.Column{Name: name, Kind: schema.Text})
	}
	folded := map[string]string{}
	for i, c := range cols {
		if other, taken := folded[fold(c.Name)]; taken {
			t.Fatalf("%q and %q share a column: the test needs others", other, hostile[i])
		}
		folded[fold(c.Name)] = hostile[i]
	}
	for _, tt := range []struct{ name, sql string }{
		{"new table", "SELECT 1"},
		{"table with a row", "CREATE TABLE t AS SELECT 'x' AS __row_id"},
		{"table with a default", "CREATE TABLE t (__row_id VARCHAR DEFAULT 'x')"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table := withVictim(t), tableOf(t, "t")
			d.sql(t, tt.sql)
			if err := d.CreateTable(t.Context(), table); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := d.AddColumns(t.Context(), table, cols); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Columns(t.Context(), table)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, c := range got {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, want) {
				t.Errorf("columns\n got %q\nwant %q", names, want)
			}
			wantHostileRow(t, d)
			wantVictim(t, d)
		})
	}
}

// wantHostileRow loads a row with all hostile keys, the values of which are hostile too, and reads it back.
func wantHostileRow(t *testing.T, d *Destination) {
	t.Helper()
	value := func(i int) string { return strings.ReplaceAll(hostile[len(hostile)-1-i], "\x00", "NUL") }
	wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), rowOf(hostile, value)), destination.Loaded{Rows: 1})
	for i, key := range hostile {
		wantAnswer(t, d, "SELECT "+quote(columnName(key))+" FROM t ORDER BY length(__row_id) DESC LIMIT 1", value(i))
	}
}

// TestHostileStage has hostile names, defaults and values go through the SQL of the stage.
func TestHostileStage(t *testing.T) {
	d := withVictim(t)
	for _, text := range hostile {
		t.Run(text, func(t *testing.T) {
			if strings.Contains(text, "\x00") {
				text = columnName(text)
			}
			name := columnName(text)
			d.sql(t, "CREATE OR REPLACE TABLE t (__row_id VARCHAR, __rescued VARCHAR, "+quote(name)+" DATE[], d VARCHAR DEFAULT "+literal(text)+")")
			row := rowOf([]string{name}, func(int) string { return "no dates: " + text })
			wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), row), loaded(1, schema.Unfit))
			wantAnswer(t, d, "SELECT d FROM t", text)
			var out destinationtest.Rows
			sql := "SELECT (json_each.key = ?)::VARCHAR, (json_each.value->>'$') FROM t, json_each(t.__rescued)"
			if err := d.Query(t.Context(), sql, []any{name}, &out); err != nil {
				t.Fatal(err)
			}
			if want := []string{"true|no dates: " + text}; !slices.Equal(out.Rows, want) {
				t.Errorf("rescued: got %q, want %q", out.Rows, want)
			}
			wantVictim(t, d)
		})
	}
}

// TestKeysThatDifferInCase: they share the column, under the name that came first.
func TestKeysThatDifferInCase(t *testing.T) {
	d, table := withVictim(t), tableOf(t, "t")
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	text := func(name string) schema.Column { return schema.Column{Name: name, Kind: schema.Text} }
	for _, cols := range [][]schema.Column{{text("Key"), text("KEY"), text("Ä")}, {text("key"), text("ä"), text("__RESCUED")}} {
		if err := d.AddColumns(t.Context(), table, cols); err != nil {
			t.Fatal(err)
		}
	}
	b := destinationtest.Batch(rowid.NewSource(), `{"Key":"1"}`, `{"KEY":"2"}`, `{"key":"3","Ä":"4","ä":"5"}`)
	wantLoaded(t, d, b, destination.Loaded{Rows: 3})
	wantAnswer(t, d, `SELECT "Key", "Ä", "ä" FROM t ORDER BY __row_id`, "1|NULL|NULL", "2|NULL|NULL", "3|4|5")
	both := destinationtest.Batch(rowid.NewSource(), `{"Key":"6","KEY":"7"}`)
	wantLoaded(t, d, both, loaded(1, schema.Duplicate))
	wantAnswer(t, d, `SELECT "Key", __rescued FROM t ORDER BY __row_id DESC LIMIT 1`, `6|{"KEY":"7"}`)
	wantVictim(t, d)
}

// TestOddTableNames: what ParseTable lets through may still be a word of SQL, or a name of the engine's own.
func TestOddTableNames(t *testing.T) {
	names := []string{
		"select", "table", "order", "--", "- -", "a--b", "1", "-1", "a b", "null", "temp", "main", "memory", "system", "sqlite_master",
		"duckdb_tables", "pragma_show", "range", "Victim2", strings.Repeat("t", 127),
		"memory.victim", "temp.t", "system.t", "select.from", "a-b.c d", "main2.victim", "1.2", strings.Repeat("q", 127) + ".t",
	}
	d := withVictim(t)
	ids := rowid.NewSource()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			table := tableOf(t, name)
			if err := d.CreateTable(t.Context(), table); err != nil {
				t.Fatal(err)
			}
			if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "name", Kind: schema.Text}}); err != nil {
				t.Fatal(err)
			}
			b := destinationtest.Batch(ids, rowOf([]string{"name"}, func(int) string { return name }))
			if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != 1 {
				t.Errorf("got %+v, %v, want 1 row", did, err)
			}
			path := quote("memory") + "." + quote(schemaOf(table)) + "." + quote(table.Name())
			wantAnswer(t, d, "SELECT name FROM "+path, name)
			wantVictim(t, d)
		})
	}
	tables, err := d.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range tables {
		got = append(got, table.String())
	}
	want := append(slices.Clone(names), "victim")
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("tables\n got %q\nwant %q", got, want)
	}
}
