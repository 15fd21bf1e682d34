package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// maxColumnName is our cap, in bytes: the server makes files' names of longer ones by a hash, but other tools do not.
const maxColumnName = 255

// hashLength is how many characters tell two long names apart that begin alike.
const hashLength = 9 // '_' and 8 hex digits

// ColumnName gives the name of the column that holds the values of a JSON key.
func (d *Destination) ColumnName(key string) string { return columnName(key) }

// Fold gives the form in which the server compares names: as they are.
func (d *Destination) Fold(name string) string { return name }

// ColumnKind gives the kind of the column that is made for values of kind k.
func (d *Destination) ColumnKind(k schema.Kind) schema.Kind { return d.cfg.columnKind(k) }

// Dialect is how PostgREST requests are written for the server.
func (d *Destination) Dialect() postgrest.Dialect {
	return postgrest.ClickHouse{Database: d.cfg.Database}
}

func (c Config) columnKind(k schema.Kind) schema.Kind {
	if c.StringTypes {
		return schema.Text
	}
	return k
}

func columnName(key string) string {
	name := strings.ReplaceAll(key, "\x00", "\uFFFD")
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

var (
	identEscapes   = strings.NewReplacer(`\`, `\\`, "`", "\\`")
	literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
)

// quote makes an identifier of any name.
func quote(name string) string { return "`" + identEscapes.Replace(name) + "`" }

// literal makes a string constant of any text.
func literal(text string) string { return "'" + literalEscapes.Replace(text) + "'" }

// databaseOf is where t is.
func (d *Destination) databaseOf(t schema.Table) string {
	if t.Qualifier() == "" {
		return d.cfg.Database
	}
	return t.Qualifier()
}

// path is t's full name.
func (d *Destination) path(t schema.Table) string {
	return quote(d.databaseOf(t)) + "." + quote(t.Name())
}

// dateType is Date32 with the zero value that other databases have: its own is in 1900.
const dateType = "Date32 DEFAULT '1970-01-01'"

// typeOf is the type of a new column.
func typeOf(k schema.Kind) string {
	switch k {
	case schema.Bool:
		return "Bool"
	case schema.Int:
		return "Int64"
	case schema.Float:
		return "Float64"
	case schema.Timestamp:
		return "DateTime64(6, 'UTC')"
	case schema.Date:
		return dateType
	default:
		return "String"
	}
}
