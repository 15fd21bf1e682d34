package duckdb

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// reader shows the chunks of one result as batches. Values that have the same form on both sides stay in the chunk's
// memory; the others are copied into slices that are used again for the next chunk. Not for concurrent use.
type reader struct {
	heads []vector.Field
	cols  []*columnReader
	out   vector.Batch
}

// columnReader shows one vector of a chunk, or of another vector. Its slices are the memory that copies go to.
type columnReader struct {
	vec  vector.Vector
	fill func(c *columnReader, from mapping.Vector, data unsafe.Pointer, n int)

	ints   []int64
	floats []float64
	wides  []vector.Wide
	texts  []string
	spans  []vector.Span

	words  []string        // of an ENUM: its dictionary
	elem   *columnReader   // of a LIST, ARRAY or MAP
	length int             // of an ARRAY: how many elements each row has
	fields []*columnReader // of a STRUCT
}

// newReader reads the columns of res. When some are of unsupported types it is an oddError: the driver casts those.
func newReader(res *mapping.Result) (*reader, error) {
	r := &reader{}
	var cols []outColumn
	var odd bool
	for i := range mapping.ColumnCount(res) {
		name := mapping.ColumnName(res, i)
		t := mapping.ColumnLogicalType(res, i)
		c, err := newColumnReader(t)
		mapping.DestroyLogicalType(&t)
		cols = append(cols, outColumn{name, err != nil})
		if err != nil {
			odd = true
			continue
		}
		r.heads = append(r.heads, vector.Field{Name: name, Type: c.vec.Type})
		r.cols = append(r.cols, c)
		r.out.Cols = append(r.out.Cols, &c.vec)
	}
	if odd {
		return nil, &oddError{cols}
	}
	return r, nil
}

// fields gives the result's columns.
func (r *reader) fields() []vector.Field { return r.heads }

// batch shows chunk's rows. The batch is valid until the next call, and no longer than chunk.
func (r *reader) batch(chunk mapping.DataChunk) (*vector.Batch, error) {
	if got := int(mapping.DataChunkGetColumnCount(chunk)); got != len(r.cols) {
		return nil, fmt.Errorf("read chunk: it has %d columns, the result has %d", got, len(r.cols))
	}
	n := int(mapping.DataChunkGetSize(chunk))
	for i, c := range r.cols {
		c.read(mapping.DataChunkGetVector(chunk, mapping.IdxT(i)), n)
	}
	r.out.Rows = n
	return &r.out, nil
}

// read points c at the n values of from. Vectors of a fetched chunk are flat: value i is at place i.
func (c *columnReader) read(from mapping.Vector, n int) {
	c.vec.Valid = nil
	if n > 0 {
		if mask := mapping.VectorGetValidity(from); mask != nil {
			c.vec.Valid = unsafe.Slice((*uint64)(mask), (n+63)/64)
		}
	}
	c.fill(c, from, mapping.VectorGetData(from), n)
}

func fillNothing(*columnReader, mapping.Vector, unsafe.Pointer, int) {}

// The types that need no copy: the engine keeps them as package vector does.

func fillBools(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Bools = unsafe.Slice((*bool)(data), n)
}

func fillInts(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Ints = unsafe.Slice((*int64)(data), n)
}

func fillUints(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Uints = unsafe.Slice((*uint64)(data), n)
}

func fillFloats(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Floats = unsafe.Slice((*float64)(data), n)
}

func fillWides(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Wides = unsafe.Slice((*vector.Wide)(data), n)
}

func fillIntervals(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.vec.Intervals = unsafe.Slice((*vector.IntervalValue)(data), n)
}

// The types that are copied.

func fillNarrow[T int8 | int16 | int32 | uint8 | uint16 | uint32](c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.ints = resize(c.ints, n)
	for i, x := range unsafe.Slice((*T)(data), n) {
		c.ints[i] = int64(x)
	}
	c.vec.Ints = c.ints
}

func fillFloat32s(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.floats = resize(c.floats, n)
	for i, x := range unsafe.Slice((*float32)(data), n) {
		c.floats[i] = float64(x)
	}
	c.vec.Floats = c.floats
}

// fillDates widens days and makes the engine's infinite dates, the ends of its 32 bits, those of package vector.
func fillDates(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.ints = resize(c.ints, n)
	for i, x := range unsafe.Slice((*int32)(data), n) {
		switch x {
		case math.MaxInt32:
			c.ints[i] = vector.Infinity
		case -math.MaxInt32:
			c.ints[i] = -vector.Infinity
		default:
			c.ints[i] = int64(x)
		}
	}
	c.vec.Ints = c.ints
}

// fillUUIDs turns back the top bit, which the engine keeps flipped so that UUIDs compare like signed integers.
func fillUUIDs(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.wides = resize(c.wides, n)
	for i, x := range unsafe.Slice((*vector.Wide)(data), n) {
		c.wides[i] = vector.Wide{Lo: x.Lo, Hi: x.Hi ^ math.MinInt64}
	}
	c.vec.Wides = c.wides
}

// The engine's string_t: 4 bytes of length, then 12 bytes of text, or 4 of its prefix and a pointer to all of it.
const (
	textSize    = 16
	textInline  = 12
	textStart   = 4
	textPointer = 8
)

// fillTexts makes string headers for texts that stay in the chunk. What a NULL row holds is not defined, so it is
// never looked at.
func fillTexts(c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.texts = resize(c.texts, n)
	c.vec.Texts = c.texts
	texts, valid := c.texts, c.vec.Valid
	for i := range texts {
		if valid == nil || valid[i>>6]&(1<<(i&63)) != 0 {
			texts[i] = textAt(unsafe.Add(data, i*textSize))
		} else {
			texts[i] = ""
		}
	}
}

func textAt(at unsafe.Pointer) string {
	size := int(*(*uint32)(at))
	if size <= textInline {
		return unsafe.String((*byte)(unsafe.Add(at, textStart)), size)
	}
	return unsafe.String(*(**byte)(unsafe.Add(at, textPointer)), size)
}

// fillWords looks the values of an ENUM up. The number in a NULL row is not defined, so it may be past the dictionary.
func fillWords[T uint8 | uint16 | uint32](c *columnReader, _ mapping.Vector, data unsafe.Pointer, n int) {
	c.texts = resize(c.texts, n)
	for i, x := range unsafe.Slice((*T)(data), n) {
		c.texts[i] = ""
		if int(x) < len(c.words) {
			c.texts[i] = c.words[x]
		}
	}
	c.vec.Texts = c.texts
}

// resize gives a slice of n elements, s itself when it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
