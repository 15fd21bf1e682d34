package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

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
	keys     *keys
	openFile opener                              // tests let it fail
	poke     chan struct{}                       // wakes Run: a batch may be due
	per      atomic.Pointer[map[string]Rotation] // by destination id; the map is never changed, but replaced
	backlog  backlog

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

// Open opens the writer and recovers what a crash left. store remembers the idempotency keys of batches that have left. The caller makes sure that no other process has the folder.
func Open(cfg Config, ids *rowid.Source, store control.Keys, log *slog.Logger, m *Metrics) (*Writer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &Writer{cfg: cfg, ids: ids, log: log, metrics: m, shelf: newShelf(), files: &descriptors{most: cfg.OpenFiles},
		folders: &folders{root: cfg.Dir, known: make(map[string]bool)},
		disk:    &disk{least: cfg.FreeSpace, free: func() (int64, error) { return freeSpace(cfg.Dir) }},
		keys:    newKeys(store, cfg, m, log),
		budget:  &budget{limit: cfg.Memory}, openFile: openBatchFile,
		tables: make(map[target]*table), poke: make(chan struct{}, 1), idle: make(chan struct{})}
	w.per.Store(&cfg.Per)
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

// Rotate makes per the limits of batches of single destinations, by their ids, in place of those before. A batch that is
// open already keeps the time of its sealing.
func (w *Writer) Rotate(per map[string]Rotation) error {
	if err := errors.Join(w.cfg.validatePer(per)...); err != nil {
		return err
	}
	per = maps.Clone(per)
	w.per.Store(&per)
	return nil
}

// rotationOf gives the limits of a destination's batches.
func (w *Writer) rotationOf(destination string) Rotation {
	return w.cfg.rotation().with((*w.per.Load())[destination])
}

// begin counts an insert in, or refuses it.
func (w *Writer) begin(destination string) error {
	if err := w.disk.check(); err != nil {
		return err
	}
	if w.shelf.total.Load()+w.backlog.total.Load() > w.disk.left() { // else no destination has more than its share
		if err := w.disk.share(w.shelf.waits(destination) + w.backlog.waits(destination)); err != nil {
			return err
		}
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
	b := &batch{target: t, id: w.ids.Batch(), created: now, deadline: now.Add(w.rotationOf(t.destination).MaxAge), metrics: w.metrics}
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
	limit := w.rotationOf(b.destination)
	b.mu.Lock()
	full := b.full(limit, w.cfg.Limits)
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
