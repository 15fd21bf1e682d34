package copier

import (
	"context"
	"fmt"
	"os"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// batchFile is a batch that was written to a file.
type batchFile struct {
	path string
	control.StagedBatch
}

// cutter is the Writer of a copy's answer: it writes the rows to files, a batch each.
type cutter struct {
	ctx       context.Context
	w         *Worker
	k         *keeper
	job       control.Job
	to        chan<- batchFile
	rows      *result.Rows
	mostBytes int64
	mostRows  int64

	file        *os.File // nil between two batches
	rows0, size int64    // what the answer had before this file
	batches     int
}

func newCutter(ctx context.Context, w *Worker, k *keeper, to chan<- batchFile) *cutter {
	c := &cutter{ctx: ctx, w: w, k: k, job: k.snapshot(), to: to}
	c.mostBytes, c.mostRows = w.cfg.Batch(c.job.Destination)
	c.rows = result.NewRows(toFile{c}, w.ids, w.cfg.RowBytes)
	return c
}

// Begin implements result.Writer.
func (c *cutter) Begin(cols []vector.Field) error { return c.rows.Begin(cols) }

// Write implements result.Writer.
func (c *cutter) Write(b *vector.Batch) error {
	for next := 0; next < b.Rows; {
		if err := c.open(); err != nil {
			return err
		}
		from, err := next, error(nil)
		if next, err = c.rows.WriteUpTo(b, from, c.rows0+c.mostRows, c.size+c.mostBytes); err != nil {
			return err
		}
		rows, size := c.rows.Count()
		c.k.count(func(j *control.Job) { j.Read.Rows, j.Read.Bytes = rows, size })
		c.w.metrics.read(c.job.Source, int64(next-from))
		if rows-c.rows0 >= c.mostRows || size-c.size >= c.mostBytes {
			if err := c.cut(); err != nil {
				return err
			}
		}
	}
	return nil
}

// End implements result.Writer. An answer without rows has one batch without rows, which makes the table.
func (c *cutter) End() error {
	if c.batches == 0 {
		if err := c.open(); err != nil {
			return err
		}
	}
	if c.file == nil {
		return nil
	}
	return c.cut()
}

// open begins a file unless there is one.
func (c *cutter) open() (err error) {
	if c.file != nil {
		return nil
	}
	if err := c.w.cfg.Room(); err != nil {
		return err
	}
	c.file, err = os.CreateTemp(c.w.cfg.Dir, "*.ndjson")
	return err
}

// cut completes the file and hands it on.
func (c *cutter) cut() error {
	if err := c.rows.End(); err != nil {
		return err
	}
	if err := durable.Data(c.file); err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	rows, size := c.rows.Count()
	c.batches++
	b := batchFile{c.file.Name(), control.StagedBatch{ID: batchID(c.job, c.batches), Run: c.job.Run, Rows: rows - c.rows0, Bytes: size - c.size}}
	select {
	case c.to <- b:
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	c.file, c.rows0, c.size = nil, rows, size
	c.k.count(func(j *control.Job) { j.Read.Batches++ })
	return nil
}

// drop removes a file that was not handed on.
func (c *cutter) drop() error {
	if c.file == nil {
		return nil
	}
	_ = c.file.Close() // it is closed already when it could not be handed on
	return os.Remove(c.file.Name())
}

// toFile is where the rows go: the file that there is.
type toFile struct{ c *cutter }

func (t toFile) Write(p []byte) (int, error) { return t.c.file.Write(p) }
