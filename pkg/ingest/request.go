package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// budget is the memory that the rows of all inserts in progress share.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

// request is the rows of one insert, until all of them are there: in memory while they are few, else in a file of
// their own. It is the writer that flattened rows go to; each write holds whole rows.
type request struct {
	budget *budget
	inline int64                            // the most bytes kept in memory
	create func() (*os.File, string, error) // makes the file of its own and gives its path

	// What is known of the rows, once all of them are there.
	count int
	seen  []schema.Seen // good until the flattener is used again, as parts are
	parts []schema.Part
	keyed *control.KeyedInsert // nil without an idempotency key

	rows  segments
	held  int64 // bytes taken from budget
	size  int64
	file  *os.File // nil while the rows are in memory
	path  string
	spill *bufio.Writer
}

// learn notes what fl knows of the rows, which are count.
func (r *request) learn(fl *flatten.Flattener, count int) {
	r.count, r.seen, r.parts = count, fl.Seen(), fl.Parts()
}

// Write takes the next rows.
func (r *request) Write(p []byte) (int, error) {
	if r.file == nil && !r.keep(int64(len(p))) {
		if err := r.startSpill(); err != nil {
			return 0, err
		}
	}
	r.size += int64(len(p))
	if r.file != nil {
		n, err := r.spill.Write(p)
		return n, unwritableIf(err)
	}
	r.rows.add(p)
	return len(p), nil
}

func unwritableIf(err error) error {
	if err == nil {
		return nil
	}
	return unwritable(err)
}

// keep reports whether n more bytes may stay in memory. Small inserts always may: together they have less than one
// chunk for each connection.
func (r *request) keep(n int64) bool {
	if r.size+n <= gatherBelow {
		return true
	}
	if r.size+n > r.inline || !r.budget.take(n) {
		return false
	}
	r.held += n
	return true
}

// startSpill moves the rows to a file of their own.
func (r *request) startSpill() (err error) {
	if r.file, r.path, err = r.create(); err != nil {
		return unwritable(fmt.Errorf("make a file for a large insert: %w", err))
	}
	r.spill = bufio.NewWriterSize(r.file, chunkSize)
	err = r.rows.write(r.spill)
	r.forget()
	return unwritableIf(err)
}

// forget gives the memory back.
func (r *request) forget() {
	r.rows.release()
	r.budget.used.Add(-r.held)
	r.held = 0
}

// finish makes the file of its own whole and durable.
func (r *request) finish() error {
	err := r.spill.Flush()
	if err == nil && r.keyed != nil {
		tail := rowMark(r.keyed)
		_, err = r.file.WriteAt(tail, r.size-int64(len(rowEnd)))
		r.size += int64(len(tail) - len(rowEnd))
	}
	if err == nil {
		err = durable.Data(r.file)
	}
	return unwritableIf(errors.Join(err, r.file.Close()))
}

// discardIf gives the memory back, and throws the rows away when the insert failed.
func (r *request) discardIf(failed bool) error {
	if !failed {
		r.forget()
		return nil
	}
	return r.discard()
}

// discard throws the rows away.
func (r *request) discard() error {
	r.forget()
	if r.file == nil {
		return nil
	}
	_ = r.file.Close() // closed already when finish failed; the file goes all the same
	return durable.Remove(r.path)
}
