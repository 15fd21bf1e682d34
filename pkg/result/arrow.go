package result

import (
	"bufio"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// arrowStream writes an answer as an Arrow IPC stream: the schema, record batches, and a mark at the end.
type arrowStream struct {
	w     *bufio.Writer // gathers the many small writes of a record batch; buffers go by it
	out   *ipc.Writer
	rows  *arrowBatches
	begun bool // a record batch went to w
}

// NewArrow encodes an answer as an Arrow IPC stream. It holds no more than one record batch of about 8 MiB.
func NewArrow(w io.Writer) Writer {
	return &arrowStream{w: bufio.NewWriterSize(wholeWriter{w}, flushAt)}
}

// Begin implements Writer. It writes nothing.
func (a *arrowStream) Begin(cols []vector.Field) (err error) {
	if a.rows, err = newArrowBatches(columnar{}, cols); err != nil {
		return err
	}
	a.out = ipc.NewWriter(a.w, ipc.WithSchema(a.rows.schema))
	return nil
}

// Write implements Writer. The schema and the first rows go to w at once; later ones wait until there are enough.
func (a *arrowStream) Write(b *vector.Batch) error {
	if err := a.rows.add(b, a.out.Write); err != nil {
		return err
	}
	if a.begun || b.Rows == 0 {
		return nil
	}
	a.begun = true
	if err := a.rows.flush(a.out.Write); err != nil {
		return err
	}
	return a.w.Flush()
}

// End implements Writer.
func (a *arrowStream) End() error {
	if err := a.rows.flush(a.out.Write); err != nil {
		return err
	}
	if err := a.out.Close(); err != nil {
		return fmt.Errorf("end the arrow stream: %w", err)
	}
	return a.w.Flush()
}
