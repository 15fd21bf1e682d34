package copier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// WorkerConfig is what a Worker may be told about itself.
type WorkerConfig struct {
	Dir        string        // where a batch is written before it goes to the blob store; what is in it is removed
	Concurrent int           // copies at a time
	Lease      time.Duration // after it the copy of a lost process goes to another
	Every      time.Duration // how often it looks for copies, and notes how far its own are
	RowBytes   int           // that a row may have
	// Batch gives the most bytes and rows of a batch for a destination.
	Batch func(destination string) (bytes int64, rows int64)
	// Room says why there is no disk for more batches; nil when there is.
	Room func() error
}

// Validate says what is wrong with c.
func (c WorkerConfig) Validate() error {
	var errs []error
	if c.Concurrent < 1 {
		errs = append(errs, fmt.Errorf("concurrent: %d is less than 1", c.Concurrent))
	}
	if c.Every <= 0 || c.Lease < 3*c.Every {
		errs = append(errs, fmt.Errorf("lease: %v is less than three times %v", c.Lease, c.Every))
	}
	return errors.Join(errs...)
}

// Worker works on copies.
type Worker struct {
	cfg      WorkerConfig
	dests    *destination.Set
	store    control.Store
	courier  *transport.Courier
	receipts *transport.Receipts
	ids      *rowid.Source
	log      *slog.Logger
	metrics  *Metrics
}

// NewWorker returns a worker over dests. Run does the work.
func NewWorker(cfg WorkerConfig, dests *destination.Set, store control.Store, courier *transport.Courier, receipts *transport.Receipts,
	log *slog.Logger, m *Metrics) *Worker {
	return &Worker{cfg: cfg, dests: dests, store: store, courier: courier, receipts: receipts, ids: rowid.NewSource(), log: log, metrics: m}
}

// Run works on copies until ctx ends. Then it lets go of those in hand, so that whoever comes next goes on with them, and
// returns nil.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.clear(); err != nil {
		return fmt.Errorf("clear %s: %w", w.cfg.Dir, err)
	}
	var wg sync.WaitGroup
	for range w.cfg.Concurrent {
		wg.Go(func() { w.loop(ctx) })
	}
	wg.Wait()
	return nil
}

// clear makes the folder and removes what a process that died has left in it.
func (w *Worker) clear() error {
	if err := durable.MkdirAll(w.cfg.Dir); err != nil {
		return err
	}
	left, err := os.ReadDir(w.cfg.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range left {
		errs = append(errs, os.Remove(filepath.Join(w.cfg.Dir, f.Name())))
	}
	return errors.Join(errs...)
}

// loop works on one copy after the other.
func (w *Worker) loop(ctx context.Context) {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		j, err := w.store.Jobs().Claim(ctx, now, now.Add(w.cfg.Lease))
		if err == nil {
			w.work(ctx, j)
			continue
		}
		if !errors.Is(err, fault.NotFound) && ctx.Err() == nil {
			w.log.WarnContext(ctx, "no copy claimed, will retry", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
