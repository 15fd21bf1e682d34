package postgrest

import "github.com/scratchdata/scratchdata/pkg/schema"

// Dialect writes what databases spell differently. What it is given as an expression it uses once, but for a
// column's name.
type Dialect interface {
	// Quote makes an identifier of any text without NUL.
	Quote(name string) string
	// Table names a table in FROM.
	Table(t schema.Table) string
	// Param is the n-th parameter, from 1, as a value of column c's type. What is bound is a text; one that is none of
	// the type's values must fail as the caller's mistake. Each parameter is written once, and they are written in order.
	Param(n int, c schema.Column) string
	// Like tests a text against a LIKE pattern in which a backslash takes away the meaning of '%', '_' and itself; with
	// fold, without regard to case.
	Like(text, pattern string, fold bool) string
	// Match tests whether a part of a text matches a regular expression, in which '.' matches line ends too and '^' and
	// '$' only the ends of the text; with fold, without regard to case.
	Match(text, pattern string, fold bool) string
	// IsDistinct tests whether two values differ, where NULL is a value like others.
	IsDistinct(a, b string) string
	// Cast makes a value of a type of column c's, of which expr is the name. What has no such value must fail as the caller's
	// mistake; NULL stays NULL.
	Cast(expr string, c schema.Column, t Type) string
	// Order is an entry of ORDER BY.
	Order(expr string, desc, nullsFirst bool) string
	// Limit ends a SELECT that is to give the rows of r; it is empty when these are all.
	Limit(r Range) string
}

// Type is a type that select can cast to.
type Type string

// The types.
const (
	Text        Type = "text"
	Integer     Type = "integer" // 32 bits
	BigInt      Type = "bigint"  // 64 bits
	Double      Type = "double precision"
	Numeric     Type = "numeric"
	Boolean     Type = "boolean"
	Date        Type = "date"
	Timestamp   Type = "timestamp"
	TimestampTZ Type = "timestamptz"
)

// types are PostgreSQL's names of the types.
var types = map[string]Type{
	"text": Text, "integer": Integer, "int": Integer, "int4": Integer, "int8": BigInt, "bigint": BigInt,
	"float8": Double, "double precision": Double, "numeric": Numeric, "boolean": Boolean, "date": Date,
	"timestamp": Timestamp, "timestamptz": TimestampTZ,
}

const typeNames = "text, integer, int, int4, int8, bigint, float8, double precision, numeric, boolean, date, timestamp, timestamptz"
