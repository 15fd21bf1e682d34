package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/catalog"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// WorkersConfig says how batches are loaded.
type WorkersConfig struct {
	Count       int           // most loads at a time for each destination
	Lease       time.Duration // how long a message is hidden from others at a time; it is extended while the load runs
	MaxAttempts int           // a batch that failed so often is dead
	Timeout     time.Duration // most time for one try to load; it only frees the place of a load that hangs
	FreeSpace   int64         // bytes that must be free on Dir's disk for a message to be taken
	Dir         string        // whose disk is watched
	Backoff     Backoff       // between the tries of a batch
}

// DefaultWorkersConfig returns the settings used when none are given. Dir has no default.
func DefaultWorkersConfig() WorkersConfig {
	return WorkersConfig{
		Count:       2,
		Lease:       5 * time.Minute,
		MaxAttempts: 10,
		Timeout:     2 * time.Hour,
		FreeSpace:   1 << 30,
		Backoff:     Backoff{First: 2 * time.Second, Max: 5 * time.Minute},
	}
}

// Validate reports every setting that makes no sense.
func (c WorkersConfig) Validate() error {
	var errs []error
	if c.Count < 1 {
		errs = append(errs, fmt.Errorf("count: %d is less than 1", c.Count))
	}
	if c.Lease < time.Second {
		errs = append(errs, fmt.Errorf("lease: %v is less than 1s", c.Lease))
	}
	if c.MaxAttempts < 1 {
		errs = append(errs, fmt.Errorf("max_attempts: %d is less than 1", c.MaxAttempts))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %v is not more than 0", c.Timeout))
	}
	if c.FreeSpace < 0 {
		errs = append(errs, fmt.Errorf("free_space_required: %d is negative", c.FreeSpace))
	}
	if c.Backoff.First <= 0 || c.Backoff.Max < c.Backoff.First {
		errs = append(errs, fmt.Errorf("back-off from %v to %v", c.Backoff.First, c.Backoff.Max))
	}
	return errors.Join(errs...)
}

// How often things are looked at again.
const (
	diskEvery   = time.Second      // the disk, while it is too full
	gravesEvery = 15 * time.Second // the number of dead batches, which other processes change too
)

// Workers load the batches that the queue tells of.
type Workers struct {
	cfg     WorkersConfig
	dests   *destination.Set
	blobs   blobstore.Store
	queue   queue.Queue
	store   control.Store
	catalog *catalog.Catalog
	log     *slog.Logger
	metrics *Metrics
	news    *news
	lanes   *lanes
	disk    disk
	backoff Backoff // for a queue that cannot be reached
}

// NewWorkers returns workers that load into dests. Run does the work.
func NewWorkers(cfg WorkersConfig, dests *destination.Set, blobs blobstore.Store, q queue.Queue, store control.Store,
	cat *catalog.Catalog, log *slog.Logger, m *Metrics) *Workers {
	return &Workers{cfg: cfg, dests: dests, blobs: blobs, queue: q, store: store, catalog: cat, log: log, metrics: m,
		news: newNews(), lanes: newLanes(dests, cfg.Count),
		disk:    disk{dir: cfg.Dir, need: cfg.FreeSpace, free: freeSpace, log: log, gauge: m.paused},
		backoff: Backoff{First: 250 * time.Millisecond, Max: 30 * time.Second}}
}

// Run loads batches until ctx ends. Then it takes no more, finishes the loads in hand and returns nil.
func (w *Workers) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { w.countDead(ctx) })
	w.receive(ctx, &wg)
	wg.Wait()
	return nil
}

// Check returns nil, or why no message is taken.
func (w *Workers) Check() error { return w.disk.check() }

// Room looks at the disk, and returns nil or why there is no room for more batches.
func (w *Workers) Room() error {
	w.disk.enough(context.Background())
	return w.disk.check()
}

// receive takes messages and starts a load for each that finds a place in its destination's lane.
func (w *Workers) receive(ctx context.Context, loads *sync.WaitGroup) {
	failures := 0
	for w.lanes.await(ctx) && w.disk.await(ctx) {
		m, err := w.queue.Receive(ctx, w.cfg.Lease)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			wait := w.backoff.delay(failures)
			w.log.WarnContext(ctx, "no message received, will retry", "wait", wait, "err", err)
			sleep(ctx, wait)
			continue
		}
		failures = 0
		w.dispatch(context.WithoutCancel(ctx), task{message: m, stopping: ctx.Done()}, loads)
	}
}

// dispatch starts t's load, or gives its message back when its destination has as many as it may.
func (w *Workers) dispatch(ctx context.Context, t task, loads *sync.WaitGroup) {
	m := t.message
	t.shipment, t.unreadable = parseShipment(m.Body)
	lane := w.lanes.of(t.shipment.Destination)
	if wait, ok := lane.enter(m.Attempt > 1); !ok {
		if err := w.queue.Hide(ctx, m, wait); err != nil {
			w.log.WarnContext(ctx, "message not given back, it returns when its lease ends", "err", err)
		}
		return
	}
	loads.Go(func() {
		defer lane.leave()
		w.handle(ctx, t)
	})
}

// countDead keeps the gauge of dead batches.
func (w *Workers) countDead(ctx context.Context) {
	for {
		dead, err := w.store.Dead().List(ctx, "")
		if err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "dead batches not counted", "err", err)
		}
		if err == nil {
			w.metrics.dead.Set(float64(len(dead)))
		}
		if !sleep(ctx, gravesEvery) {
			return
		}
	}
}
