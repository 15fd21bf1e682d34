package duckdb

import (
	"fmt"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// define is the SQL of a new column.
func (e *engine) define(c schema.Column) string {
	return quote(columnName(c.Name)) + " " + e.cfg.typeFor(c)
}

// typeFor is the type of a new column: for rows that are copied the one that is like theirs, if there is one.
func (c Config) typeFor(col schema.Column) string {
	if col.Like != nil && !c.StringTypes {
		if t := typeLike(*col.Like, false); t != "" {
			return t
		}
	}
	return typeOf(c.columnKind(col.Kind))
}

// typeLike is the engine's type for values of type t, "" when it has none whose values arrive whole: rows bring them as
// JSON. inner says that they are inside other values; bytes stay their base64 text there, and of keys that are no text
// and their values a list is made, as in JSON.
func typeLike(t vector.Type, inner bool) string {
	switch t.Kind {
	case vector.Bool:
		return "BOOLEAN"
	case vector.Int, vector.Uint, vector.Int128:
		return integerLike(t)
	case vector.Float:
		if t.Bits == 32 {
			return "FLOAT"
		}
		return "DOUBLE"
	case vector.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return ""
		}
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case vector.Text, vector.Number:
		return textLike(t)
	case vector.Blob:
		if inner {
			return "VARCHAR"
		}
		return "BLOB"
	case vector.Time, vector.Timestamp:
		return clockLike(t)
	case vector.List, vector.Struct, vector.Map:
		return nestedLike(t, inner)
	}
	return map[vector.Kind]string{vector.JSON: "JSON", vector.Date: "DATE", vector.Interval: "INTERVAL", vector.UUID: "UUID"}[t.Kind]
}

func integerLike(t vector.Type) string {
	name := map[int]string{8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT", 128: "HUGEINT"}[t.Bits]
	if name != "" && t.Unsigned {
		name = "U" + name
	}
	return name
}

func textLike(t vector.Type) string {
	if len(t.Words) == 0 {
		return "VARCHAR"
	}
	words := make([]string, len(t.Words))
	for i, w := range t.Words {
		if strings.Contains(w, "\x00") {
			return "VARCHAR"
		}
		words[i] = literal(w)
	}
	return "ENUM(" + strings.Join(words, ", ") + ")"
}

func clockLike(t vector.Type) string {
	switch {
	case t.Kind == vector.Time && t.Unit == time.Nanosecond:
		return "TIME_NS"
	case t.Kind == vector.Time:
		return "TIME"
	case t.Zone && t.Unit == time.Nanosecond:
		return "TIMESTAMP_NS" // in UTC: the engine's instants have microseconds
	case t.Zone:
		return "TIMESTAMPTZ"
	}
	switch t.Unit {
	case time.Second:
		return "TIMESTAMP_S"
	case time.Millisecond:
		return "TIMESTAMP_MS"
	case time.Nanosecond:
		return "TIMESTAMP_NS"
	}
	return "TIMESTAMP"
}

func nestedLike(t vector.Type, inner bool) string {
	switch t.Kind {
	case vector.List:
		elem := typeLike(*t.Elem, true)
		if elem == "" {
			return ""
		}
		if t.Length > 0 {
			return fmt.Sprintf("%s[%d]", elem, t.Length)
		}
		return elem + "[]"
	case vector.Map:
		entry := t.Elem.Fields
		if inner && entry[0].Type.Kind != vector.Text {
			return nestedLike(vector.Type{Kind: vector.List, Elem: t.Elem}, inner)
		}
		key, value := typeLike(entry[0].Type, true), typeLike(entry[1].Type, true)
		if key == "" || value == "" {
			return ""
		}
		return "MAP(" + key + ", " + value + ")"
	}
	fields := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		of := typeLike(f.Type, true)
		if of == "" || f.Name == "" || strings.Contains(f.Name, "\x00") {
			return "" // of a tuple rows bring an array
		}
		fields[i] = quote(f.Name) + " " + of
	}
	if len(fields) == 0 {
		return ""
	}
	return "STRUCT(" + strings.Join(fields, ", ") + ")"
}

// hasBytes reports whether values of type t have bytes inside them, which rows bring as base64.
func hasBytes(t vector.Type) bool {
	if t.Elem != nil && (t.Elem.Kind == vector.Blob || hasBytes(*t.Elem)) {
		return true
	}
	for _, f := range t.Fields {
		if f.Type.Kind == vector.Blob || hasBytes(f.Type) {
			return true
		}
	}
	return false
}
