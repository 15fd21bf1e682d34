package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
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
	RowIDs bool // give the rows' ids
	Hurry  bool // seal the batch soon: somebody waits for the rows to be loaded
}

// Inserted is what an insert did.
type Inserted struct {
	Rows    int
	Receipt string // empty when there were no rows
	Batch   string
	RowIDs  []string
}

// maxRowIDs is the most ids that one insert may ask for.
const maxRowIDs = 1_000_000

// Writer takes inserts and keeps their rows until they are shipped. Safe for concurrent use.
type Writer struct {
	cfg      Config
	ids      *rowid.Source
	log      *slog.Logger
	metrics  *Metrics
	folders  *folders
	shelf    *shelf
	disk     *disk
	budget   *budget
	files    *descriptors
	openFile opener        // tests let it fail
	poke     chan struct{} // wakes Run: a batch may be due

	mu       sync.Mutex
	tables   map[target]*table // that had an insert lately; guarded by mu, as are the rest
	full     []dueBatch        // batches that no table has open any more, to be sealed
	stopping bool
	running  int           // inserts in progress
	idle     chan struct{} // closed when stopping and running is 0
}

// table is what the inserts of one target share.
type table struct {
	accepted   accepted
	flatteners sync.Pool // of *flatten.Flattener, warm with the table's columns

	mu      sync.Mutex
	current *batch // the open batch, nil when there is none; guarded by mu
}

// Open opens the writer and recovers what a crash left. The caller makes sure that no other process has the folder.
func Open(cfg Config, ids *rowid.Source, log *slog.Logger, m *Metrics) (*Writer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &Writer{cfg: cfg, ids: ids, log: log, metrics: m, shelf: newShelf(), files: &descriptors{most: cfg.OpenFiles},
		folders: &folders{root: cfg.Dir, known: make(map[string]bool)},
		disk:    &disk{least: cfg.FreeSpace, free: func() (int64, error) { return freeSpace(cfg.Dir) }},
		budget:  &budget{limit: cfg.Memory}, openFile: openBatchFile,
		tables: make(map[target]*table), poke: make(chan struct{}, 1), idle: make(chan struct{})}
	for _, state := range [...]string{incoming, open, ready, aside} {
		if err := durable.MkdirAll(filepath.Join(cfg.Dir, state)); err != nil {
			return nil, fmt.Errorf("make the folders for batches: %w", err)
		}
	}
	if err := w.recover(); err != nil {
		return nil, fmt.Errorf("recover the batches in %s: %w", cfg.Dir, err)
	}
	return w, nil
}

// Insert flattens body's rows and keeps them: all of them, or none when it returns an error.
func (w *Writer) Insert(ctx context.Context, destination string, name schema.Table, body io.Reader, o Options) (in Inserted, err error) {
	if err := w.begin(); err != nil {
		return in, err
	}
	defer w.end()
	t := target{destination, name}
	tab := w.table(t)
	r := &request{budget: w.budget, inline: w.cfg.Inline, create: w.createIncoming}
	defer func() { err = errors.Join(err, r.discardIf(err != nil)) }()
	ids := idList{wanted: o.RowIDs}
	fl := tab.flattener(w.cfg.Limits)
	rows, err := fl.Flatten(body, w.ids, r, ids.each())
	if err == nil {
		err = errors.Join(ids.err(), ctx.Err())
	}
	if err != nil || rows == 0 {
		tab.keep(fl)
		return in, err
	}
	if r.file != nil {
		in, err = w.insertOwn(t, r, rows, fl.Seen())
		tab.keep(fl)
	} else {
		in, err = w.insertShared(t, tab, r, rows, fl, o)
	}
	if err != nil {
		return Inserted{}, err
	}
	tab.accepted.insert(rows, r.size)
	in.RowIDs = ids.list
	return in, nil
}

// begin counts an insert in, or refuses it.
func (w *Writer) begin() error {
	if err := w.disk.check(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return stopping()
	}
	w.running++
	return nil
}

func stopping() error {
	return fault.New(fault.Closed, "shutting_down", "the server is shutting down").Retry(5 * time.Second)
}

func (w *Writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.stopping && w.running == 0 {
		close(w.idle)
	}
}

// Check says why inserts are refused just now, nil when they are not.
func (w *Writer) Check() error {
	w.mu.Lock()
	stop := w.stopping
	w.mu.Unlock()
	if stop {
		return stopping()
	}
	return w.disk.check()
}

func (w *Writer) table(t target) *table {
	w.mu.Lock()
	defer w.mu.Unlock()
	tab, ok := w.tables[t]
	if !ok {
		tab = &table{accepted: w.metrics.accepted(t.destination)}
		w.tables[t] = tab
	}
	return tab
}

func (t *table) flattener(l flatten.Limits) *flatten.Flattener {
	if f, ok := t.flatteners.Get().(*flatten.Flattener); ok {
		return f
	}
	return flatten.New(l)
}

func (t *table) keep(f *flatten.Flattener) { t.flatteners.Put(f) }

// insertShared adds the rows to the table's open batch and waits for its group commit.
// The flattener goes back before the wait: so that as few are warm as there are processors.
func (w *Writer) insertShared(t target, tab *table, r *request, rows int, fl *flatten.Flattener, o Options) (Inserted, error) {
	r.rows.mark()
	r.size++
	sync := o.Ack != AckMemory
	for {
		b, err := w.current(t, tab)
		if err != nil {
			tab.keep(fl)
			return Inserted{}, err
		}
		g, first, ok := b.add(r, rows, fl.Seen(), sync)
		if !ok {
			w.drop(tab, b)
			continue
		}
		tab.keep(fl)
		w.consider(tab, b, o.Hurry)
		if err := g.await(); err != nil {
			return Inserted{}, fmt.Errorf("write to batch %s: %w", b.id, err)
		}
		return Inserted{Rows: rows, Batch: b.id, Receipt: rowid.Receipt(b.id, first, rows)}, nil
	}
}

// current gives the table's open batch, a new one when there is none.
func (w *Writer) current(t target, tab *table) (*batch, error) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	if tab.current != nil {
		return tab.current, nil
	}
	dir, err := w.folders.make(open, t)
	if err != nil {
		return nil, unwritable(err)
	}
	now := time.Now()
	b := &batch{target: t, id: w.ids.Batch(), created: now, deadline: now.Add(w.cfg.rotationOf(t.destination).MaxAge), metrics: w.metrics}
	b.settled.L = &b.mu
	b.path = filepath.Join(dir, b.id+batchSuffix)
	b.open = func(length int64) (file, error) { return w.files.open(b, length, w.openFile) }
	tab.current = b
	w.shelf.opened(t, b.id, now)
	w.metrics.open.Inc()
	w.wake()
	return b, nil
}

// drop hands b, which takes no more inserts, to Run, so that the table's next insert opens another. It is handed over
// once: by the insert that filled it, or the next one.
func (w *Writer) drop(tab *table, b *batch) {
	tab.mu.Lock()
	mine := tab.current == b
	if mine {
		tab.current = nil
	}
	tab.mu.Unlock()
	if mine {
		w.due(tab, b)
	}
}

// wake lets Run look for batches that are due.
func (w *Writer) wake() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// hurryAfter is how long a batch still gathers inserts when somebody waits for one of them to be loaded.
const hurryAfter = 20 * time.Millisecond

// consider brings b's deadline forward when it is full, or when somebody waits.
func (w *Writer) consider(tab *table, b *batch, hurry bool) {
	limit := w.cfg.rotationOf(b.destination)
	b.mu.Lock()
	full := b.full(limit, w.cfg.Limits.Columns)
	switch {
	case full != "":
		b.closed, b.reason, b.deadline = true, full, time.Time{}
	case hurry:
		if soon := time.Now().Add(hurryAfter); soon.Before(b.deadline) {
			b.deadline = soon
		}
	}
	b.mu.Unlock()
	if full != "" {
		w.drop(tab, b)
	}
}

// insertOwn makes the file of a large insert a ready batch.
func (w *Writer) insertOwn(t target, r *request, rows int, seen []schema.Seen) (in Inserted, err error) {
	if err := r.finish(); err != nil {
		return in, err
	}
	dir, err := w.folders.make(ready, t)
	if err != nil {
		return in, unwritable(err)
	}
	id, now := w.ids.Batch(), time.Now()
	path := filepath.Join(dir, id+batchSuffix)
	s := sidecar{Rows: int64(rows), Bytes: r.size, Seen: seen, Created: now}
	if err := s.write(path); err != nil {
		w.log.Warn("sidecar not written, the batch will be scanned", "batch", id, "err", err)
	}
	if err := durable.Rename(r.path, path); err != nil {
		return in, unwritable(errors.Join(err, durable.Remove(path), durable.Remove(sidecarOf(path))))
	}
	r.file = nil // the shelf's from now on
	w.metrics.sealed.WithLabelValues("own").Inc()
	w.metrics.waiting.Inc()
	w.shelf.put(sealed{t, id, path}, now)
	return Inserted{Rows: rows, Batch: id, Receipt: rowid.Receipt(id, 0, rowid.WholeBatch)}, nil
}

// createIncoming makes the file of a large insert.
func (w *Writer) createIncoming() (*os.File, string, error) {
	path := filepath.Join(w.cfg.Dir, incoming, w.ids.New()+batchSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	return f, path, err
}

// idList gathers row ids for an insert that wants them.
type idList struct {
	wanted bool
	list   []string
	more   bool
}

func (l *idList) each() func([]byte) {
	if !l.wanted {
		return nil
	}
	return func(id []byte) {
		if l.more = len(l.list) == maxRowIDs; !l.more {
			l.list = append(l.list, string(id))
		}
	}
}

func (l *idList) err() error {
	if l.more {
		return fault.New(fault.Unprocessable, "too_many_row_ids", "row_ids can be asked for inserts of at most %d rows", maxRowIDs)
	}
	return nil
}
