package postgrest

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/spelling"
)

// writer collects the values of one statement.
type writer struct {
	d Dialect
	// from is what the statement calls the table. Columns are written with it, because a name alone may be found among the
	// aliases of select first. It is no column's name: databases differ in what it means then.
	from  string
	table schema.Table
	cols  map[string]schema.Column
	args  []any
}

// SQL writes s for a table and its columns.
func (s *Select) SQL(table schema.Table, cols []schema.Column, d Dialect) (Statement, error) {
	w := &writer{d: d, from: "t", table: table, cols: make(map[string]schema.Column, len(cols))}
	taken := make(map[string]bool, len(cols))
	for _, c := range cols {
		w.cols[c.Name] = c
		taken[strings.ToLower(c.Name)] = true
	}
	for taken[w.from] {
		w.from += "t"
	}
	items, err := w.items(s.items)
	if err != nil {
		return Statement{}, err
	}
	where, err := w.where(s.where)
	if err != nil {
		return Statement{}, err
	}
	order, err := w.order(s.order)
	if err != nil {
		return Statement{}, err
	}
	source := " FROM " + d.Table(table) + " AS " + w.from + where
	st := Statement{SQL: "SELECT " + items + source + order + d.Limit(s.Range), Args: w.args, Range: s.Range}
	if s.Count {
		st.Count = "SELECT count(*) AS " + d.Quote("count") + source
	}
	return st, nil
}

// find gives the column that a request names, and how it is written.
func (w *writer) find(c column) (schema.Column, string, error) {
	col, ok := w.cols[c.name]
	if !ok {
		return col, "", w.unknown(c)
	}
	return col, w.from + "." + w.d.Quote(col.Name), nil
}

// unknown says that the table has no column c, and which was likely meant.
func (w *writer) unknown(c column) error {
	err := c.at.fail("unknown_column", "the table %s has no column %s", w.table, show(c.name))
	if meant, ok := spelling.Nearest(c.name, slices.Sorted(maps.Keys(w.cols))); ok {
		return err.Suggest("perhaps you meant the column " + show(meant))
	}
	return err
}

func (w *writer) items(items []item) (string, error) {
	if len(items) == 0 {
		return w.from + ".*", nil
	}
	list := make([]string, len(items))
	for i, it := range items {
		if it.star {
			list[i] = w.from + ".*"
			continue
		}
		col, expr, err := w.find(it.column)
		if err != nil {
			return "", err
		}
		if it.cast != "" {
			expr = w.d.Cast(expr, col, it.cast)
		}
		name := it.alias
		if name == "" {
			name = col.Name
		}
		list[i] = expr + " AS " + w.d.Quote(name)
	}
	return strings.Join(list, ", "), nil
}

func (w *writer) order(terms []term) (string, error) {
	if len(terms) == 0 {
		return "", nil
	}
	list := make([]string, len(terms))
	for i, t := range terms {
		_, expr, err := w.find(t.column)
		if err != nil {
			return "", err
		}
		list[i] = w.d.Order(expr, t.desc, t.nullsFirst)
	}
	return " ORDER BY " + strings.Join(list, ", "), nil
}

func (w *writer) where(conditions []condition) (string, error) {
	if len(conditions) == 0 {
		return "", nil
	}
	sql, err := w.all(conditions, " AND ")
	return " WHERE " + sql, err
}

func (w *writer) all(conditions []condition, between string) (string, error) {
	list := make([]string, len(conditions))
	for i, c := range conditions {
		sql, err := c.sql(w)
		if err != nil {
			return "", err
		}
		list[i] = sql
	}
	return strings.Join(list, between), nil
}

func (g *group) sql(w *writer) (string, error) {
	between := " AND "
	if g.or {
		between = " OR "
	}
	sql, err := w.all(g.members, between)
	if g.not {
		return "NOT (" + sql + ")", err
	}
	return "(" + sql + ")", err
}

func (f *filter) sql(w *writer) (string, error) {
	col, expr, err := w.find(f.column)
	if err != nil {
		return "", err
	}
	if err := f.check(col); err != nil {
		return "", err
	}
	var sql string
	switch {
	case f.op == "is":
		sql = is(expr, f.values[0])
	case f.op == "in":
		sql = f.in(w, col, expr)
	case f.many != "":
		sql = f.each(w, col, expr)
	default:
		sql = f.test(w, col, expr, f.values[0])
	}
	if f.not {
		sql = "NOT (" + sql + ")"
	}
	return sql, nil
}

// integer is what PostgreSQL reads as one. Engines that round what has a fraction would find rows that are not equal.
var integer = regexp.MustCompile(`^\s*[-+]?[0-9]+\s*$`)

// check refuses what PostgreSQL would refuse and an engine that converts more freely would not.
func (f *filter) check(c schema.Column) error {
	known := c.Kind != schema.Foreign && c.Kind != schema.Null
	_, decimals := scaleOf(c)
	switch {
	case operators[f.op].text && known && c.Kind != schema.Text && c.Kind != schema.Nested:
		return f.at.fail("bad_filter", "%s needs a column of texts, %s has the kind %s", f.op, show(c.Name), c.Kind)
	case f.op == "is" && known && c.Kind != schema.Bool && !strings.HasSuffix(f.values[0], "null"):
		return f.at.fail("bad_filter", "is.%s needs a boolean column, %s has the kind %s", f.values[0], show(c.Name), c.Kind)
	}
	for _, v := range f.values {
		switch {
		case f.op != "is" && whole(c) && !integer.MatchString(v):
			return f.first.fail("bad_filter", "%s is not an integer, as the column %s has", show(v), show(c.Name))
		case f.op != "is" && decimals && !operators[f.op].text && !isDecimal(v):
			return f.first.fail("bad_filter", "%s is not a number, as the column %s has", show(v), show(c.Name))
		case strings.HasSuffix(f.op, "like") && (len(v)-len(strings.TrimRight(v, `\`)))%2 == 1: // engines fail, or not, depending on the rows
			return f.first.fail("bad_filter", "a pattern cannot end with a backslash that has nothing to escape")
		}
	}
	return nil
}

// is writes the tests that are never NULL themselves in words that every database knows.
func is(expr, state string) string {
	switch state {
	case "true":
		return "(" + expr + " IS NOT NULL AND " + expr + ")"
	case "false":
		return "(" + expr + " IS NOT NULL AND NOT " + expr + ")"
	case "not_null":
		return expr + " IS NOT NULL"
	default: // null; unknown is the same of a boolean
		return expr + " IS NULL"
	}
}

// What holds of an empty list: no value is in it, and whatever is asked of all its values is true.
const (
	never  = "1 = 0"
	always = "1 = 1"
)

func (f *filter) in(w *writer, c schema.Column, expr string) string {
	if len(f.values) == 0 {
		return never
	}
	scale, decimals := scaleOf(c)
	params := make([]string, 0, len(f.values))
	for _, v := range f.values {
		if _, between := cut(v, scale); decimals && between {
			continue // no row has it
		}
		params = append(params, w.param(c, v))
	}
	if len(params) == 0 {
		return f.beside(w, c, expr, "")
	}
	return expr + " IN (" + strings.Join(params, ", ") + ")"
}

// each writes out op ANY and op ALL: not every database has them, and of these not all for LIKE.
func (f *filter) each(w *writer, c schema.Column, expr string) string {
	between, empty := " OR ", never
	if f.many == "all" {
		between, empty = " AND ", always
	}
	if len(f.values) == 0 {
		return empty
	}
	tests := make([]string, len(f.values))
	for i, v := range f.values {
		tests[i] = f.test(w, c, expr, v)
	}
	return "(" + strings.Join(tests, between) + ")"
}

// test compares with one value.
func (f *filter) test(w *writer, c schema.Column, expr, value string) string {
	if scale, ok := scaleOf(c); ok && !operators[f.op].text {
		if low, between := cut(value, scale); between {
			return f.beside(w, c, expr, low)
		}
	}
	switch f.op {
	case "like", "ilike":
		return w.d.Like(expr, w.param(schema.Column{Kind: schema.Text}, strings.ReplaceAll(value, "*", "%")), f.op == "ilike")
	case "match", "imatch":
		return w.d.Match(expr, w.param(schema.Column{Kind: schema.Text}, value), f.op == "imatch")
	case "isdistinct":
		return w.d.IsDistinct(expr, w.param(c, value))
	}
	return expr + operators[f.op].symbol + w.param(c, value)
}

// param binds a value and writes its parameter.
func (w *writer) param(c schema.Column, value string) string {
	w.args = append(w.args, value)
	return w.d.Param(len(w.args), c)
}
