package result

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	batchRows  = 64 << 10 // rows of a record batch, about
	batchBytes = 8 << 20  // bytes of a record batch, about; it may be twice that, or more when one row is
)

// arrowBatches gathers an answer's rows into record batches: an engine's chunks are much smaller.
type arrowBatches struct {
	schema *arrow.Schema
	cols   []*arrowColumn
	names  []string // the columns' own names, for errors
	rows   int      // gathered
}

func newArrowBatches(f columnar, cols []vector.Field) (*arrowBatches, error) {
	if len(cols) == 0 {
		return nil, errors.New("encode rows: the answer has no columns")
	}
	a := &arrowBatches{}
	for _, c := range cols {
		a.names = append(a.names, c.Name)
	}
	var err error
	a.schema, a.cols, err = f.schema(cols)
	return a, err
}

// add gathers b's rows. When there are enough of them it gives them to each and begins anew.
func (a *arrowBatches) add(b *vector.Batch, each func(arrow.RecordBatch) error) error {
	if len(b.Cols) != len(a.cols) {
		return fmt.Errorf("encode rows: the batch has %d columns, the answer has %d", len(b.Cols), len(a.cols))
	}
	return a.addRows(b, 0, b.Rows, each)
}

// addRows adds the rows from … to-1, in halves when they are too many bytes.
func (a *arrowBatches) addRows(b *vector.Batch, from, to int, each func(arrow.RecordBatch) error) error {
	if to-from > 1 && weigh(b, from, to) > batchBytes {
		half := from + (to-from)/2
		if err := a.addRows(b, from, half, each); err != nil {
			return err
		}
		return a.addRows(b, half, to, each)
	}
	for i, c := range a.cols {
		if err := c.append(b.Cols[i], from, to); err != nil {
			return fmt.Errorf("encode column %q: %w", a.names[i], err)
		}
	}
	a.rows += to - from
	if a.rows >= batchRows || a.size() >= batchBytes {
		return a.flush(each)
	}
	return nil
}

// size is how many bytes were gathered.
func (a *arrowBatches) size() int {
	n := 0
	for _, c := range a.cols {
		n += c.size()
	}
	return n
}

func weigh(b *vector.Batch, from, to int) int {
	n := 0
	for _, v := range b.Cols {
		n += weight(v, from, to)
	}
	return n
}

// flush gives the rows that were gathered, if any, to each, which must not keep them.
func (a *arrowBatches) flush(each func(arrow.RecordBatch) error) error {
	if a.rows == 0 {
		return nil
	}
	columns := make([]arrow.Array, len(a.cols))
	for i, c := range a.cols {
		columns[i] = array.MakeFromData(c.data())
	}
	err := each(array.NewRecordBatch(a.schema, columns, int64(a.rows)))
	a.rows = 0
	for _, c := range a.cols {
		c.reset()
	}
	return err
}

// wholeWriter makes an error of a write that took less than all.
type wholeWriter struct{ w io.Writer }

func (w wholeWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
