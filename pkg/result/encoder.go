package result

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	flushAt = 128 << 10 // bytes that are collected before they go to the writer
	keepCap = 1 << 20   // a buffer that a long row made larger than this is given back
)

// cell appends the value in row i of v, which is not NULL, to dst.
type cell func(dst []byte, v *vector.Vector, i int) []byte

// column is what is the same in all rows of a column.
type column struct {
	before string // what comes before each value: the key, or the comma
	cell   cell
}

// frame is what a format puts around rows.
type frame struct {
	none  string // the whole answer when there are no rows
	first string // before the first row
	next  string // before every other row
	close string // after every row
	last  string // after the last row
	null  string
}

// encoder writes rows as text. What to append for a column is decided once, in Begin.
type encoder struct {
	w     io.Writer
	plan  func(cols []vector.Field) (frame, []column, error)
	frame frame
	cols  []column
	buf   []byte
	begun bool // a row was encoded
	sent  bool // something went to w
}

// Begin implements Writer. It writes nothing, so that a query that fails at once leaves w untouched.
func (e *encoder) Begin(cols []vector.Field) (err error) {
	if len(cols) == 0 {
		return errors.New("encode rows: the answer has no columns")
	}
	e.frame, e.cols, err = e.plan(cols)
	return err
}

// Write implements Writer. The first rows go to w at once; later ones wait until there are enough of them.
func (e *encoder) Write(b *vector.Batch) error {
	if len(b.Cols) != len(e.cols) {
		return fmt.Errorf("encode rows: the batch has %d columns, the answer has %d", len(b.Cols), len(e.cols))
	}
	if b.Rows == 0 {
		return nil
	}
	lead := e.frame.next
	if !e.begun {
		e.begun, lead = true, e.frame.first
	}
	for i := range b.Rows {
		e.buf = append(e.buf, lead...)
		e.buf = e.row(e.buf, b.Cols, i)
		lead = e.frame.next
		if len(e.buf) >= flushAt {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	if e.sent {
		return nil
	}
	return e.flush()
}

func (e *encoder) row(dst []byte, vecs []*vector.Vector, i int) []byte {
	for c, v := range vecs {
		col := &e.cols[c]
		dst = append(dst, col.before...)
		if v.IsNull(i) {
			dst = append(dst, e.frame.null...)
		} else {
			dst = col.cell(dst, v, i)
		}
	}
	return append(dst, e.frame.close...)
}

// End implements Writer.
func (e *encoder) End() error {
	if e.begun {
		e.buf = append(e.buf, e.frame.last...)
	} else {
		e.buf = append(e.buf, e.frame.none...)
	}
	return e.flush()
}

func (e *encoder) flush() error {
	if len(e.buf) == 0 {
		return nil
	}
	e.sent = true
	n, err := e.w.Write(e.buf)
	if err == nil && n < len(e.buf) {
		err = io.ErrShortWrite
	}
	e.buf = e.buf[:0]
	if cap(e.buf) > keepCap {
		e.buf = nil
	}
	return err
}

// unique gives a name to each column: a name that was there before gets the first suffix _1, _2, … that no column has.
func unique(cols []vector.Field) []string {
	taken := make(map[string]bool, len(cols))
	for _, c := range cols {
		taken[c.Name] = true
	}
	used := make(map[string]bool, len(cols))
	names := make([]string, len(cols))
	for i, c := range cols {
		name := c.Name
		for n := 1; used[name]; n++ {
			if next := c.Name + "_" + strconv.Itoa(n); !taken[next] {
				name = next
				taken[name] = true
			}
		}
		used[name] = true
		names[i] = name
	}
	return names
}
