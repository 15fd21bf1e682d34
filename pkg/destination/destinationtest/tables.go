package destinationtest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func (s *suite) wantColumns(t *testing.T, table schema.Table, want ...string) {
	t.Helper()
	cols, err := s.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cols {
		got = append(got, c.Name+" "+c.Kind.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("columns of %s\n got %q\nwant %q", table, got, want)
	}
}

func createTableMakes(t *testing.T, s *suite) {
	table := s.create(t, "events")
	s.wantColumns(t, table, "__row_id text")
	s.wantCount(t, table, 0)
}

func createTableLeavesExisting(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	s.mustLoad(t, table, s.batch(`{"n":1}`))
	if err := s.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	s.wantColumns(t, table, "__row_id text", "n int")
	s.wantCount(t, table, 1)
}

func createTableConcurrently(t *testing.T, s *suite) {
	table := tableOf(t, "events")
	inParallel(t, func(int) error { return s.CreateTable(t.Context(), table) })
	s.wantColumns(t, table, "__row_id text")
}

// inParallel runs do eight times at once and reports each error.
func inParallel(t *testing.T, do func(i int) error) {
	t.Helper()
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			if err := do(i); err != nil {
				t.Errorf("call %d of 8: %v", i, err)
			}
		})
	}
	calls.Wait()
}

func columnsAreInOrder(t *testing.T, s *suite) {
	table := s.create(t, "events", column("z", schema.Bool), column("a", schema.Int), column("f", schema.Float),
		column("at", schema.Timestamp), column("day", schema.Date), column("name", schema.Text), column("tree", schema.Nested))
	s.wantColumns(t, table, "__row_id text", "z bool", "a int", "f float", "at timestamp", "day date", "name text", "tree text")
}

func columnsOfMissingTable(t *testing.T, s *suite) {
	cols, err := s.Columns(t.Context(), tableOf(t, "nowhere"))
	if !errors.Is(err, fault.NotFound) || cols != nil {
		t.Errorf("got %v, %v, want fault.NotFound", cols, err)
	}
}

func addColumnsTwice(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	s.mustLoad(t, table, s.batch(`{"n":7}`))
	again := []schema.Column{column("n", schema.Text), column("m", schema.Bool)}
	for range 2 {
		if err := s.AddColumns(t.Context(), table, again); err != nil {
			t.Fatal(err)
		}
	}
	s.wantColumns(t, table, "__row_id text", "n int", "m bool")
	s.wantRows(t, `SELECT "n" FROM "events"`, "7")
}

func addColumnsConcurrently(t *testing.T, s *suite) {
	table := s.create(t, "events")
	cols := []schema.Column{column("a", schema.Int), column("b", schema.Text)}
	inParallel(t, func(int) error { return s.AddColumns(t.Context(), table, cols) })
	s.wantColumns(t, table, "__row_id text", "a int", "b text")
}

func tablesAreSorted(t *testing.T, s *suite) {
	tables, err := s.Tables(t.Context())
	if err != nil || len(tables) > 0 {
		t.Fatalf("got %v, %v, want no tables", tables, err)
	}
	for _, name := range []string{"b", "a-1", "c d", "a"} {
		s.create(t, name)
	}
	tables, err = s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range tables {
		got = append(got, table.String())
	}
	if want := []string{"a", "a-1", "b", "c d"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// namesAreQuoted uses words of SQL, quotes and whole statements as names.
func namesAreQuoted(t *testing.T, s *suite) {
	keys := []string{"select", `a"b`, "a'b", "a`b", `a\b`, "a;b", "--", "/*", "ä", "日本", " lead", "a.b", "$1", "?", "Robert'); DROP TABLE \"order\"; --"}
	table := s.create(t, "order")
	row := ""
	var cols []schema.Column
	for _, key := range keys {
		cols = append(cols, column(destination.RulesOf(s.Destination).ColumnName(key), schema.Text))
		row += "," + jsonText(key) + `:` + jsonText("value of "+key)
	}
	if err := s.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	s.mustLoad(t, table, s.batch("{"+row[1:]+"}"))
	for i, key := range keys {
		s.wantRows(t, "SELECT "+s.quote(cols[i].Name)+` FROM "order"`, "value of "+key)
	}
}
