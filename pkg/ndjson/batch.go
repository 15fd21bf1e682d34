package ndjson

import (
	"math/bits"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Batch is rows read by a Decoder. The zero Batch is empty and ready for use.
type Batch struct {
	vector.Batch
	shape   *shape
	columns []column
	room    int // how many rows there is memory for

	chunks  [][]byte // the rows' own bytes; chunks[:used] hold those of this batch
	used    int
	rescued []byte // texts put together for the column __rescued, and by converters, after the batch's id
	spots   []spot
}

// spot is the place in Batch.rescued of the text of a row and column.
type spot struct {
	column        *column
	row, from, to int
}

// Buffers returns the memory that the columns' Texts point into. The batch owns it until the next use of the batch.
func (b *Batch) Buffers() [][]byte {
	return append(b.chunks[:b.used:b.used], b.rescued)
}

// begin makes b empty.
func (b *Batch) begin(s *shape) {
	if b.shape != s {
		b.shape, b.room = s, 0
		b.columns = make([]column, len(s.specs))
		b.Cols = make([]*vector.Vector, len(s.specs))
		for i := range b.columns {
			c := &b.columns[i]
			c.spec = &s.specs[i]
			c.vec.Type = c.spec.kind
			b.Cols[i] = &c.vec
		}
	}
	b.Rows, b.used = 0, 0
	if cap(b.rescued) > keepSize {
		b.rescued = nil
	}
	b.rescued, b.spots = append(b.rescued[:0], s.batch...), b.spots[:0]
	for i := range b.columns {
		clear(b.columns[i].valid)
	}
}

const firstRoom = 128 // a multiple of 64

func (b *Batch) grow() {
	b.room = max(2*b.room, firstRoom)
	for i := range b.columns {
		b.columns[i].grow(b.room)
	}
}

// chunk returns the next chunk, of at least size bytes.
func (b *Batch) chunk(size int) []byte {
	if b.used == len(b.chunks) {
		b.chunks = append(b.chunks, nil)
	}
	c := b.chunks[b.used]
	if len(c) < size || len(c) > keepSize && size < keepSize {
		c = make([]byte, max(size, chunkSize))
		b.chunks[b.used] = c
	}
	b.used++
	return c
}

// growChunk makes the last chunk, whose content part is, larger.
func (b *Batch) growChunk(part []byte) []byte {
	c := make([]byte, 2*(len(part)+padding))
	copy(c, part)
	b.chunks[b.used-1] = c
	return c
}

// putForeign puts what a converter makes of a value into the column's row, and reports false if it cannot.
func (b *Batch) putForeign(c *column, row int, raw, text []byte, isText bool) bool {
	from := len(b.rescued)
	longer, ok := c.spec.foreign(b.rescued, raw, text, isText)
	if !ok {
		return false
	}
	b.rescued = longer
	b.spots = append(b.spots, spot{c, row, from, len(b.rescued)})
	return true
}

// finish makes the columns ready for the reader.
func (b *Batch) finish() {
	s := b.shape
	for _, p := range b.spots {
		p.column.texts[p.row] = view(b.rescued[p.from:p.to])
	}
	if s.batchFile >= 0 {
		c, id := &b.columns[s.batchFile], view(b.rescued[:len(s.batch)])
		for row := range b.Rows {
			c.take(row)
			c.texts[row] = id
		}
	}
	for i := range b.columns {
		b.columns[i].finish(b.Rows)
	}
}

// column is the memory of a column's values, and its vector.
type column struct {
	spec   *spec
	valid  []uint64
	bools  []bool
	ints   []int64
	uints  []uint64
	floats []float64
	texts  []string
	stale  bool // texts of an earlier batch may be there
	vec    vector.Vector
}

// take notes that the row has a value. It reports false when it had one already.
func (c *column) take(row int) bool {
	w, bit := &c.valid[row>>6], uint64(1)<<(row&63)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	return true
}

// leave takes back what take did.
func (c *column) leave(row int) { c.valid[row>>6] &^= 1 << (row & 63) }

// zero sets the zero value.
func (c *column) zero(row int) {
	switch {
	case c.bools != nil:
		c.bools[row] = false
	case c.ints != nil:
		c.ints[row] = 0
	case c.uints != nil:
		c.uints[row] = 0
	case c.floats != nil:
		c.floats[row] = 0
	default:
		c.texts[row] = ""
	}
}

func (c *column) grow(room int) {
	c.valid = extend(c.valid, room/64)
	switch c.spec.kind.Kind {
	case vector.Bool:
		c.bools = extend(c.bools, room)
	case vector.Uint:
		c.uints = extend(c.uints, room)
	case vector.Float:
		c.floats = extend(c.floats, room)
	case vector.Text, vector.JSON:
		c.texts = extend(c.texts, room)
	default:
		c.ints = extend(c.ints, room)
	}
}

func extend[T any](s []T, n int) []T {
	longer := make([]T, n)
	copy(longer, s)
	return longer
}

// finish shows the values of rows rows in the vector. A row without one is NULL, or zero where there can be no NULL.
func (c *column) finish(rows int) {
	full := (rows + 63) / 64
	count := 0
	for _, w := range c.valid[:full] {
		count += bits.OnesCount64(w)
	}
	if count < rows && (c.spec.filled || c.texts != nil && (count > 0 || c.stale)) {
		c.clearRest(rows)
	}
	c.stale = count > 0
	c.vec.Valid = nil
	if count < rows && !c.spec.filled {
		c.vec.Valid = c.valid[:full]
	}
	c.vec.Bools = head(c.bools, rows)
	c.vec.Ints = head(c.ints, rows)
	c.vec.Uints = head(c.uints, rows)
	c.vec.Floats = head(c.floats, rows)
	c.vec.Texts = head(c.texts, rows)
}

func head[T any](s []T, n int) []T {
	if s == nil {
		return nil
	}
	return s[:n]
}

// clearRest sets the zero value in each row that has none. A text of an earlier batch must not stay where it points to
// memory that is not the batch's.
func (c *column) clearRest(rows int) {
	for row := range rows {
		if c.valid[row>>6]&(1<<(row&63)) == 0 {
			c.zero(row)
		}
	}
}
