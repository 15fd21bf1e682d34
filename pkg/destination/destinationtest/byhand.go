package destinationtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// byHand makes a table as a person would, with the columns defs after those of ours.
func (s *suite) byHand(t *testing.T, name, defs string) schema.Table {
	t.Helper()
	var ours []string
	for _, column := range []string{schema.RowID, schema.BatchFile, schema.Rescued} {
		ours = append(ours, quote(column)+" "+s.dialect.Text+", ")
	}
	s.exec(t, "CREATE TABLE "+quote(name)+" ("+strings.Join(ours, "")+defs+")"+s.dialect.Tail)
	return tableOf(t, name)
}

func (s *suite) exec(t *testing.T, sql string) {
	t.Helper()
	if err := s.dialect.Exec(t.Context(), s.Destination, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// wantText loads one row and compares the text of its column "v", and what was rescued.
func (s *suite) wantText(t *testing.T, table schema.Table, row, want, rescued string, why ...schema.Reason) {
	t.Helper()
	b := s.batch(row)
	if did := s.mustLoad(t, table, b); did != loaded(1, why...) {
		t.Errorf("got %+v, want %+v", did, loaded(1, why...))
	}
	s.wantRows(t, fmt.Sprintf(`SELECT %s, "__rescued" FROM %s WHERE "__batch_file" = '%s'`, fmt.Sprintf(s.dialect.AsText, `"v"`),
		quote(table.Name()), b.ID), want+"|"+rescued)
}

// natives loads values into columns of the database's own types.
func natives(t *testing.T, s *suite) {
	for _, sql := range s.dialect.Setup {
		s.exec(t, sql)
	}
	for i, n := range s.dialect.Natives {
		table := s.byHand(t, fmt.Sprintf("native_%d", i), `"v" `+n.Type)
		none := s.missing(schema.Text)
		for _, v := range n.Values {
			t.Run(n.Type+" of "+v.Value, func(t *testing.T) {
				if v.Rescued {
					s.wantText(t, table, `{"v":`+v.Value+`}`, v.Want, `{"v":`+v.Value+`}`, schema.Unfit)
					return
				}
				s.wantText(t, table, `{"v":`+v.Value+`}`, v.Want, none)
			})
		}
		if s.dialect.NoNull {
			continue
		}
		t.Run(n.Type+" of nothing", func(t *testing.T) {
			s.wantText(t, table, `{"v":null}`, "NULL", "NULL")
			s.wantText(t, table, `{}`, "NULL", "NULL")
		})
	}
}

// defaults: what a row lacks gets the column's default, else NULL, else the zero value.
func defaults(t *testing.T, s *suite) {
	d := s.dialect
	for i, tt := range []struct{ name, def, row, want string }{
		{"default, missing", d.Int + " DEFAULT 7", `{}`, "7"},
		{"default, null", d.Int + " DEFAULT 7", `{"v":null}`, "7"},
		{"default, given", d.Int + " DEFAULT 7", `{"v":8}`, "8"},
		{"default, zero given", d.Int + " DEFAULT 7", `{"v":0}`, "0"},
		{"default, lost", d.Int + " DEFAULT 7", `{"v":"x"}`, "0"},
		{"default of text", d.Text + ` DEFAULT 'it''s (a) "default"'`, `{"v":null}`, `it's (a) "default"`},
		{"not null, missing", d.Int + " NOT NULL", `{}`, "0"},
		{"not null, null", d.Int + " NOT NULL", `{"v":null}`, "0"},
		{"not null, given", d.Int + " NOT NULL", `{"v":8}`, "8"},
		{"not null text, null", d.Text + " NOT NULL", `{"v":null}`, ""},
		{"not null with default, missing", d.Int + " DEFAULT 7 NOT NULL", `{}`, "7"},
		{"not null with default, null", d.Int + " DEFAULT 7 NOT NULL", `{"v":null}`, "7"},
		{"not null with default, given", d.Int + " DEFAULT 7 NOT NULL", `{"v":8}`, "8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := s.byHand(t, fmt.Sprintf("defaults_%d", i), `"v" `+tt.def)
			if strings.HasSuffix(tt.name, "lost") {
				s.wantText(t, table, tt.row, tt.want, tt.row, schema.Unfit)
				return
			}
			s.wantText(t, table, tt.row, tt.want, s.missing(schema.Text))
		})
	}
}

// generated: a column that the database computes is never written, so a value for it has no place.
func generated(t *testing.T, s *suite) {
	table := s.byHand(t, "events", `"n" `+s.dialect.Int+", "+s.dialect.Double)
	s.wantText(t, table, `{"n":4}`, "8", s.missing(schema.Text))
	s.wantText(t, table, `{"n":4,"v":9}`, "8", `{"v":9}`, schema.Homeless)
	s.wantText(t, table, `{"n":5,"v":null}`, "10", s.missing(schema.Text))
}

// allText: a table of texts alone takes whatever comes.
func allText(t *testing.T, s *suite) {
	table := s.byHand(t, "events", `"v" `+s.dialect.Text)
	for _, list := range [][]value{scalars, texts[:4], instants[:2], days[:2]} {
		for _, v := range list {
			t.Run(v.name, func(t *testing.T) { s.wantCell(t, table, schema.Text, v.json, v.textOrTree) })
		}
	}
}

// checked: a row that a constraint forbids fails the batch for good, with the database's own words.
func checked(t *testing.T, s *suite) {
	table := s.byHand(t, "events", `"v" `+s.dialect.Int+", "+s.dialect.Check)
	_, err := s.Load(t.Context(), table, s.batch(`{"v":1}`, `{"v":50}`))
	if !errors.Is(err, fault.Unprocessable) || fault.Retryable(err) || !strings.Contains(fault.TextOf(err), s.dialect.CheckSays) {
		t.Errorf("got %v, want fault.Unprocessable with %q", err, s.dialect.CheckSays)
	}
	s.wantCount(t, table, 0)
	s.wantText(t, table, `{"v":9}`, "9", s.missing(schema.Text))
}

// views: nothing can be stored in a view, and what was to be is not lost.
func views(t *testing.T, s *suite) {
	table := s.byHand(t, "events", `"v" `+s.dialect.Int)
	s.exec(t, `CREATE VIEW "seen" AS SELECT * FROM "events"`)
	view, b := tableOf(t, "seen"), s.batch(`{"v":1}`)
	_, err := s.Load(t.Context(), view, b)
	for call, err := range map[string]error{"Load": err, "AddColumns": s.AddColumns(t.Context(), view, []schema.Column{column("w", schema.Int)})} {
		if !errors.Is(err, fault.Invalid) || fault.Retryable(err) || !strings.Contains(fault.TextOf(err), "seen is a view") {
			t.Errorf("%s: got %v, want fault.Invalid that says that seen is a view", call, err)
		}
	}
	s.wantCount(t, table, 0)
	s.exec(t, `DROP VIEW "seen"`)
	s.byHand(t, "seen", `"v" `+s.dialect.Int)
	if did := s.mustLoad(t, view, b); did != loaded(1) {
		t.Errorf("into the table that replaced the view: got %+v, want 1 row, loaded now", did)
	}
}
