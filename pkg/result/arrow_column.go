package result

import (
	"errors"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// form is how a column lies in memory, which is what decides its arrow buffers.
type form uint8

const (
	nothing form = iota // no buffers
	bools               // bits
	fixed               // values of width bytes
	texts               // offsets into values
	lists               // offsets into the one kid
	structs             // kids
)

// errOffsets ends a query with a row that is larger than arrow's offsets of 32 bits can say.
var errOffsets = errors.New("a row's values are larger than 2 GiB")

// fillFunc appends the values of v's rows from … to-1 to c; which of them are NULL is in c.valid already.
type fillFunc func(c *arrowColumn, v *vector.Vector, from, to int) error

// arrowColumn gathers a column's values in arrow's form. Its memory is used again for the next record batch.
type arrowColumn struct {
	typ   arrow.DataType
	form  form
	width int // of fixed
	fill  fillFunc
	kids  []*arrowColumn

	rows    int
	valid   bitmap
	bits    bitmap
	values  []byte
	offsets []int32
}

// append adds v's rows from … to-1. After an error the column is of no use.
func (c *arrowColumn) append(v *vector.Vector, from, to int) error {
	for at := from; at < to; at += 64 {
		count := min(64, to-at)
		c.valid.put(validAt(v, at, count), count)
	}
	if err := c.fill(c, v, from, to); err != nil {
		return err
	}
	if c.form == fixed && c.valid.zeros > 0 {
		c.blank(to - from)
	}
	c.rows += to - from
	return nil
}

// blank makes zeros of the values of the last n rows that are NULL: what a database has in their place is its memory,
// and nobody's to read.
func (c *arrowColumn) blank(n int) {
	for i := 0; i < n; {
		w, shift := c.valid.words[(c.rows+i)>>6], (c.rows+i)&63
		count := min(64-shift, n-i)
		for nulls := ^(w >> shift) & lowest(count); nulls != 0; nulls &= nulls - 1 {
			at := (c.rows + i + bits.TrailingZeros64(nulls)) * c.width
			clear(c.values[at : at+c.width])
		}
		i += count
	}
}

// appendNulls adds n rows that are NULL.
func (c *arrowColumn) appendNulls(n int) {
	c.valid.repeat(0, n)
	c.rows += n
	switch c.form {
	case bools:
		c.bits.repeat(0, n)
	case fixed:
		clear(c.grow(n * c.width))
	case texts, lists:
		last := c.offsets[len(c.offsets)-1]
		for range n {
			c.offsets = append(c.offsets, last)
		}
	case structs:
		for _, k := range c.kids {
			k.appendNulls(n)
		}
	}
}

// grow appends n bytes to values and gives them, whatever they hold.
func (c *arrowColumn) grow(n int) []byte {
	at := len(c.values)
	if cap(c.values)-at < n {
		c.values = append(make([]byte, 0, max(2*cap(c.values), at+n, 64)), c.values...)
	}
	c.values = c.values[:at+n]
	return c.values[at:]
}

// size is how many bytes the column has gathered.
func (c *arrowColumn) size() int {
	n := len(c.values) + 4*len(c.offsets) + (c.valid.n+c.bits.n)/8
	for _, k := range c.kids {
		n += k.size()
	}
	return n
}

// data shows what was gathered, until the next reset, without a copy.
func (c *arrowColumn) data() arrow.ArrayData {
	if c.form == nothing {
		return array.NewData(c.typ, c.rows, []*memory.Buffer{nil}, nil, c.rows, 0)
	}
	buffers := make([]*memory.Buffer, 1, 3)
	if c.valid.zeros > 0 {
		buffers[0] = memory.NewBufferBytes(c.valid.bytes())
	}
	switch c.form {
	case bools:
		buffers = append(buffers, memory.NewBufferBytes(c.bits.bytes()))
	case fixed:
		buffers = append(buffers, memory.NewBufferBytes(c.values))
	case texts:
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)), memory.NewBufferBytes(c.values))
	case lists:
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)))
	}
	var kids []arrow.ArrayData
	for _, k := range c.kids {
		kids = append(kids, k.data())
	}
	return array.NewData(c.typ, c.rows, buffers, kids, c.valid.zeros, 0)
}

// reset makes the column empty. Memory that a large row made much larger than a record batch needs is given back.
func (c *arrowColumn) reset() {
	c.rows = 0
	c.valid.reset()
	c.bits.reset()
	c.values = c.values[:0]
	if cap(c.values) > 4*batchBytes {
		c.values = nil
	}
	if cap(c.offsets) > batchBytes {
		c.offsets = nil
	}
	c.offsets = append(c.offsets[:0], 0)
	for _, k := range c.kids {
		k.reset()
	}
}

// weight is about how many bytes v's rows from … to-1 are, of what has no fixed size.
func weight(v *vector.Vector, from, to int) int {
	n := 0
	switch v.Type.Kind {
	case vector.Text, vector.Number, vector.JSON, vector.Blob:
		for i := from; i < to; i++ {
			if !v.IsNull(i) {
				n += len(v.Texts[i])
			}
		}
	case vector.Struct:
		for at := from; at < to; {
			next, null := runEnd(v, at, to)
			for _, f := range v.Fields {
				if !null {
					n += weight(f, at, next)
				}
			}
			at = next
		}
	case vector.List, vector.Map:
		for i := from; i < to; i++ {
			if s := v.Spans[i]; !v.IsNull(i) && s.Length > 0 {
				n += int(s.Length)*16 + weight(v.Elem, int(s.Offset), int(s.Offset+s.Length))
			}
		}
	}
	return n
}

// end gives the offset n, or says that it is too large to be one.
func end(n int) (int32, error) {
	if n > math.MaxInt32 {
		return 0, errOffsets
	}
	return int32(n), nil
}
