package clickhouse

import (
	"fmt"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// typeFor is the type of a new column: for rows that are copied the one that is like theirs, if there is one.
func (c Config) typeFor(col schema.Column) string {
	if col.Like != nil && !c.StringTypes {
		switch t := typeLike(*col.Like); t {
		case "":
		case "Date32":
			return dateType
		default:
			return t
		}
	}
	return typeOf(c.columnKind(col.Kind))
}

func (d *Destination) typeFor(c schema.Column) string { return d.cfg.typeFor(c) }

// typeLike is the server's type for values of type t, "" when it has none whose values arrive whole: rows bring them as JSON.
func typeLike(t vector.Type) string {
	switch t.Kind {
	case vector.Bool:
		return "Bool"
	case vector.Int, vector.Uint, vector.Int128:
		sign := ""
		if t.Unsigned {
			sign = "U"
		}
		if t.Bits == 0 {
			return ""
		}
		return fmt.Sprintf("%sInt%d", sign, t.Bits)
	case vector.Float:
		if t.Bits == 32 {
			return "Float32"
		}
		return "Float64"
	case vector.Decimal:
		if t.Precision < 1 || t.Precision > 76 || t.Scale < 0 || t.Scale > t.Precision {
			return ""
		}
		return fmt.Sprintf("Decimal(%d, %d)", t.Precision, t.Scale)
	case vector.Number:
		return textLike(t)
	case vector.Text:
		if len(t.Words) > 0 {
			return "LowCardinality(String)"
		}
		return textLike(t)
	case vector.Timestamp:
		digits := map[time.Duration]int{time.Second: 0, time.Millisecond: 3, time.Microsecond: 6, time.Nanosecond: 9}
		return fmt.Sprintf("DateTime64(%d, 'UTC')", digits[t.Unit])
	case vector.List, vector.Struct, vector.Map:
		return nestedLike(t)
	}
	return map[vector.Kind]string{vector.Date: "Date32", vector.UUID: "UUID", vector.Blob: "String", vector.JSON: "String",
		vector.Time: "String", vector.Interval: "String"}[t.Kind]
}

// textLike gives types of the server's own that other databases have as texts only back their names.
func textLike(t vector.Type) string {
	switch t.Name {
	case "IPv4", "IPv6", "Int256", "UInt256":
		return t.Name
	}
	if strings.HasPrefix(t.Name, "FixedString(") || strings.HasPrefix(t.Name, "Decimal(") {
		return t.Name
	}
	return "String"
}

// inner is typeLike for values inside others, which may be NULL there as long as they are single ones.
func inner(t vector.Type) string {
	name := typeLike(t)
	switch t.Kind {
	case vector.List, vector.Struct, vector.Map:
		return name
	}
	if name == "" {
		return ""
	}
	if strings.HasPrefix(name, "LowCardinality") {
		return "LowCardinality(Nullable(String))"
	}
	return "Nullable(" + name + ")"
}

func nestedLike(t vector.Type) string {
	switch t.Kind {
	case vector.List:
		if elem := inner(*t.Elem); elem != "" {
			return "Array(" + elem + ")"
		}
		return ""
	case vector.Map:
		entry := t.Elem.Fields
		key, value := keyLike(entry[0].Type), inner(entry[1].Type)
		if key == "" || value == "" {
			return ""
		}
		return "Map(" + key + ", " + value + ")"
	}
	fields := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		of := inner(f.Type)
		if of == "" || strings.Contains(f.Name, "\x00") {
			return ""
		}
		if f.Name != "" {
			of = quote(f.Name) + " " + of
		}
		fields[i] = of
	}
	if len(fields) == 0 {
		return ""
	}
	return "Tuple(" + strings.Join(fields, ", ") + ")"
}

// keyLike is the type of a Map's keys, of which there are not all.
func keyLike(t vector.Type) string {
	switch t.Kind {
	case vector.Text, vector.Number, vector.Int, vector.Uint, vector.Date, vector.UUID, vector.Int128:
		return typeLike(t)
	}
	return ""
}
