package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Tables that people made may have columns that only the engine can fill: of types to which it alone converts text, or
// with defaults that it alone can compute. Rows for such tables go through a temporary table: the JSON texts as they are,
// then one INSERT that converts them. What does not convert becomes the type's zero value, and goes to __rescued.

// stageTable is the temporary table's name.
const stageTable = "__scratchdata_stage"

func needsStage(cols []column) bool {
	for _, c := range cols {
		if c.Kind == schema.Foreign || c.Default {
			return true
		}
	}
	return false
}

// appendStaged appends dec's rows by way of the temporary table.
func (e *engine) appendStaged(ctx context.Context, w *conn, table schema.Table, cols []column, dec *ndjson.Decoder) (rescued int64, err error) {
	s := newStage(cols)
	if err := w.exec(s.create()); err != nil {
		return 0, err
	}
	a, err := newAppender(w, "temp", mainSchema, stageTable, s.names, plain(cols))
	if err != nil {
		return 0, err
	}
	if err := a.appendAll(ctx, dec); err != nil {
		return 0, err
	}
	done, err := s.insertCopied(w, e.path(table))
	if err == nil && !done {
		rescued, err = s.insertAny(w, e.path(table))
	}
	if err != nil {
		return 0, err
	}
	return rescued, w.exec("DROP TABLE temp." + quote(stageTable))
}

// insertAny inserts the stage's rows into path, and what does not convert into its __rescued.
func (s *stage) insertAny(w *conn, path string) (rescued int64, err error) {
	if rescued, err = s.countLost(w); err != nil {
		return 0, err
	}
	if rescued > 0 && s.rescue < 0 {
		return 0, destination.ErrRescueColumn
	}
	return rescued, w.exec(s.insert(path))
}

// stage writes the SQL around the temporary table.
type stage struct {
	cols   []column
	names  []string // of the temporary table's columns
	rescue int      // which of cols is __rescued; -1 when none is
}

func newStage(cols []column) *stage {
	s := &stage{cols: cols, rescue: -1}
	for i, c := range cols {
		s.names = append(s.names, "c"+strconv.Itoa(i))
		if fold(c.Name) == schema.Rescued {
			s.rescue = i
		}
	}
	return s
}

func (s *stage) create() string {
	defs := make([]string, len(s.cols))
	for i, c := range s.cols {
		defs[i] = s.names[i] + " " + c.Type
		if c.Kind == schema.Foreign {
			defs[i] = s.names[i] + " VARCHAR"
		}
	}
	return "CREATE OR REPLACE TEMP TABLE " + quote(stageTable) + " (" + strings.Join(defs, ", ") + ")"
}

func (s *stage) insert(path string) string {
	names, values := make([]string, len(s.cols)), make([]string, len(s.cols))
	for i, c := range s.cols {
		names[i], values[i] = quote(c.Name), s.value(i)
	}
	return "INSERT INTO " + path + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM temp." + quote(stageTable)
}

// value is the SQL of column i's value.
func (s *stage) value(i int) string {
	c, name := s.cols[i], s.names[i]
	switch {
	case i == s.rescue:
		return s.rescued()
	case c.Kind == schema.Foreign:
		return s.converted(i)
	case c.Default:
		return "COALESCE(" + name + ", (" + c.fallback + "))"
	default:
		return name
	}
}

// converted is the SQL of column i's value: of its text when that converts, else of its zero value; then its default. The
// choice is between texts, as the engine has no choice between arrays.
func (s *stage) converted(i int) string {
	c, name, zero := s.cols[i], s.names[i], zeroText(s.cols[i].Type)
	choice := "CASE WHEN " + s.fits(i) + " THEN " + s.text(i)
	switch {
	case c.Default:
		choice += " WHEN " + name + " IS NOT NULL AND " + zero + " IS NOT NULL THEN " + zero +
			" ELSE CAST(CAST((" + c.fallback + ") AS " + c.Type + ") AS VARCHAR)"
	case c.NotNull:
		choice += " ELSE " + zero
	default:
		choice += " WHEN " + name + " IS NOT NULL THEN " + zero
	}
	return "CAST(" + choice + " END AS " + c.Type + ")"
}

// zeroText is the SQL of the text of a type's zero value: the first of these texts which converts, else NULL.
func zeroText(to string) string {
	var tries strings.Builder
	for _, text := range [...]string{"", "0", "1970-01-01", "00:00:00", "00:00:00+00", "00000000-0000-0000-0000-000000000000", "[]", "{}"} {
		fmt.Fprintf(&tries, " WHEN TRY_CAST(%[1]s AS %[2]s) IS NOT NULL THEN %[1]s", literal(text), to)
	}
	return "CASE" + tries.String() + " END"
}

// lost is the SQL of whether column i's value does not convert.
func (s *stage) lost(i int) string {
	return "(" + s.names[i] + " IS NOT NULL AND NOT " + s.fits(i) + ")"
}

func (s *stage) isForeign(i int) bool { return s.cols[i].Kind == schema.Foreign }

// foreign lists the columns that are converted.
func (s *stage) foreign() []int {
	var at []int
	for i := range s.cols {
		if s.isForeign(i) {
			at = append(at, i)
		}
	}
	return at
}

// countLost counts the values that do not convert.
func (s *stage) countLost(w *conn) (int64, error) {
	sum := []string{"0"}
	for _, i := range s.foreign() {
		sum = append(sum, s.lost(i)+"::BIGINT")
	}
	rows, err := w.rows("SELECT COALESCE(SUM(" + strings.Join(sum, " + ") + "), 0)::BIGINT::VARCHAR FROM temp." + quote(stageTable))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// rescued is the SQL of __rescued: the members that it has already, then one for each value that does not convert. It is
// put together as text, because the engine's own merge of objects would drop the nulls inside them.
func (s *stage) rescued() string {
	name := s.names[s.rescue]
	members := []string{fmt.Sprintf("NULLIF(%s[2:-2], '')", name)}
	var lost []string
	for _, i := range s.foreign() {
		key := literal(jsonString(s.cols[i].Name) + ":")
		members = append(members, "CASE WHEN "+s.lost(i)+" THEN "+key+" || "+s.names[i]+" END")
		lost = append(lost, s.lost(i))
	}
	if len(lost) == 0 {
		return name
	}
	return "CASE WHEN " + strings.Join(lost, " OR ") + " THEN '{' || concat_ws(',', " + strings.Join(members, ", ") +
		") || '}' ELSE " + name + " END"
}

// jsonString is s as JSON text. Characters that only matter inside HTML stay as they are.
func jsonString(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string is never refused
	return strings.TrimSuffix(b.String(), "\n")
}
