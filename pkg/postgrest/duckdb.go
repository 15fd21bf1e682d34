package postgrest

import (
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// DuckDB writes DuckDB's SQL.
type DuckDB struct {
	// Catalog is the database's name inside the engine. It is needed only when a schema may have the same name.
	Catalog string
}

// Quote makes an identifier of any text without NUL.
func (DuckDB) Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Table names a table by its schema too, so that nothing else of its name is found first.
func (d DuckDB) Table(t schema.Table) string {
	qualifier := t.Qualifier()
	if qualifier == "" {
		qualifier = "main"
	}
	name := d.Quote(qualifier) + "." + d.Quote(t.Name())
	if d.Catalog != "" {
		name = d.Quote(d.Catalog) + "." + name
	}
	return name
}

// Param is the n-th parameter. The engine itself makes a value of a column's type of a text that it is compared with.
func (DuckDB) Param(n int, _ schema.Column) string { return "$" + strconv.Itoa(n) }

// Like names the backslash, which is not the engine's own escape character.
func (DuckDB) Like(text, pattern string, fold bool) string {
	op := " LIKE "
	if fold {
		op = " ILIKE "
	}
	return text + op + pattern + ` ESCAPE '\'`
}

// Match asks for PostgreSQL's meaning of '.'.
func (DuckDB) Match(text, pattern string, fold bool) string {
	options := "'s'"
	if fold {
		options = "'is'"
	}
	return "regexp_matches(" + text + ", " + pattern + ", " + options + ")"
}

// IsDistinct tests whether two values differ.
func (DuckDB) IsDistinct(a, b string) string { return a + " IS DISTINCT FROM " + b }

// duckTypes are the engine's types. Its decimal numbers must say how many digits they have: these are BigQuery's.
var duckTypes = map[Type]string{
	Text: "VARCHAR", Integer: "INTEGER", BigInt: "BIGINT", Double: "DOUBLE", Numeric: "DECIMAL(38, 9)",
	Boolean: "BOOLEAN", Date: "DATE", Timestamp: "TIMESTAMP", TimestampTZ: "TIMESTAMPTZ",
}

// Cast makes a value of a type of another.
func (DuckDB) Cast(expr string, _ schema.Column, t Type) string {
	return "CAST(" + expr + " AS " + duckTypes[t] + ")"
}

// Order is an entry of ORDER BY.
func (DuckDB) Order(expr string, desc, nullsFirst bool) string {
	if desc {
		expr += " DESC"
	}
	if nullsFirst {
		return expr + " NULLS FIRST"
	}
	return expr + " NULLS LAST"
}

// Limit ends a SELECT.
func (DuckDB) Limit(r Range) (sql string) {
	if r.Limit != NoLimit {
		sql = " LIMIT " + strconv.FormatInt(r.Limit, 10)
	}
	if r.Offset > 0 {
		sql += " OFFSET " + strconv.FormatInt(r.Offset, 10)
	}
	return sql
}
