package postgrest

import (
	"fmt"
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

// Param is the n-th parameter, as a value of the column's type: the server compares texts with texts only.
func (ClickHouse) Param(n int, c schema.Column) string {
	p := "$" + strconv.Itoa(n)
	switch c.Kind {
	case schema.Int:
		sign, bits := "", 64
		if c.Unsigned {
			sign = "U"
		}
		if c.Bits > 0 {
			bits = c.Bits
		}
		return fmt.Sprintf("accurateCast(trimBoth(%s), '%sInt%d')", p, sign, bits)
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

// clickHouseTypes are the server's types.
var clickHouseTypes = map[Type]string{
	Text: "String", Integer: "Int32", BigInt: "Int64", Double: "Float64", Numeric: "Decimal(38, 9)", Boolean: "Bool", Date: "Date32",
	Timestamp: "DateTime64(6, \\'UTC\\')", TimestampTZ: "DateTime64(6, \\'UTC\\')",
}

// Cast makes a value of a type of another. To a Nullable type the server would make NULL of a text that is no such value, and its
// plain CAST gives numbers that do not fit as others.
func (ClickHouse) Cast(expr string, c schema.Column, t Type) string {
	value := "assumeNotNull(" + expr + ")"
	switch {
	case (t == Integer || t == BigInt) && (c.Kind == schema.Float || strings.Contains(c.Type, "Decimal")):
		value = "round(" + value + ")"
	case t == Date && c.Kind == schema.Text: // other ways take 30 February for a day in March
		value = "accurateCast(" + value + ", '" + clickHouseTypes[Timestamp] + "')"
	}
	return "if(isNull(" + expr + "), NULL, accurateCast(" + value + ", '" + clickHouseTypes[t] + "'))"
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
