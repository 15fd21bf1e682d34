package duckdb

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// maxColumnName is our cap, in bytes: the engine has none, but other databases and tools do.
const maxColumnName = 255

// hashLength is how many characters tell two long names apart that begin alike.
const hashLength = 9 // '_' and 8 hex digits

// ColumnName gives the name of the column that holds the values of a JSON key.
func (d *Destination) ColumnName(key string) string { return columnName(key) }

// Fold gives the form in which the engine compares names: ASCII letters of either case are equal, others are not.
func (d *Destination) Fold(name string) string { return fold(name) }

// ColumnKind gives the kind of the column that is made for values of kind k.
func (d *Destination) ColumnKind(k schema.Kind) schema.Kind { return d.cfg.columnKind(k) }

func (c Config) columnKind(k schema.Kind) schema.Kind {
	if c.StringTypes {
		return schema.Text
	}
	return k
}

func columnName(key string) string {
	name := strings.ReplaceAll(key, "\x00", "\uFFFD") // the engine's interface ends a name at a NUL
	if name == "" {
		return "_"
	}
	if len(name) <= maxColumnName {
		return name
	}
	cut := maxColumnName - hashLength
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	sum := sha256.Sum256([]byte(key))
	return name[:cut] + "_" + hex.EncodeToString(sum[:4])
}

func fold(name string) string {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return foldFrom(name, i)
		}
	}
	return name
}

func foldFrom(name string, from int) string {
	b := []byte(name)
	for i := from; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// Dialect is how PostgREST requests are written for the engine.
func (d *Destination) Dialect() postgrest.Dialect { return postgrest.DuckDB{} }

// quote makes an identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes a string constant of any text without NUL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// typeOf is the type of a new column.
func typeOf(k schema.Kind) string {
	switch k {
	case schema.Bool:
		return "BOOLEAN"
	case schema.Int:
		return "BIGINT"
	case schema.Float:
		return "DOUBLE"
	case schema.Timestamp:
		return "TIMESTAMPTZ"
	case schema.Date:
		return "DATE"
	default:
		return "VARCHAR"
	}
}

// kindOf fills in what a column of the engine's type takes.
func kindOf(c schema.Column) schema.Column {
	integer := func(bits int, unsigned bool) {
		c.Kind, c.Bits, c.Unsigned = schema.Int, bits, unsigned
	}
	switch c.Type {
	case "BOOLEAN":
		c.Kind = schema.Bool
	case "TINYINT":
		integer(8, false)
	case "SMALLINT":
		integer(16, false)
	case "INTEGER":
		integer(32, false)
	case "BIGINT":
		integer(64, false)
	case "UTINYINT":
		integer(8, true)
	case "USMALLINT":
		integer(16, true)
	case "UINTEGER":
		integer(32, true)
	case "UBIGINT":
		integer(64, true)
	case "FLOAT":
		c.Kind, c.Bits = schema.Float, 32
	case "DOUBLE":
		c.Kind, c.Bits = schema.Float, 64
	case "VARCHAR":
		c.Kind = schema.Text
	case "DATE":
		c.Kind = schema.Date
	case "TIMESTAMP WITH TIME ZONE":
		c.Kind = schema.Timestamp
	case "TIMESTAMP":
		c.Kind, c.Zoneless = schema.Timestamp, true
	default:
		c.Kind = schema.Foreign
	}
	return c
}
