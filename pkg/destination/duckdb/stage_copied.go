package duckdb

import (
	"strings"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Rows that were copied from columns of known types convert at once when the table's columns have just these types: none of
// the questions has to be asked that stage_cast.go asks of a text that anybody may have written.

// convertedTable is the temporary table of what converted at once.
const convertedTable = "__scratchdata_converted"

// insertCopied inserts the stage's rows into path if all of its values convert at once, and reports whether they did.
func (s *stage) insertCopied(w *conn, path string) (done bool, err error) {
	if ok, err := s.alike(w); err != nil || !ok {
		return false, err
	}
	names, exprs, found, converted := make([]string, len(s.cols)), make([]string, len(s.cols)), []string{"0"}, []string{"0"}
	for i, c := range s.cols {
		names[i], exprs[i] = quote(c.Name), s.names[i]
		if s.isForeign(i) {
			exprs[i] = s.atOnce(i) + " AS " + s.names[i]
			found, converted = append(found, "count(s."+s.names[i]+")"), append(converted, "count(c."+s.names[i]+")")
		}
	}
	from, to := " FROM temp."+quote(stageTable), " FROM temp."+quote(convertedTable)
	if err := w.exec("CREATE OR REPLACE TEMP TABLE " + quote(convertedTable) + " AS SELECT " + strings.Join(exprs, ", ") + from); err != nil {
		return false, err
	}
	lost, err := w.rows("SELECT ((SELECT " + strings.Join(found, " + ") + from + " AS s) - (SELECT " + strings.Join(converted, " + ") + to + " AS c))::VARCHAR")
	if err == nil && lost[0][0] == "0" {
		done = true
		err = w.exec("INSERT INTO " + path + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(s.names, ", ") + to)
	}
	if err != nil {
		return false, err
	}
	return done, w.exec("DROP TABLE temp." + quote(convertedTable))
}

// alike reports whether each column that only the engine can fill has the type that was made for what is copied into it.
func (s *stage) alike(w *conn) (bool, error) {
	var types, want []string
	for i, c := range s.cols {
		if c.Default || s.isForeign(i) && (c.Like == nil || c.NotNull) {
			return false, nil
		}
		if !s.isForeign(i) {
			continue
		}
		like := typeLike(*c.Like, false)
		if like == "" {
			return false, nil
		}
		types, want = append(types, "typeof(CAST(NULL AS "+like+"))"), append(want, c.Type)
	}
	rows, err := w.rows("SELECT " + strings.Join(append(types, "''"), ", "))
	if err != nil {
		return false, err
	}
	for i := range want {
		if rows[0][i] != want[i] {
			return false, nil
		}
	}
	return true, nil
}

// atOnce is the SQL of column i's value, NULL when it does not convert.
func (s *stage) atOnce(i int) string {
	like, name, to := s.cols[i].Like, s.names[i], s.cols[i].Type
	switch like.Kind {
	case vector.JSON, vector.Text:
		return "TRY_CAST(" + name + " ->> '$' AS " + to + ")"
	case vector.Blob:
		return "TRY(from_base64(" + name + " ->> '$'))"
	case vector.List, vector.Struct, vector.Map:
		return s.nestedAtOnce(i, to)
	case vector.Int128, vector.Decimal:
		return "TRY_CAST(" + name + " AS " + to + ")"
	}
	return "TRY_CAST(" + name + "[2:-2] AS " + to + ")" // a string without escapes
}

// nestedAtOnce is the SQL of column i's value in a type of several values.
func (s *stage) nestedAtOnce(i int, to string) string {
	like, json := s.cols[i].Like, "TRY_CAST("+s.names[i]+" AS JSON)"
	if like.Kind == vector.Map && like.Elem.Fields[0].Type.Kind != vector.Text && strings.HasPrefix(to, "MAP(") {
		entries := typeLike(vector.Type{Kind: vector.List, Elem: like.Elem}, true)
		return "TRY(CAST(map_from_entries(CAST(" + json + " AS " + entries + ")) AS " + to + "))"
	}
	return "TRY(CAST(" + json + " AS " + to + "))"
}
