package result

import (
	"bufio"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	groupRows  = 1 << 20  // rows of a row group, at most
	groupBytes = 64 << 20 // bytes of a row group before they are compressed, about
)

// parquetFile writes an answer as a Parquet file. Its footer, without which nothing can be read, comes with End.
type parquetFile struct {
	w     *bufio.Writer
	out   *pqarrow.FileWriter
	rows  *arrowBatches
	group struct{ rows, bytes int } // of the row group that is open
}

// NewParquet encodes an answer as a Parquet file, compressed with Snappy, which every reader knows. It writes row group
// by row group, front to back, and holds one of them: about 64 MiB before compression, and a record batch.
func NewParquet(w io.Writer) Writer {
	return &parquetFile{w: bufio.NewWriterSize(wholeWriter{w}, flushAt)}
}

// Begin implements Writer. What it writes stays in the buffer: none of it goes to w before the first row group is full.
func (p *parquetFile) Begin(cols []vector.Field) (err error) {
	if p.rows, err = newArrowBatches(columnar{intervalText: true}, cols); err != nil {
		return err
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithStoreDecimalAsInteger(true),
		parquet.WithMaxRowGroupLength(groupRows), parquet.WithCreatedBy("scratchdata"))
	p.out, err = pqarrow.NewFileWriter(p.rows.schema, p.w, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return fmt.Errorf("begin the parquet file: %w", err)
	}
	return nil
}

// Write implements Writer.
func (p *parquetFile) Write(b *vector.Batch) error { return p.rows.add(b, p.put) }

// put adds a record batch to the row group that is open, or to a new one when that is full.
func (p *parquetFile) put(b arrow.RecordBatch) error {
	if p.group.bytes >= groupBytes || p.group.rows+int(b.NumRows()) > groupRows {
		if err := p.out.NewBufferedRowGroupChecked(); err != nil {
			return fmt.Errorf("begin a row group: %w", err)
		}
		p.group.rows, p.group.bytes = 0, 0
	}
	if err := p.out.WriteBuffered(b); err != nil {
		return fmt.Errorf("write to a row group: %w", err)
	}
	p.group.rows += int(b.NumRows())
	p.group.bytes += p.rows.size()
	return nil
}

// End implements Writer.
func (p *parquetFile) End() error {
	if err := p.rows.flush(p.put); err != nil {
		return err
	}
	if err := p.out.Close(); err != nil {
		return fmt.Errorf("end the parquet file: %w", err)
	}
	return p.w.Flush()
}
