package ingest

import (
	"errors"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// file is what a batch needs of its file. Tests let it fail.
type file interface {
	Write(b []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

// batch is an open batch file that inserts of one table share.
//
// Group commit: inserts add their rows to pending, and while there are any a committer writes all that is pending and
// syncs once; meanwhile the next group gathers. Turns count the inserts in the order in which they were added.
type batch struct {
	target
	id      string
	created time.Time
	path    string
	open    func() (file, error) // opens the file for appending
	metrics *Metrics

	mu       sync.Mutex
	changed  sync.Cond // on mu: a group is done
	f        file      // nil while its descriptor is not held; guarded by mu, but the committer's while there is one
	busy     bool      // there is a committer
	pending  segments
	turn     uint64 // the last that was added
	wantSync uint64 // the last that waits for the disk
	written  uint64 // the last that is in the file
	synced   uint64 // the last that is on disk
	length   int64  // of the file, without pending
	size     int64  // with pending
	rows     int    // with pending
	deadline time.Time
	closed   bool   // takes no more inserts
	reason   string // why it was closed
	failure  error  // of a write or sync: turns after written are lost
	uncut    bool   // the first length bytes are to be copied: the file could not be cut, or not synced after the failure
	columns  columns
}

// add puts an insert's rows in line and gives its turn and the number of its first row. It reports false when the batch
// is closed.
func (b *batch) add(r *request, rows int, seen []schema.Seen, sync bool) (turn uint64, first int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, 0, false
	}
	first = b.rows
	b.rows += rows
	b.size += r.size
	b.turn++
	if sync {
		b.wantSync = b.turn
	}
	b.pending.take(r)
	b.columns.merge(seen)
	b.start()
	return b.turn, first, true
}

// await returns when the insert of turn is in the file, and on disk if sync.
func (b *batch) await(turn uint64, sync bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.synced >= turn, !sync && b.written >= turn:
			return nil
		case b.failure != nil:
			return b.failure
		default:
			b.changed.Wait()
		}
	}
}

// start makes sure that there is a committer. It is a goroutine of its own, and not the first insert that waits, so
// that the next group begins the moment the last one ends: handing over between inserts took a fifth of the time. The
// caller holds mu.
func (b *batch) start() {
	if !b.busy {
		b.busy = true
		go b.commit()
	}
}

// commit writes group after group until nothing is pending.
func (b *batch) commit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.failure == nil && b.written < b.turn {
		b.group(b.wantSync)
	}
	b.busy = false
	b.changed.Broadcast()
}

// group writes what is pending, and syncs it when a turn up to sync waits for that. The caller holds mu, which is free
// meanwhile.
func (b *batch) group(sync uint64) {
	group, upTo := b.pending, b.turn
	b.pending = segments{}
	f, synced := b.f, b.synced
	b.mu.Unlock()
	n := group.bytes()
	err := b.ensure(&f)
	if err == nil {
		err = group.write(f)
	}
	if err == nil && sync > synced {
		start := time.Now()
		err = f.Sync()
		b.metrics.synced(time.Since(start))
	}
	group.release()
	b.mu.Lock()
	b.f = f
	if err != nil {
		b.fail(err)
	} else {
		b.length += n
		b.written = upTo
		if sync > synced {
			b.synced = upTo
		}
	}
	b.changed.Broadcast()
}

// ensure opens the file when its descriptor is not held.
func (b *batch) ensure(f *file) (err error) {
	if *f == nil {
		*f, err = b.open()
	}
	return err
}

// fail ends the batch after a failed write or sync: what the group left in the file is cut off, so that none of its
// inserts, which all get the error, is there in part. The caller holds mu.
func (b *batch) fail(err error) {
	b.closed = true
	b.failure = unwritable(err)
	b.pending.release()
	if b.f == nil {
		return
	}
	if terr := b.f.Truncate(b.length); terr != nil {
		b.uncut = true
		b.failure = errors.Join(b.failure, terr)
	}
}

func unwritable(err error) error {
	if diskFull(err) {
		return fault.New(fault.Busy, "disk_full", "the disk is full").Because(err).Retry(10 * time.Second)
	}
	return err
}

// finish closes the batch: what is pending is written, and all of it synced. It returns whether the file is whole, in
// which case what is known of its rows is too.
func (b *batch) finish() (whole bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for b.busy {
		b.changed.Wait()
	}
	if b.failure == nil && b.synced < b.turn {
		b.busy = true // so that the descriptor is not taken meanwhile
		b.group(b.turn)
		b.busy = false
	}
	whole = b.failure == nil
	if b.f == nil {
		b.uncut = b.uncut || !whole && b.length > 0 // its descriptor went before it was synced, or the sync failed
		return whole, nil
	}
	if !whole && !b.uncut {
		err = b.f.Sync()
	}
	err = errors.Join(err, b.f.Close())
	b.f = nil
	return whole, err
}

// rest closes the file's descriptor when nobody uses it just now, and reports whether it did.
func (b *batch) rest() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	if b.busy { // also while the file is being opened
		return false
	}
	if b.f == nil {
		return true
	}
	err := b.f.Close()
	b.f = nil
	if err != nil {
		b.fail(err)
		b.changed.Broadcast()
	}
	return true
}

// full gives the reason why the batch must be sealed now, empty when it need not. The caller holds mu.
func (b *batch) full(limit Rotation, columns int) string {
	switch {
	case b.closed:
		return ""
	case b.size >= limit.MaxBytes:
		return "bytes"
	case b.rows >= limit.MaxRows:
		return "rows"
	case len(b.columns.list) > columns:
		return "columns"
	default:
		return ""
	}
}

// dueAt gives when the batch is to be sealed.
func (b *batch) dueAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deadline
}
