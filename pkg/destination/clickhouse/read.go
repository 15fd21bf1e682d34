package clickhouse

import (
	"errors"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// answer is the rows of a query as they come: one block after the other, in the same memory. Not for concurrent use.
type answer struct {
	heads   []vector.Field
	cols    []*columnReader
	out     vector.Batch
	odd     []bool // columns of types that package vector does not have; nil when there are none
	atStart bool   // the end of what could be read is the end of a block
}

// fields gives the columns.
func (a *answer) fields() []vector.Field { return a.heads }

// read reads the next block, as the protocol of that version has it.
func (a *answer) read(in *proto.Reader, version int) error {
	a.atStart = true
	if proto.FeatureBlockInfo.In(version) {
		if err := new(proto.BlockInfo).Decode(in); err != nil {
			return err
		}
		a.atStart = false
	}
	cols, err := in.Int()
	if err != nil {
		return err
	}
	a.atStart = false
	rows, err := in.Int()
	if err != nil {
		return err
	}
	if cols < 0 || cols > 1<<20 || rows < 0 || rows > 1<<30 {
		return fmt.Errorf("a block has %d columns and %d rows", cols, rows)
	}
	if cols == 0 {
		a.cols, a.out.Rows = nil, 0
		return nil
	}
	if len(a.cols) != cols {
		a.heads, a.cols, a.odd = make([]vector.Field, cols), make([]*columnReader, cols), nil
		a.out.Cols = make([]*vector.Vector, cols)
	}
	for i := range cols {
		if err := a.column(in, version, i, rows); err != nil {
			return noEnd(err)
		}
	}
	a.out.Rows = rows
	return nil
}

// noEnd says that an end is none that may be there.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	return err
}

// column reads column i.
func (a *answer) column(in *proto.Reader, version, i, rows int) error {
	name, err := in.Str()
	if err != nil {
		return err
	}
	text, err := in.Str()
	if err != nil {
		return err
	}
	if proto.FeatureCustomSerialization.In(version) {
		if custom, err := in.Bool(); err != nil || custom {
			return errors.Join(err, fmt.Errorf("column %q comes in a form that was not asked for", name))
		}
	}
	if c := a.cols[i]; c == nil || a.heads[i].Name != name || c.text != text {
		c, err := newColumnReader(parseType(text))
		if err != nil {
			if rows > 0 { // over HTTP no block without rows comes first
				return &oddError{}
			}
			if a.odd == nil {
				a.odd = make([]bool, len(a.cols))
			}
			a.odd[i] = true
			c = &columnReader{}
		}
		c.text = text
		a.cols[i], a.out.Cols[i], a.heads[i] = c, &c.vec, vector.Field{Name: name, Type: c.vec.Type}
	}
	if rows == 0 {
		return nil
	}
	c := a.cols[i]
	if c.read == nil {
		return fmt.Errorf("column %q has values of the type %s, which cannot be read", name, text)
	}
	if err := c.prefix(in); err != nil {
		return err
	}
	return c.readRows(in, rows)
}

// columnReader reads one column, or what is inside one. Its slices are memory that each block uses again.
type columnReader struct {
	vec   vector.Vector
	text  string // the type's
	read  func(c *columnReader, in *proto.Reader, n int) error
	start func(in *proto.Reader) error // reads what comes before the values of the whole column; nil: nothing does
	width int                          // of values that all have as many bytes
	scale int64                        // what the values of a timestamp are multiplied by

	nullable  bool
	valid     []uint64
	raw       []byte
	bools     []bool
	ints      []int64
	uints     []uint64
	floats    []float64
	wides     []vector.Wide
	texts     []string
	intervals []vector.IntervalValue
	at        []int // the ends of texts in raw
	spans     []vector.Span
	words     map[int]string

	elem   *columnReader // of an Array or Map, and the words of a LowCardinality
	fields []*columnReader
}

// prefix reads what comes before the values.
func (c *columnReader) prefix(in *proto.Reader) error {
	if c.start != nil {
		if err := c.start(in); err != nil {
			return err
		}
	}
	if c.elem != nil {
		if err := c.elem.prefix(in); err != nil {
			return err
		}
	}
	for _, f := range c.fields {
		if err := f.prefix(in); err != nil {
			return err
		}
	}
	return nil
}

// readRows reads n values, and which of them are NULL.
func (c *columnReader) readRows(in *proto.Reader, n int) error {
	c.vec.Valid = nil
	if c.nullable {
		if err := c.readNulls(in, n); err != nil {
			return err
		}
	}
	return c.read(c, in, n)
}

func (c *columnReader) readNulls(in *proto.Reader, n int) error {
	c.raw = resize(c.raw, n)
	if err := in.ReadFull(c.raw); err != nil {
		return err
	}
	c.valid = resize(c.valid, (n+63)/64)
	clear(c.valid)
	for i, isNull := range c.raw {
		if isNull == 0 {
			c.valid[i>>6] |= 1 << (i & 63)
		}
	}
	c.vec.Valid = c.valid
	return nil
}

// resize gives a slice of n elements, s itself when it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8)
	}
	return s[:n]
}

// bytes reads n values of that many bytes each.
func (c *columnReader) bytes(in *proto.Reader, n, width int) ([]byte, error) {
	c.raw = resize(c.raw, n*width)
	return c.raw, in.ReadFull(c.raw)
}

// oddError says that an answer has columns that package vector has no place for.
type oddError struct{}

func (*oddError) Error() string { return "the answer has columns of types that have no vector" }
