package ingest

import (
	"errors"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// batch is an open batch file that inserts of one table share.
//
// Group commit: inserts add their rows to a group, and while there is one a committer writes and syncs it; meanwhile the
// next group gathers. Each group wakes its own inserts and no others.
type batch struct {
	target
	id      string
	created time.Time
	path    string
	open    func(length int64) (file, error) // opens the file, of which length bytes are rows
	metrics *Metrics

	mu       sync.Mutex
	settled  sync.Cond // on mu: busy has ended
	f        file      // nil while its descriptor is not held; guarded by mu, but the committer's while busy
	busy     bool      // somebody writes: the committer, or finish
	next     *group    // gathers; nil when nothing is pending
	crowd    crowd
	unsynced bool  // the file has rows that are not on disk yet
	length   int64 // of the file
	size     int64 // with what is pending
	rows     int   // with what is pending
	deadline time.Time
	closed   bool   // takes no more inserts
	reason   string // why it was closed
	failure  error  // of a write or sync: what was not written then is lost
	uncut    bool   // the first length bytes are to be copied: the file could not be cut, or not synced after the failure
	finished bool   // nobody writes any more, and but for uncut the file is as it is to be
	thinned  bool   // inserts were left out of the file: what is known of its rows is of more
	columns  columns
	parts    parts
	keyed    []*control.KeyedInsert // of the groups that were written
	keys     int                    // with what is pending
}

// group is the inserts that are written together.
type group struct {
	inserts int
	rows    segments
	sync    bool // one of them waits for the disk
	keyed   []*control.KeyedInsert
	done    chan struct{} // closed when they are in the file, and on disk if sync, or lost
	err     error         // why they are lost; read after done
}

// await waits for the group to be done.
func (g *group) await() error {
	<-g.done
	return g.err
}

// end wakes the group's inserts.
func (g *group) end(err error) {
	g.rows.release()
	g.err = err
	close(g.done)
}

// add puts an insert's rows into the group that gathers, and gives it and the number of the first row. It reports false
// when the batch is closed.
func (b *batch) add(r *request, sync bool) (g *group, first int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, 0, false
	}
	first = b.rows
	b.rows += r.count
	b.size += r.size
	if b.next == nil {
		b.next = &group{done: make(chan struct{})}
	}
	b.next.sync = b.next.sync || sync
	b.next.rows.take(r)
	b.next.inserts++
	b.columns.merge(r.seen)
	b.parts.merge(r.parts)
	if r.keyed != nil {
		r.keyed.Batch, r.keyed.Receipt = b.id, rowid.Receipt(b.id, first, r.count)
		b.next.keyed = append(b.next.keyed, r.keyed)
		b.keys++
	}
	b.crowd.joined(b.next.inserts)
	b.start()
	return b.next, first, true
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

// commit writes group after group until none gathers.
func (b *batch) commit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.next != nil {
		b.gather()
		b.write()
	}
	b.idle()
}

// idle says that nobody writes any more. The caller holds mu.
func (b *batch) idle() {
	b.busy = false
	b.settled.Broadcast()
}

// gather waits for the inserts that are likely to join the group soon. The caller holds mu, which is free meanwhile.
func (b *batch) gather() {
	if b.closed || !b.crowd.expect(b.next.inserts) {
		return
	}
	b.mu.Unlock()
	b.crowd.wait()
	b.mu.Lock()
}

// write writes the group that gathered, and syncs it when one of its inserts waits for that. The caller holds mu, which
// is free meanwhile, and is the one who is busy.
func (b *batch) write() {
	g := b.next
	b.next = nil
	if b.failure != nil {
		g.end(b.failure)
		return
	}
	f, length := b.f, b.length
	b.mu.Unlock()
	n := g.rows.bytes()
	err := b.ensure(&f, length)
	if err == nil {
		err = g.rows.write(f)
	}
	if err == nil && g.sync {
		err = b.sync(f)
	}
	b.mu.Lock()
	b.f = f
	if err != nil {
		b.fail(err)
		g.end(b.failure)
		return
	}
	b.length += n
	b.unsynced = !g.sync
	b.keyed = append(b.keyed, g.keyed...)
	b.crowd.served(g.inserts, b.next)
	g.end(nil)
}

func (b *batch) sync(f file) error {
	start := time.Now()
	err := f.Sync()
	took := time.Since(start)
	b.metrics.synced(took)
	b.crowd.patience = took
	return err
}

// ensure opens the file when its descriptor is not held.
func (b *batch) ensure(f *file, length int64) (err error) {
	if *f == nil {
		*f, err = b.open(length)
	}
	return err
}

// fail ends the batch after a failed write or sync: what the group left in the file is cut off, so that none of its
// inserts, which all get the error, is there in part. The caller holds mu.
func (b *batch) fail(err error) {
	b.closed = true
	b.failure = unwritable(err)
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
// which case what is known of its rows is too. Once that was done it does nothing more: the file may have gone on.
func (b *batch) finish() (whole bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for b.busy {
		b.settled.Wait()
	}
	if b.failure == nil && b.unsynced {
		b.busy = true // so that the descriptor is not taken meanwhile
		b.next = &group{sync: true, done: make(chan struct{})}
		b.write()
		b.idle()
	}
	whole = b.failure == nil
	if b.finished {
		return whole, nil
	}
	if b.f == nil {
		b.finished = true
		b.uncut = b.uncut || !whole && b.length > 0 // its descriptor went before it was synced, or the sync failed
		return whole, nil
	}
	if !whole && !b.uncut {
		err = b.f.Sync()
	}
	if cerr := b.f.Close(); cerr != nil {
		b.uncut, err = true, errors.Join(err, cerr)
	}
	b.f = nil
	b.finished = err == nil
	return whole, err
}

// takeKeyed gives the keyed inserts that are in the file, once.
func (b *batch) takeKeyed() []*control.KeyedInsert {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.keyed
	b.keyed = nil
	return list
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
	}
	return true
}

// maxBatchKeys is the most keyed inserts of a batch: they are kept in memory until it is sealed.
const maxBatchKeys = 50_000

// full gives the reason why the batch must be sealed now, empty when it need not. The caller holds mu.
func (b *batch) full(limit Rotation, limits flatten.Limits) string {
	switch {
	case b.closed:
		return ""
	case b.size >= limit.MaxBytes:
		return "bytes"
	case b.rows >= limit.MaxRows:
		return "rows"
	case b.keys >= maxBatchKeys:
		return "keys"
	case max(len(b.columns.list), b.parts.widest) > limits.Columns:
		return "columns"
	case len(b.parts.list) > limits.Tables:
		return "tables"
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
