package clickhouse

import (
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

var errBadLists = errors.New("the elements of a list end before they begin")

type reading = func(*columnReader, *proto.Reader, int) error

// plainType is a type that its name alone describes.
type plainType struct {
	vec   vector.Type
	width int
	read  reading
}

// plainTypes are the types without parameters.
var plainTypes = map[string]plainType{
	"Nothing":  {vector.Type{Kind: vector.Null}, 1, readNothing},
	"Bool":     {vector.Type{Kind: vector.Bool}, 1, readBools},
	"Int8":     {vector.Type{Kind: vector.Int, Bits: 8}, 1, readInts[int8]},
	"Int16":    {vector.Type{Kind: vector.Int, Bits: 16}, 2, readInts[int16]},
	"Int32":    {vector.Type{Kind: vector.Int, Bits: 32}, 4, readInts[int32]},
	"Int64":    {vector.Type{Kind: vector.Int, Bits: 64}, 8, readInts[int64]},
	"UInt8":    {vector.Type{Kind: vector.Int, Bits: 8, Unsigned: true}, 1, readInts[uint8]},
	"UInt16":   {vector.Type{Kind: vector.Int, Bits: 16, Unsigned: true}, 2, readInts[uint16]},
	"UInt32":   {vector.Type{Kind: vector.Int, Bits: 32, Unsigned: true}, 4, readInts[uint32]},
	"UInt64":   {vector.Type{Kind: vector.Uint, Bits: 64, Unsigned: true}, 8, readUints},
	"Int128":   {vector.Type{Kind: vector.Int128, Bits: 128}, 16, readWides},
	"UInt128":  {vector.Type{Kind: vector.Int128, Bits: 128, Unsigned: true}, 16, readWides},
	"Int256":   {vector.Type{Kind: vector.Number}, 32, readPrinted(printWide(true, 0))},
	"UInt256":  {vector.Type{Kind: vector.Number}, 32, readPrinted(printWide(false, 0))},
	"Float32":  {vector.Type{Kind: vector.Float, Bits: 32}, 4, readFloats},
	"Float64":  {vector.Type{Kind: vector.Float, Bits: 64}, 8, readFloats},
	"BFloat16": {vector.Type{Kind: vector.Float, Bits: 32}, 2, readFloats},
	"String":   {vector.Type{Kind: vector.Text}, 0, readTexts},
	"UUID":     {vector.Type{Kind: vector.UUID}, 16, readUUIDs},
	"IPv4":     {vector.Type{Kind: vector.Text}, 4, readPrinted(printIPv4)},
	"IPv6":     {vector.Type{Kind: vector.Text}, 16, readPrinted(printIPv6)},
	"Date":     {vector.Type{Kind: vector.Date}, 2, readInts[uint16]},
	"Date32":   {vector.Type{Kind: vector.Date}, 4, readInts[int32]},

	"IntervalNanosecond": {vector.Type{Kind: vector.Text}, 8, readPrinted(printNanoseconds)}, "IntervalMicrosecond": clockSpan(1), "IntervalMillisecond": clockSpan(1e3),
	"IntervalSecond": clockSpan(1e6), "IntervalMinute": clockSpan(60e6), "IntervalHour": clockSpan(3600e6),
	"IntervalDay": daySpan(1), "IntervalWeek": daySpan(7), "IntervalMonth": monthSpan(1), "IntervalQuarter": monthSpan(3), "IntervalYear": monthSpan(12),
	"Time": {vector.Type{Kind: vector.Text}, 4, readPrinted(printTime(0))},
}

// newColumnReader reads values of type t, or says that package vector has no place for them.
func newColumnReader(t typ) (*columnReader, error) {
	c := &columnReader{}
	if p, ok := plainTypes[t.name]; ok {
		c.vec.Type, c.width, c.read = p.vec, p.width, p.read
	} else if err := c.describe(t); err != nil {
		return nil, err
	}
	c.vec.Type.Name = t.text
	return c, nil
}

// describe is newColumnReader for the types with parameters.
func (c *columnReader) describe(t typ) error {
	if precision, scale, ok := t.decimal(); ok {
		c.decimal(precision, scale)
		return nil
	}
	switch t.name {
	case "Nullable":
		return c.nullableOf(t.args[0])
	case "LowCardinality":
		return c.wordsOf(t.args[0])
	case "FixedString":
		c.vec.Type, c.width, c.read = vector.Type{Kind: vector.Text}, t.number(0, 1), readFixedTexts
	case "Enum8", "Enum16":
		c.enum(t)
	case "DateTime":
		c.vec.Type, c.width, c.read = vector.Type{Kind: vector.Timestamp, Unit: time.Second, Zone: true}, 4, readInts[uint32]
	case "DateTime64":
		c.timestamp(t.number(0, 3))
	case "Time64":
		c.vec.Type, c.width, c.read = vector.Type{Kind: vector.Text}, 8, readPrinted(printTime(t.number(0, 3)))
	case "JSON":
		c.vec.Type, c.read, c.start = vector.Type{Kind: vector.JSON}, readTexts, startJSON
	case "Array":
		return c.listOf(t.args[0])
	case "Map":
		return c.mapOf(t)
	case "Tuple":
		return c.structOf(t)
	default:
		return fmt.Errorf("the type %s has no vector", t.text)
	}
	return nil
}

func (c *columnReader) decimal(precision, scale int) {
	c.vec.Type = vector.Type{Kind: vector.Decimal, Precision: precision, Scale: scale}
	switch {
	case precision <= 9:
		c.width, c.read = 4, readInts[int32]
	case precision <= 18:
		c.width, c.read = 8, readInts[int64]
	case precision <= 38:
		c.width, c.read = 16, readWides
	default:
		c.vec.Type = vector.Type{Kind: vector.Number}
		c.width, c.read = 32, readPrinted(printWide(true, scale))
	}
}

// timestamp reads timestamps with that many digits after the second, in the next unit that has a name.
func (c *columnReader) timestamp(digits int) {
	unit, has := time.Second, 0
	for has < digits {
		unit, has = unit/1000, has+3
	}
	c.scale = 1
	for ; has > digits; has-- {
		c.scale *= 10
	}
	c.vec.Type, c.width, c.read = vector.Type{Kind: vector.Timestamp, Unit: unit, Zone: true}, 8, readTimes
}

func (c *columnReader) enum(t typ) {
	c.vec.Type, c.width, c.read, c.words = vector.Type{Kind: vector.Text}, 1, readWords, map[int]string{}
	if t.name == "Enum16" {
		c.width = 2
	}
	for _, w := range t.words() {
		c.words[w.number] = w.text
		c.vec.Type.Words = append(c.vec.Type.Words, w.text)
	}
}

func (c *columnReader) nullableOf(t typ) error {
	of, err := newColumnReader(t)
	if err != nil {
		return err
	}
	*c = *of
	c.nullable = true
	return nil
}

// jsonAsText is the form of JSON that is asked for.
const jsonAsText = 1

func startJSON(in *proto.Reader) error {
	form, err := in.UInt64()
	if err == nil && form != jsonAsText {
		err = &oddError{} // it could not be asked for
	}
	return err
}

func (c *columnReader) listOf(t typ) error {
	e, err := newColumnReader(t)
	if err != nil {
		return err
	}
	c.elem, c.width, c.read = e, 8, readLists
	c.vec = vector.Vector{Type: vector.Type{Kind: vector.List, Elem: &e.vec.Type}, Elem: &e.vec}
	return nil
}

// mapOf reads a Map, which comes as a list of pairs.
func (c *columnReader) mapOf(t typ) error {
	pair := typ{text: t.text, name: "Tuple", args: t.args, names: []string{"key", "value"}}
	if err := c.listOf(pair); err != nil {
		return err
	}
	c.vec.Type.Kind = vector.Map
	return nil
}

func (c *columnReader) structOf(t typ) error {
	if len(t.args) == 0 {
		return fmt.Errorf("the type %s has no vector", t.text)
	}
	c.vec.Type, c.read = vector.Type{Kind: vector.Struct}, readFields
	for i, of := range t.args {
		f, err := newColumnReader(of)
		if err != nil {
			return err
		}
		c.fields, c.vec.Fields = append(c.fields, f), append(c.vec.Fields, &f.vec)
		c.vec.Type.Fields = append(c.vec.Type.Fields, vector.Field{Name: t.names[i], Type: f.vec.Type})
	}
	return nil
}

// wordsOf reads a LowCardinality: the words first, then which of them each row has.
func (c *columnReader) wordsOf(t typ) error {
	of, nullable := t.bare()
	e, err := newColumnReader(of)
	if err != nil {
		return err
	}
	c.vec.Type, c.nullable, c.elem, c.read = e.vec.Type, false, e, readChosen(nullable)
	c.start = func(in *proto.Reader) error {
		version, err := in.UInt64()
		if err == nil && version != 1 {
			err = fmt.Errorf("a LowCardinality comes in version %d, which is not known", version)
		}
		return err
	}
	return nil
}

// readChosen reads rows that say which word they have. Of those that may be NULL the first word is that.
func readChosen(nullable bool) reading {
	return func(c *columnReader, in *proto.Reader, n int) error {
		if n == 0 {
			return nil
		}
		flags, err := in.UInt64()
		if err != nil {
			return err
		}
		words, err := in.UInt64()
		if err != nil {
			return err
		}
		if words > 1<<30 {
			return errBadWords
		}
		if err := c.elem.readRows(in, int(words)); err != nil {
			return err
		}
		if rows, err := in.UInt64(); err != nil || rows != uint64(n) {
			return errors.Join(err, errBadWords)
		}
		keys, err := c.keys(in, n, int(flags&0xff))
		if err != nil {
			return err
		}
		return c.choose(keys, int(words), nullable)
	}
}

var errBadWords = errors.New("a LowCardinality has words that are not its own")

// keys reads which word each row has, as numbers of 1, 2, 4 or 8 bytes.
func (c *columnReader) keys(in *proto.Reader, n, size int) ([]int64, error) {
	var err error
	keys := columnReader{}
	switch size {
	case 0:
		err = readInts[uint8](&keys, in, n)
	case 1:
		err = readInts[uint16](&keys, in, n)
	case 2:
		err = readInts[uint32](&keys, in, n)
	default:
		err = readInts[int64](&keys, in, n)
	}
	return keys.ints, err
}

// choose gives each row its word.
func (c *columnReader) choose(keys []int64, words int, nullable bool) error {
	for _, k := range keys {
		if k < 0 || k >= int64(words) {
			return errBadWords
		}
	}
	if nullable {
		c.valid = resize(c.valid, (len(keys)+63)/64)
		clear(c.valid)
		for i, k := range keys {
			if k != 0 {
				c.valid[i>>6] |= 1 << (i & 63)
			}
		}
		c.vec.Valid = c.valid
	}
	from := &c.elem.vec
	c.vec.Bools, c.bools = pick(c.bools, from.Bools, keys)
	c.vec.Ints, c.ints = pick(c.ints, from.Ints, keys)
	c.vec.Uints, c.uints = pick(c.uints, from.Uints, keys)
	c.vec.Floats, c.floats = pick(c.floats, from.Floats, keys)
	c.vec.Wides, c.wides = pick(c.wides, from.Wides, keys)
	c.vec.Texts, c.texts = pick(c.texts, from.Texts, keys)
	return nil
}

// pick gives the words that keys choose, and the memory that they are in.
func pick[T any](memory, words []T, keys []int64) (chosen, keep []T) {
	if words == nil {
		return nil, memory
	}
	memory = resize(memory, len(keys))
	for i, k := range keys {
		memory[i] = words[k]
	}
	return memory, memory
}
