package destinationtest

import (
	"fmt"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// integerRowIDs: a table whose row id is an integer gets numbers made of the ULIDs.
func integerRowIDs(t *testing.T, s *suite) {
	d := s.dialect
	for i, typ := range append([]string{d.NarrowRowID}, d.RowIDs...) {
		if typ == "" {
			continue
		}
		t.Run(typ, func(t *testing.T) {
			table := tableOf(t, fmt.Sprintf("numbered_%d", i))
			s.exec(t, fmt.Sprintf(`CREATE TABLE %s ("__row_id" %s, "__rescued" %s, "n" %s)%s`, quote(table.Name()), typ, d.Text, d.Int, d.Tail))
			ids := []string{s.ids.New(), s.ids.New(), "42", `order-7`}
			var rows, want []string
			var why []schema.Reason
			for n, id := range ids {
				rows = append(rows, fmt.Sprintf(`{"n":%d}`, n))
				number, isID := rowid.Int63(id)
				switch {
				case id == "42":
					want = append(want, fmt.Sprintf("%d|42|%s", n, s.missing(schema.Text)))
				case isID && typ != d.NarrowRowID:
					want = append(want, fmt.Sprintf("%d|%d|%s", n, number, s.missing(schema.Text)))
				default:
					want, why = append(want, fmt.Sprintf(`%d|0|{"__row_id":"%s"}`, n, id)), append(why, schema.Unfit)
				}
			}
			if did := s.mustLoad(t, table, batchOf(s.ids, ids, rows)); did != loaded(4, why...) {
				t.Errorf("got %+v, want %+v", did, loaded(4, why...))
			}
			s.wantRows(t, `SELECT "n", "__row_id", "__rescued" FROM `+quote(table.Name())+` ORDER BY "n"`, want...)
		})
	}
}

// stringTypes: whatever a new column's values are, it is text.
func stringTypes(t *testing.T, s *suite) {
	kinds := []schema.Kind{schema.Bool, schema.Int, schema.Float, schema.Timestamp, schema.Date, schema.Text, schema.Nested}
	table := s.create(t, "events")
	s.wantColumns(t, table, "__row_id text")
	want := []string{"__row_id text"}
	add := func(prefix string) {
		t.Helper()
		var cols []schema.Column
		for _, kind := range kinds {
			cols = append(cols, column(prefix+kind.String(), kind))
			want = append(want, prefix+kind.String()+" text")
		}
		if err := s.AddColumns(t.Context(), table, cols); err != nil {
			t.Fatal(err)
		}
		s.wantColumns(t, table, want...)
	}
	add("a_")
	if did := s.mustLoad(t, table, s.batch(`{"a_int":1.50,"a_bool":"maybe","a_date":{"x":1}}`)); did != loaded(1) {
		t.Errorf("got %+v, want 1 row and nothing rescued", did)
	}
	s.wantRows(t, `SELECT "a_int", "a_bool", "a_date", "a_float" FROM "events"`, `1.50|maybe|{"x":1}|`+s.missing(schema.Text))
	add("b_") // to a table that has rows
}
