package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

const (
	// lookEvery is how often open batches are looked at, while there are any.
	lookEvery = 25 * time.Millisecond
	// sealers is how many batches are sealed at a time: each waits for the disk several times.
	sealers = 8
	// sealAgain is when a batch that could not be sealed is tried again.
	sealAgain = time.Second
)

// due hands a batch that no table has open any more to Run.
func (w *Writer) due(tab *table, b *batch) {
	w.mu.Lock()
	w.full = append(w.full, dueBatch{tab, b})
	w.mu.Unlock()
	w.wake()
}

type dueBatch struct {
	tab *table
	b   *batch
}

// Run seals batches when they are due. When ctx ends it refuses new inserts, waits for those in progress, seals every
// batch, and returns nil.
func (w *Writer) Run(ctx context.Context) error {
	var pruning sync.WaitGroup
	defer pruning.Wait()
	pruning.Go(func() { w.keys.prune(ctx) })
	look := time.NewTimer(0)
	defer look.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-w.poke:
		case <-look.C:
		}
		left := w.sealDue(time.Now())
		look.Stop()
		if left {
			look.Reset(lookEvery)
		}
	}
	w.stop()
	w.sealDue(time.Time{})
	w.shelf.close()
	return nil
}

// stop refuses new inserts and waits for those in progress.
func (w *Writer) stop() {
	w.mu.Lock()
	w.stopping = true
	if w.running == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
	<-w.idle
}

// sealDue seals the batches whose time has come by now, all of them when now is zero, and reports whether others are
// open.
func (w *Writer) sealDue(now time.Time) (left bool) {
	due, left := w.collect(now)
	var g errgroup.Group
	g.SetLimit(sealers)
	for _, d := range due {
		g.Go(func() error {
			w.seal(d)
			return nil
		})
	}
	_ = g.Wait() // the goroutines return nil: a batch that could not be sealed is tried again
	return left
}

// collect takes the batches that are due, and forgets tables without an open batch.
func (w *Writer) collect(now time.Time) (due []dueBatch, left bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.full {
		if now.IsZero() || !now.Before(d.b.dueAt()) {
			due = append(due, d)
		}
	}
	w.full = remove(w.full, due)
	for t, tab := range w.tables {
		tab.mu.Lock()
		b := tab.current
		switch {
		case b == nil:
			if w.running == 0 || now.IsZero() {
				delete(w.tables, t)
			}
		case now.IsZero() || !now.Before(b.dueAt()):
			tab.current = nil
			due = append(due, dueBatch{tab, b})
		default:
			left = true
		}
		tab.mu.Unlock()
	}
	return due, left || len(w.full) > 0
}

func remove(list, out []dueBatch) []dueBatch {
	if len(out) == len(list) {
		return nil
	}
	gone := make(map[*batch]bool, len(out))
	for _, d := range out {
		gone[d.b] = true
	}
	var kept []dueBatch
	for _, d := range list {
		if !gone[d.b] {
			kept = append(kept, d)
		}
	}
	return kept
}

// seal makes d's batch ready. When that fails the batch stays where it is and is tried again.
func (w *Writer) seal(d dueBatch) {
	b := d.b
	whole, err := b.finish()
	w.files.forget(b)
	if err == nil {
		w.keys.hold(b.id, b.takeKeyed()...)
		err = w.leaveOutOpen(context.Background(), b)
	}
	if err == nil {
		err = w.shelve(b, whole && !b.thinned) // what is left is scanned
	}
	if err == nil {
		return
	}
	w.log.Error("batch not sealed, will retry", "batch", b.id, "destination", b.destination, "table", b.table.String(), "err", err)
	b.mu.Lock()
	b.deadline = time.Now().Add(sealAgain)
	b.mu.Unlock()
	w.due(d.tab, b)
}

// shelve moves b's file to the ready folder and puts the batch on the shelf. A batch whose every insert failed has no
// rows, and goes.
func (w *Writer) shelve(b *batch, whole bool) error {
	if b.uncut {
		if err := w.copyPrefix(b); err != nil {
			return err
		}
	}
	if b.length == 0 {
		w.metrics.open.Dec()
		w.shelf.gone(b.id)
		return durable.Remove(b.path)
	}
	dir, err := w.folders.make(ready, b.target)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, b.id+batchSuffix)
	if whole { // of one that is not, the rows that failed are counted: it is scanned
		s := sidecar{Rows: int64(b.rows), Bytes: b.length, Seen: b.columns.list, Parts: b.parts.all(), Created: b.created}
		if err := s.write(path); err != nil {
			w.log.Warn("sidecar not written, the batch will be scanned", "batch", b.id, "err", err)
		}
	}
	if err := move(b.path, path); err != nil {
		return err
	}
	w.metrics.open.Dec()
	w.metrics.waiting.Inc()
	w.metrics.sealed.WithLabelValues(reasonOf(b, whole)).Inc()
	w.log.Debug("batch sealed", "batch", b.id, "destination", b.destination, "table", b.table.String(), "rows", b.rows, "bytes", b.length)
	w.shelf.put(sealed{b.target, b.id, path}, b.length, b.created)
	return nil
}

// move renames a batch file. When an earlier try did so and failed after that, it only makes the names durable.
func move(from, to string) error {
	_, err := os.Stat(from)
	if _, terr := os.Stat(to); errors.Is(err, fs.ErrNotExist) && terr == nil {
		return errors.Join(durable.SyncDir(filepath.Dir(to)), durable.SyncDir(filepath.Dir(from)))
	}
	return durable.Rename(from, to)
}

func reasonOf(b *batch, whole bool) string {
	switch {
	case !whole:
		return "failed"
	case b.reason == "":
		return "age"
	default:
		return b.reason
	}
}

// copyPrefix replaces a file that could not be cut by a copy of what is good of it.
func (w *Writer) copyPrefix(b *batch) (err error) {
	from, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, path, err := w.createIncoming()
	if err != nil {
		return err
	}
	if _, err = io.CopyN(to, from, b.length); err == nil {
		err = durable.Data(to)
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = durable.Rename(path, b.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy the good part of batch %s: %w", b.id, err), durable.Remove(path))
	}
	b.uncut = false
	return nil
}
