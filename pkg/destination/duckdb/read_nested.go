package duckdb

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// fillLists points at the lists' places and reads the elements of all of them at once.
func fillLists(c *columnReader, from mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Spans = unsafe.Slice((*vector.Span)(data), n)
	c.elem.read(mapping.ListVectorGetChild(from), int(mapping.ListVectorGetSize(from)))
}

// fillArrays makes the spans that lists have: the engine keeps an ARRAY's elements in a row, all of one length.
func fillArrays(c *columnReader, from mapping.Vector, _ unsafe.Pointer, n int) {
	c.spans = resize(c.spans, n)
	for i := range c.spans {
		c.spans[i] = vector.Span{Offset: uint64(i * c.length), Length: uint64(c.length)}
	}
	c.vec.Spans = c.spans
	c.elem.read(mapping.ArrayVectorGetChild(from), n*c.length)
}

func fillStructs(c *columnReader, from mapping.Vector, _ unsafe.Pointer, n int) {
	for i, f := range c.fields {
		f.read(mapping.StructVectorGetChild(from, mapping.IdxT(i)), n)
	}
}

// plainType is a type that its id alone describes.
type plainType struct {
	vec  vector.Type
	fill func(*columnReader, mapping.Vector, unsafe.Pointer, int)
}

// plainTypes are the types without parameters.
var plainTypes = map[mapping.Type]plainType{
	mapping.TypeSQLNull:     {vector.Type{Kind: vector.Null, Name: "NULL"}, fillNothing},
	mapping.TypeBoolean:     {vector.Type{Kind: vector.Bool, Name: "BOOLEAN"}, fillBools},
	mapping.TypeTinyInt:     {vector.Type{Kind: vector.Int, Bits: 8, Name: "TINYINT"}, fillNarrow[int8]},
	mapping.TypeSmallInt:    {vector.Type{Kind: vector.Int, Bits: 16, Name: "SMALLINT"}, fillNarrow[int16]},
	mapping.TypeInteger:     {vector.Type{Kind: vector.Int, Bits: 32, Name: "INTEGER"}, fillNarrow[int32]},
	mapping.TypeBigInt:      {vector.Type{Kind: vector.Int, Bits: 64, Name: "BIGINT"}, fillInts},
	mapping.TypeUTinyInt:    {vector.Type{Kind: vector.Int, Bits: 8, Unsigned: true, Name: "UTINYINT"}, fillNarrow[uint8]},
	mapping.TypeUSmallInt:   {vector.Type{Kind: vector.Int, Bits: 16, Unsigned: true, Name: "USMALLINT"}, fillNarrow[uint16]},
	mapping.TypeUInteger:    {vector.Type{Kind: vector.Int, Bits: 32, Unsigned: true, Name: "UINTEGER"}, fillNarrow[uint32]},
	mapping.TypeUBigInt:     {vector.Type{Kind: vector.Uint, Bits: 64, Unsigned: true, Name: "UBIGINT"}, fillUints},
	mapping.TypeHugeInt:     {vector.Type{Kind: vector.Int128, Bits: 128, Name: "HUGEINT"}, fillWides},
	mapping.TypeUHugeInt:    {vector.Type{Kind: vector.Int128, Bits: 128, Unsigned: true, Name: "UHUGEINT"}, fillWides},
	mapping.TypeFloat:       {vector.Type{Kind: vector.Float, Bits: 32, Name: "FLOAT"}, fillFloat32s},
	mapping.TypeDouble:      {vector.Type{Kind: vector.Float, Bits: 64, Name: "DOUBLE"}, fillFloats},
	mapping.TypeBlob:        {vector.Type{Kind: vector.Blob, Name: "BLOB"}, fillTexts},
	mapping.TypeUUID:        {vector.Type{Kind: vector.UUID, Name: "UUID"}, fillUUIDs},
	mapping.TypeInterval:    {vector.Type{Kind: vector.Interval, Name: "INTERVAL"}, fillIntervals},
	mapping.TypeDate:        {vector.Type{Kind: vector.Date, Name: "DATE"}, fillDates},
	mapping.TypeTime:        {vector.Type{Kind: vector.Time, Unit: time.Microsecond, Name: "TIME"}, fillInts},
	mapping.TypeTimeNS:      {vector.Type{Kind: vector.Time, Unit: time.Nanosecond, Name: "TIME_NS"}, fillInts},
	mapping.TypeTimestampS:  {vector.Type{Kind: vector.Timestamp, Unit: time.Second, Name: "TIMESTAMP_S"}, fillInts},
	mapping.TypeTimestampMS: {vector.Type{Kind: vector.Timestamp, Unit: time.Millisecond, Name: "TIMESTAMP_MS"}, fillInts},
	mapping.TypeTimestamp:   {vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Name: "TIMESTAMP"}, fillInts},
	mapping.TypeTimestampNS: {vector.Type{Kind: vector.Timestamp, Unit: time.Nanosecond, Name: "TIMESTAMP_NS"}, fillInts},
	mapping.TypeTimestampTZ: {vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true, Name: "TIMESTAMP WITH TIME ZONE"}, fillInts},
}

// unsupported reports whether t is, or holds, a type that the driver must cast to VARCHAR: BIT, UNION, BIGNUM, TIMETZ,
// GEOMETRY, VARIANT, and whatever a later engine adds.
func unsupported(t mapping.LogicalType) bool {
	_, err := newColumnReader(t)
	return err != nil
}

func newColumnReader(t mapping.LogicalType) (*columnReader, error) {
	id := mapping.GetTypeId(t)
	if p, ok := plainTypes[id]; ok {
		return &columnReader{vec: vector.Vector{Type: p.vec}, fill: p.fill}, nil
	}
	switch id {
	case mapping.TypeVarchar:
		if mapping.LogicalTypeGetAlias(t) == "JSON" {
			return &columnReader{vec: vector.Vector{Type: vector.Type{Kind: vector.JSON, Name: "JSON"}}, fill: fillTexts}, nil
		}
		return &columnReader{vec: vector.Vector{Type: vector.Type{Kind: vector.Text, Name: "VARCHAR"}}, fill: fillTexts}, nil
	case mapping.TypeDecimal:
		return newDecimalReader(t)
	case mapping.TypeEnum:
		return newEnumReader(t)
	case mapping.TypeList:
		return newListReader(mapping.ListTypeChildType(t), 0)
	case mapping.TypeArray:
		return newListReader(mapping.ArrayTypeChildType(t), int(mapping.ArrayTypeArraySize(t)))
	case mapping.TypeMap:
		return newMapReader(t)
	case mapping.TypeStruct:
		return newStructReader(t)
	}
	return nil, fmt.Errorf("the engine's type %d has no vector", id)
}

func newDecimalReader(t mapping.LogicalType) (*columnReader, error) {
	precision, scale := int(mapping.DecimalWidth(t)), int(mapping.DecimalScale(t))
	c := &columnReader{vec: vector.Vector{Type: vector.Type{Kind: vector.Decimal, Precision: precision, Scale: scale,
		Name: fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)}}}
	switch id := mapping.DecimalInternalType(t); id {
	case mapping.TypeSmallInt:
		c.fill = fillNarrow[int16]
	case mapping.TypeInteger:
		c.fill = fillNarrow[int32]
	case mapping.TypeBigInt:
		c.fill = fillInts
	case mapping.TypeHugeInt:
		c.fill = fillWides
	default:
		return nil, fmt.Errorf("a decimal is kept as the engine's type %d", id)
	}
	return c, nil
}

func newEnumReader(t mapping.LogicalType) (*columnReader, error) {
	c := &columnReader{vec: vector.Vector{Type: vector.Type{Kind: vector.Text, Name: "ENUM"}}}
	for i := range mapping.EnumDictionarySize(t) {
		c.words = append(c.words, mapping.EnumDictionaryValue(t, mapping.IdxT(i)))
	}
	c.vec.Type.Words = c.words
	switch id := mapping.EnumInternalType(t); id {
	case mapping.TypeUTinyInt:
		c.fill = fillWords[uint8]
	case mapping.TypeUSmallInt:
		c.fill = fillWords[uint16]
	case mapping.TypeUInteger:
		c.fill = fillWords[uint32]
	default:
		return nil, fmt.Errorf("an enum is kept as the engine's type %d", id)
	}
	return c, nil
}

// newListReader reads lists of elem, which it frees; length is that of an ARRAY and 0 for a LIST.
func newListReader(elem mapping.LogicalType, length int) (*columnReader, error) {
	defer mapping.DestroyLogicalType(&elem)
	e, err := newColumnReader(elem)
	if err != nil {
		return nil, err
	}
	c := &columnReader{elem: e, length: length, fill: fillLists}
	brackets := "[]"
	if length > 0 {
		c.fill, brackets = fillArrays, "["+strconv.Itoa(length)+"]"
	}
	c.vec = vector.Vector{Type: vector.Type{Kind: vector.List, Elem: &e.vec.Type, Length: length, Name: e.vec.Type.Name + brackets}, Elem: &e.vec}
	return c, nil
}

// newMapReader reads a MAP, which the engine keeps as a list of structs.
func newMapReader(t mapping.LogicalType) (*columnReader, error) {
	key, value := mapping.MapTypeKeyType(t), mapping.MapTypeValueType(t)
	defer mapping.DestroyLogicalType(&key)
	defer mapping.DestroyLogicalType(&value)
	entry, err := structReader([]mapping.LogicalType{key, value}, []string{"key", "value"})
	if err != nil {
		return nil, err
	}
	of := entry.vec.Type.Fields
	return &columnReader{elem: entry, fill: fillLists, vec: vector.Vector{Elem: &entry.vec, Type: vector.Type{Kind: vector.Map,
		Elem: &entry.vec.Type, Name: "MAP(" + of[0].Type.Name + ", " + of[1].Type.Name + ")"}}}, nil
}

func newStructReader(t mapping.LogicalType) (*columnReader, error) {
	var types []mapping.LogicalType
	var names []string
	defer func() {
		for i := range types {
			mapping.DestroyLogicalType(&types[i])
		}
	}()
	for i := range mapping.StructTypeChildCount(t) {
		types = append(types, mapping.StructTypeChildType(t, i))
		names = append(names, mapping.StructTypeChildName(t, i))
	}
	return structReader(types, names)
}

func structReader(types []mapping.LogicalType, names []string) (*columnReader, error) {
	c := &columnReader{fill: fillStructs, vec: vector.Vector{Type: vector.Type{Kind: vector.Struct}}}
	var text strings.Builder
	for i, t := range types {
		f, err := newColumnReader(t)
		if err != nil {
			return nil, err
		}
		c.fields = append(c.fields, f)
		c.vec.Fields = append(c.vec.Fields, &f.vec)
		c.vec.Type.Fields = append(c.vec.Type.Fields, vector.Field{Name: names[i], Type: f.vec.Type})
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(strconv.Quote(names[i]) + " " + f.vec.Type.Name)
	}
	c.vec.Type.Name = "STRUCT(" + text.String() + ")"
	return c, nil
}
