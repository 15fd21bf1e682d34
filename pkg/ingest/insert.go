package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Ack is when an insert is answered.
type Ack string

// The acknowledgements. That rows are loaded is told by their receipt.
const (
	AckMemory Ack = "memory" // written; survives the process, not a power loss
	AckDisk   Ack = "disk"   // synced
)

// Options is what an insert may ask for.
type Options struct {
	Ack    Ack
	Mode   flatten.Mode
	RowIDs bool   // give the rows' ids
	Hurry  bool   // seal the batch soon: somebody waits for the rows to be loaded
	Key    string // the idempotency key: the same insert with the same key is stored once. Empty means none
}

// Inserted is what an insert did.
type Inserted struct {
	Rows     int    // of all tables
	Receipt  string // empty when there were no rows
	Batch    string
	RowIDs   []string
	Replayed bool // it was done before, under the same idempotency key
}

// The most ids that one insert may ask for.
const (
	maxRowIDs      = 1_000_000
	maxKeyedRowIDs = 10_000 // with an idempotency key, as they are remembered with it
	// The most bytes of those: as many as are found in a batch file after a crash, however they are escaped there.
	maxKeyedRowIDBytes = (4 << 20) / len(`\u0000`)
)

// Insert flattens body's rows and keeps them: all of them, or none when it returns an error. Without a table the body is
// an envelope that names it.
func (w *Writer) Insert(ctx context.Context, destination string, table schema.Table, body io.Reader, o Options) (Inserted, error) {
	if err := w.begin(destination); err != nil {
		return Inserted{}, err
	}
	defer w.end()
	t := target{destination, table}
	if o.Key != "" {
		return w.insertOnce(ctx, t, body, o)
	}
	return w.insert(ctx, t, body, o, nil)
}

// insert does Insert's work. With once it is one that has an idempotency key.
func (w *Writer) insert(ctx context.Context, t target, body io.Reader, o Options, once *once) (in Inserted, err error) {
	r := &request{budget: w.budget, inline: w.cfg.Inline, create: w.createIncoming}
	defer func() { err = errors.Join(err, r.discardIf(err != nil)) }()
	ids := idList{wanted: o.RowIDs, most: maxRowIDs, mostBytes: math.MaxInt}
	if once != nil {
		ids.most, ids.mostBytes = maxKeyedRowIDs, maxKeyedRowIDBytes
	}
	warm := w.table(t)
	fl := warm.flattener(w.cfg.Limits)
	rows, err := fl.Flatten(body, flatten.Options{Mode: o.Mode, Table: t.table, Envelope: t.table.IsZero()}, w.ids, r, ids.each())
	if err == nil {
		err = errors.Join(ids.err(), ctx.Err())
	}
	if err != nil || rows == 0 {
		warm.keep(fl)
		return in, err
	}
	tab := warm
	if t.table.IsZero() {
		t.table = fl.Table()
		tab = w.table(t)
	}
	r.learn(fl, rows)
	if once != nil {
		r.keyed = once.read(rows, ids.list)
	}
	if r.file != nil {
		in, err = w.insertOwn(ctx, t, r)
		warm.keep(fl)
	} else {
		in, err = w.insertShared(t, tab, r, o, func() { warm.keep(fl) })
	}
	if err != nil {
		return Inserted{}, err
	}
	warm.accepted.insert(rows, r.size)
	w.disk.took(r.size)
	in.RowIDs = ids.list
	return in, nil
}

// insertShared adds the rows to the table's open batch and waits for its group commit. It calls learnt when the batch
// knows the columns: the flattener goes back before the wait, so that as few are warm as there are processors.
func (w *Writer) insertShared(t target, tab *table, r *request, o Options, learnt func()) (Inserted, error) {
	r.rows.mark(r.keyed)
	r.size = r.rows.bytes()
	sync := o.Ack != AckMemory
	for {
		b, err := w.current(t, tab)
		if err != nil {
			learnt()
			return Inserted{}, err
		}
		g, first, ok := b.add(r, sync)
		if !ok {
			w.drop(tab, b)
			continue
		}
		learnt()
		w.consider(tab, b, o.Hurry)
		if err := g.await(); err != nil {
			return Inserted{}, fmt.Errorf("write to batch %s: %w", b.id, err)
		}
		return Inserted{Rows: r.count, Batch: b.id, Receipt: rowid.Receipt(b.id, first, r.count)}, nil
	}
}

// insertOwn makes the file of a large insert a ready batch.
func (w *Writer) insertOwn(ctx context.Context, t target, r *request) (in Inserted, err error) {
	if err := r.finish(); err != nil {
		return in, err
	}
	dir, err := w.folders.make(ready, t)
	if err != nil {
		return in, unwritable(err)
	}
	id, now := w.ids.Batch(), time.Now()
	path := filepath.Join(dir, id+batchSuffix)
	in = Inserted{Rows: r.count, Batch: id, Receipt: rowid.Receipt(id, 0, r.count)}
	s := sidecar{Rows: int64(r.count), Bytes: r.size, Seen: r.seen, Parts: sorted(r.parts), Created: now, Keyed: r.keyed != nil}
	if err := s.write(path); err != nil {
		w.log.Warn("sidecar not written, the batch will be scanned", "batch", id, "err", err)
	}
	if err := durable.Rename(r.path, path); err != nil {
		return Inserted{}, unwritable(errors.Join(err, durable.Remove(path), durable.Remove(sidecarOf(path))))
	}
	r.file = nil // the shelf's from now on
	if r.keyed != nil {
		r.keyed.Batch, r.keyed.Receipt = id, in.Receipt
		w.keys.hold(id, r.keyed)
		there, err := w.keys.flush(ctx, id)
		if err != nil {
			w.log.Warn("idempotency key not noted yet, will retry", "batch", id, "err", err)
		}
		if known, ok := there[place{t.destination, r.keyed.Key}]; ok {
			err := w.dropOwn(sealed{t, id, path})
			return Inserted{Rows: known.Rows, Receipt: known.Receipt, Batch: known.Batch, RowIDs: known.RowIDs, Replayed: true}, err
		}
	}
	w.metrics.sealed.WithLabelValues("own").Inc()
	w.metrics.waiting.Inc()
	w.shelf.put(sealed{t, id, path}, r.size, now)
	return in, nil
}

// createIncoming makes the file of a large insert.
func (w *Writer) createIncoming() (*os.File, string, error) {
	path := filepath.Join(w.cfg.Dir, incoming, w.ids.New()+batchSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	return f, path, err
}

// idList gathers row ids for an insert that wants them.
type idList struct {
	wanted    bool
	most      int
	mostBytes int // of all of them
	list      []string
	bytes     int
	more      bool
}

func (l *idList) each() func([]byte) {
	if !l.wanted {
		return nil
	}
	return func(id []byte) {
		l.bytes += len(id)
		if l.more = l.more || len(l.list) == l.most || l.bytes > l.mostBytes; !l.more {
			l.list = append(l.list, string(id))
		}
	}
}

func (l *idList) err() error {
	if l.more && l.bytes > l.mostBytes {
		return fault.New(fault.Unprocessable, "too_many_row_ids", "row_ids of at most %d bytes can be asked for with an Idempotency-Key", l.mostBytes)
	}
	if l.more {
		return fault.New(fault.Unprocessable, "too_many_row_ids", "row_ids can be asked for inserts of at most %d rows", l.most)
	}
	return nil
}
