package postgrest

import (
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// ClickHouse writes ClickHouse's SQL.
type ClickHouse struct {
	Database string // where tables without a qualifier are
}

var clickHouseEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")

// Quote makes an identifier of any text without NUL.
func (ClickHouse) Quote(name string) string { return "`" + clickHouseEscapes.Replace(name) + "`" }

// Table names a table by its database too.
func (c ClickHouse) Table(t schema.Table) string {
	qualifier := t.Qualifier()
	if qualifier == "" {
		qualifier = c.Database
	}
	if qualifier == "" {
		return c.Quote(t.Name())
	}
	return c.Quote(qualifier) + "." + c.Quote(t.Name())
}

// Param is the n-th parameter, as a value of the column's type: the server compares texts with texts only. An integer is read
// into the widest type of its sign, because one that is not in a narrow column is still to be compared with it.
func (ClickHouse) Param(n int, c schema.Column) string {
	p := "$" + strconv.Itoa(n)
	switch c.Kind {
	case schema.Int:
		if c.Unsigned && c.Bits == 64 {
			return "accurateCast(trimBoth(" + p + "), 'UInt64')"
		}
		return "accurateCast(trimBoth(" + p + "), 'Int64')"
	case schema.Float:
		return "CAST(" + p + ", 'Float64')"
	case schema.Bool:
		return "CAST(" + p + ", 'Bool')"
	case schema.Timestamp:
		return "parseDateTime64BestEffort(" + p + ", 6, 'UTC')"
	case schema.Date:
		return "toDate32(parseDateTime64BestEffort(" + p + ", 0, 'UTC'))" // other ways take 30 February for a day in March
	case schema.Foreign:
		if c.Type != "" {
			return "accurateCast(" + p + ", '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.Type) + "')"
		}
	}
	return p
}

// Like tests against a pattern. The backslash is the server's own escape character.
func (ClickHouse) Like(text, pattern string, fold bool) string {
	if fold {
		return text + " ILIKE " + pattern
	}
	return text + " LIKE " + pattern
}

// Match tests against a regular expression, in which '.' matches line ends already.
func (ClickHouse) Match(text, pattern string, fold bool) string {
	if fold {
		pattern = "concat('(?i)', " + pattern + ")"
	}
	return "match(" + text + ", " + pattern + ")"
}

// IsDistinct tests whether two values differ.
func (ClickHouse) IsDistinct(a, b string) string { return a + " IS DISTINCT FROM " + b }

// clickHouseTypes are the server's types, in which NULL stays what it is.
var clickHouseTypes = map[Type]string{
	Text: "Nullable(String)", Integer: "Nullable(Int32)", BigInt: "Nullable(Int64)", Double: "Nullable(Float64)", Numeric: "Nullable(Decimal(38, 9))",
	Boolean: "Nullable(Bool)", Date: "Nullable(Date32)", Timestamp: "Nullable(DateTime64(6, \\'UTC\\'))", TimestampTZ: "Nullable(DateTime64(6, \\'UTC\\'))",
}

// Cast makes a value of a type of another.
func (ClickHouse) Cast(expr string, t Type) string {
	return "CAST(" + expr + ", '" + clickHouseTypes[t] + "')"
}

// Order is an entry of ORDER BY.
func (ClickHouse) Order(expr string, desc, nullsFirst bool) string {
	if desc {
		expr += " DESC"
	}
	if nullsFirst {
		return expr + " NULLS FIRST"
	}
	return expr + " NULLS LAST"
}

// Limit ends a SELECT.
func (ClickHouse) Limit(r Range) (sql string) {
	if r.Limit != NoLimit {
		sql = " LIMIT " + strconv.FormatInt(r.Limit, 10)
	}
	if r.Offset > 0 {
		sql += " OFFSET " + strconv.FormatInt(r.Offset, 10)
	}
	return sql
}
