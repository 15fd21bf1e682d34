package destinationtest

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// keysHaveTheirColumns: every key has a column, whatever it is, and it is the same one each time.
func keysHaveTheirColumns(t *testing.T, s *suite) {
	rules := destination.RulesOf(s.Destination)
	long := strings.Repeat("k", 300)
	keys := []string{"", "_", long, long[:299] + "x", strings.Repeat("é", 200), "\x00", "a\x00b", "ÄÖÜ", "Select", "__row", "💥"}
	table := s.create(t, "events", column(schema.Rescued, schema.Text))
	var cols []schema.Column
	known := map[string]int{}
	for i, key := range keys {
		name := rules.ColumnName(key)
		if again := rules.ColumnName(key); again != name || name == "" || strings.ContainsRune(name, 0) {
			t.Errorf("key %.20q: got the column %.20q, then %.20q", key, name, again)
		}
		if once := rules.ColumnName(name); once != name {
			t.Errorf("key %.20q: its column %.20q would have the column %.20q", key, name, once)
		}
		if at, ok := known[rules.Fold(name)]; ok && key != "_" {
			t.Errorf("keys %.20q and %.20q have the same column %.20q", key, keys[at], name)
		} else if !ok {
			known[rules.Fold(name)] = i
			cols = append(cols, column(name, schema.Text))
		}
	}
	if err := s.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		if key == "" {
			continue // rows never have it: the empty key is written as its column is named
		}
		value := jsonText("value of " + string(rune('a'+i)))
		if did := s.mustLoad(t, table, s.batch("{"+jsonText(key)+":"+value+"}")); did.Rescued != 0 {
			t.Errorf("key %.20q: its value was rescued", key)
		}
		s.wantRows(t, `SELECT COUNT(*) FROM "events" WHERE `+s.quote(rules.ColumnName(key))+` = '`+value[1:len(value)-1]+`'`, "1")
	}
}

// keysThatCollideShareAColumn: of two keys that mean the same to the database the first value of a row is kept in the
// column, and the second is rescued.
func keysThatCollideShareAColumn(t *testing.T, s *suite) {
	rules := destination.RulesOf(s.Destination)
	table := s.create(t, "events", column("name", schema.Text), column(schema.Rescued, schema.Text))
	if rules.Fold(rules.ColumnName("Name")) != rules.Fold("name") {
		if err := s.AddColumns(t.Context(), table, []schema.Column{column("Name", schema.Text)}); err != nil {
			t.Fatal(err)
		}
		s.mustLoad(t, table, s.batch(`{"name":"a","Name":"b"}`))
		s.wantRows(t, `SELECT "name", "Name" FROM "events"`, "a|b")
		return
	}
	for _, row := range []string{`{"name":"a","Name":"b"}`, `{"Name":"c","name":"d"}`} {
		if did := s.mustLoad(t, table, s.batch(row)); did != loaded(1, schema.Duplicate) {
			t.Errorf("%s: got %+v, want one duplicate", row, did)
		}
	}
	s.wantRows(t, `SELECT "name", "__rescued" FROM "events" ORDER BY "name"`, `a|{"Name":"b"}`, `c|{"name":"d"}`)
}
