package result

import (
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// maxDecimal is how many digits a decimal of 128 bits holds.
const maxDecimal = 38

// columnar says what the two columnar formats do differently; docs/FORMATS.md has the table of all types.
type columnar struct {
	intervalText bool // an interval is ISO 8601 text: Parquet's own type has no sign and only milliseconds
}

// schema gives the arrow schema of an answer with the columns that gather its rows.
func (f columnar) schema(cols []vector.Field) (*arrow.Schema, []*arrowColumn, error) {
	fields, out, err := f.columns(unique(cols), cols)
	if err != nil {
		return nil, nil, err
	}
	return arrow.NewSchema(fields, nil), out, nil
}

func (f columnar) columns(names []string, cols []vector.Field) ([]arrow.Field, []*arrowColumn, error) {
	fields, out := make([]arrow.Field, len(cols)), make([]*arrowColumn, len(cols))
	for i, name := range names {
		c, err := f.column(cols[i].Type)
		if err != nil {
			return nil, nil, fmt.Errorf("encode column %q: %w", cols[i].Name, err)
		}
		c.reset()
		fields[i], out[i] = arrow.Field{Name: name, Type: c.typ, Nullable: true}, c
	}
	return fields, out, nil
}

// column decides once what becomes of the values of type t.
func (f columnar) column(t vector.Type) (*arrowColumn, error) {
	switch t.Kind {
	case vector.List:
		return f.list(t)
	case vector.Struct:
		return f.structOf(t)
	case vector.Map:
		return f.mapOf(t)
	case vector.Int:
		return intColumn(t), nil
	case vector.Decimal:
		return decimalColumn(t)
	case vector.Time, vector.Timestamp:
		return momentColumn(t), nil
	case vector.Interval:
		if f.intervalText {
			return &arrowColumn{typ: arrow.BinaryTypes.String, form: texts, fill: fillWritten(wordCell(t))}, nil
		}
	}
	if c := plainColumn(t); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no arrow type for values of kind %d", t.Kind)
}

// plainColumn makes the columns of the kinds whose arrow type needs no more than a word, nil for the others.
func plainColumn(t vector.Type) *arrowColumn {
	switch t.Kind {
	case vector.Null:
		return &arrowColumn{typ: arrow.Null, form: nothing, fill: fillNothing}
	case vector.Bool:
		return &arrowColumn{typ: arrow.FixedWidthTypes.Boolean, form: bools, fill: fillBools}
	case vector.Uint:
		return fixedColumn(arrow.PrimitiveTypes.Uint64, 8, fillUints)
	case vector.Int128:
		// Sums are of this type and nearly all of them fit. Unsigned ones are rare and mostly hashes, which do not.
		if !t.Unsigned {
			return fixedColumn(&arrow.Decimal128Type{Precision: maxDecimal}, 16, fillInt128s)
		}
		return &arrowColumn{typ: arrow.BinaryTypes.String, form: texts, fill: fillWritten(numberCell(t))}
	case vector.Float:
		if t.Bits == 32 {
			return fixedColumn(arrow.PrimitiveTypes.Float32, 4, fillFloat32s)
		}
		return fixedColumn(arrow.PrimitiveTypes.Float64, 8, fillFloats)
	case vector.Text, vector.Number, vector.JSON:
		return &arrowColumn{typ: arrow.BinaryTypes.String, form: texts, fill: fillUTF8}
	case vector.Blob:
		return &arrowColumn{typ: arrow.BinaryTypes.Binary, form: texts, fill: fillBytes}
	case vector.Date:
		return fixedColumn(arrow.FixedWidthTypes.Date32, 4, fillDates)
	case vector.Interval:
		return fixedColumn(arrow.FixedWidthTypes.MonthDayNanoInterval, 16, fillIntervals)
	case vector.UUID:
		return &arrowColumn{typ: arrow.BinaryTypes.String, form: texts, fill: fillWritten(appendUUID)}
	}
	return nil
}

func fixedColumn(t arrow.DataType, width int, fill fillFunc) *arrowColumn {
	return &arrowColumn{typ: t, form: fixed, width: width, fill: fill}
}

func intColumn(t vector.Type) *arrowColumn {
	switch {
	case t.Bits == 8 && t.Unsigned:
		return fixedColumn(arrow.PrimitiveTypes.Uint8, 1, fillNarrow[uint8])
	case t.Bits == 8:
		return fixedColumn(arrow.PrimitiveTypes.Int8, 1, fillNarrow[int8])
	case t.Bits == 16 && t.Unsigned:
		return fixedColumn(arrow.PrimitiveTypes.Uint16, 2, fillNarrow[uint16])
	case t.Bits == 16:
		return fixedColumn(arrow.PrimitiveTypes.Int16, 2, fillNarrow[int16])
	case t.Bits == 32 && t.Unsigned:
		return fixedColumn(arrow.PrimitiveTypes.Uint32, 4, fillNarrow[uint32])
	case t.Bits == 32:
		return fixedColumn(arrow.PrimitiveTypes.Int32, 4, fillNarrow[int32])
	default:
		return fixedColumn(arrow.PrimitiveTypes.Int64, 8, fillInts)
	}
}

func decimalColumn(t vector.Type) (*arrowColumn, error) {
	if t.Precision < 1 || t.Precision > maxDecimal {
		return nil, fmt.Errorf("a decimal of %d digits has no arrow type of 128 bits", t.Precision)
	}
	fill := fillWides
	if t.Precision <= 18 {
		fill = fillDecimals
	}
	return fixedColumn(&arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, 16, fill), nil
}

func momentColumn(t vector.Type) *arrowColumn {
	unit := unitOf(t.Unit)
	if t.Kind == vector.Timestamp {
		typ := &arrow.TimestampType{Unit: unit}
		if t.Zone {
			typ.TimeZone = "UTC"
		}
		return fixedColumn(typ, 8, fillTimestamps)
	}
	if unit == arrow.Second || unit == arrow.Millisecond {
		return fixedColumn(&arrow.Time32Type{Unit: unit}, 4, fillNarrow[int32])
	}
	return fixedColumn(&arrow.Time64Type{Unit: unit}, 8, fillInts)
}

// unitOf is what clockOf is for text: a type without unit ticks in microseconds.
func unitOf(unit time.Duration) arrow.TimeUnit {
	switch unit {
	case time.Second:
		return arrow.Second
	case time.Millisecond:
		return arrow.Millisecond
	case time.Nanosecond:
		return arrow.Nanosecond
	default:
		return arrow.Microsecond
	}
}

func (f columnar) list(t vector.Type) (*arrowColumn, error) {
	elem, err := f.column(*t.Elem)
	if err != nil {
		return nil, err
	}
	return &arrowColumn{typ: arrow.ListOf(elem.typ), form: lists, fill: fillLists, kids: []*arrowColumn{elem}}, nil
}

// structOf makes structs. Those without fields are the text {}, since few readers know them and Parquet has none.
func (f columnar) structOf(t vector.Type) (*arrowColumn, error) {
	if len(t.Fields) == 0 {
		brackets := func(dst []byte, _ *vector.Vector, _ int) []byte { return append(dst, "{}"...) }
		return &arrowColumn{typ: arrow.BinaryTypes.String, form: texts, fill: fillWritten(brackets)}, nil
	}
	names := unique(t.Fields)
	if tuple(t.Fields) {
		for i := range names {
			names[i] = strconv.Itoa(i + 1) // as the databases count them
		}
	}
	fields, kids, err := f.columns(names, t.Fields)
	if err != nil {
		return nil, err
	}
	return &arrowColumn{typ: arrow.StructOf(fields...), form: structs, fill: fillStructs, kids: kids}, nil
}

func (f columnar) mapOf(t vector.Type) (*arrowColumn, error) {
	if len(t.Elem.Fields) != 2 {
		return nil, fmt.Errorf("a map's entries have %d fields", len(t.Elem.Fields))
	}
	key, err := f.column(t.Elem.Fields[0].Type)
	if err != nil {
		return nil, err
	}
	value, err := f.column(t.Elem.Fields[1].Type)
	if err != nil {
		return nil, err
	}
	typ := arrow.MapOf(key.typ, value.typ)
	entry := &arrowColumn{typ: typ.Elem(), form: structs, fill: fillStructs, kids: []*arrowColumn{key, value}}
	return &arrowColumn{typ: typ, form: lists, fill: fillMaps, kids: []*arrowColumn{entry}}, nil
}
