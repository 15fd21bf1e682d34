package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// keys knows the inserts that had idempotency keys.
//
// A key is durable when its rows are, because it is written into the batch file with them: the last row of the insert
// carries it. Before the file leaves, the keys in it are noted in the control store. In between they are held here, and
// after a crash they are read from the file.
type keys struct {
	store   control.Keys
	window  time.Duration // for which a key is remembered
	most    int           // keys that are remembered
	metrics *Metrics
	log     *slog.Logger

	mu     sync.Mutex
	claims map[place]*claim                  // of inserts in progress, and in batches that are here; guarded by mu
	held   map[string][]*control.KeyedInsert // by batch: not noted in the store yet; guarded by mu
}

// place is where a key counts.
type place struct {
	destination string
	key         control.Digest
}

// claim is the first insert with a key.
type claim struct {
	settled chan struct{} // closed when the insert has ended
	insert  *control.KeyedInsert
	failed  bool // the next one is the first
}

func newKeys(store control.Keys, cfg Config, m *Metrics, log *slog.Logger) *keys {
	return &keys{store: store, window: cfg.KeyWindow, most: cfg.MaxKeys, metrics: m, log: log,
		claims: make(map[place]*claim), held: make(map[string][]*control.KeyedInsert)}
}

// claim gives the insert that was done under the key at p, or a claim that the caller must settle: it is the first. It
// waits for one that is in progress.
func (k *keys) claim(ctx context.Context, p place) (done *control.KeyedInsert, mine *claim, err error) {
	for {
		c, first := k.join(p)
		if first {
			found, err := k.store.Find(ctx, p.destination, p.key)
			switch {
			case err == nil:
				k.settle(p, c, &found)
				k.drop(p, c)
				return &found, nil, nil
			case !errors.Is(err, fault.NotFound):
				k.settle(p, c, nil)
				return nil, nil, keysAway(err)
			}
			return nil, c, nil
		}
		select {
		case <-c.settled:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if !c.failed {
			return c.insert, nil, nil
		}
	}
}

// keysAway says that keys cannot be looked up or remembered: the insert may be sent again when they can be.
func keysAway(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Busy, "keys_unknown", "the database of idempotency keys does not answer").Because(err).Retry(5 * time.Second)
}

// join gives the claim at p, and whether it is new.
func (k *keys) join(p place) (c *claim, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.claims[p]; c != nil {
		return c, false
	}
	c = &claim{settled: make(chan struct{})}
	k.claims[p] = c
	return c, true
}

// settle ends c, of which insert is the outcome, nil when it failed. It is called once.
func (k *keys) settle(p place, c *claim, insert *control.KeyedInsert) {
	c.insert, c.failed = insert, insert == nil
	if c.failed {
		k.drop(p, c) // before anybody who waits looks again
	}
	close(c.settled)
}

// drop forgets c.
func (k *keys) drop(p place, c *claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claims[p] == c {
		delete(k.claims, p)
	}
}

// hold keeps the inserts of a batch until they are flushed.
func (k *keys) hold(batch string, inserts ...*control.KeyedInsert) {
	if len(inserts) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[batch] = append(k.held[batch], inserts...)
}

// flush notes the inserts of a batch in the store. Only then may the batch leave, without those that flush gives: they are
// known of another batch. It gives them until the caller says that they are out.
func (k *keys) flush(ctx context.Context, batch string) (there map[place]control.KeyedInsert, err error) {
	k.mu.Lock()
	held := k.held[batch]
	k.mu.Unlock()
	if len(held) == 0 {
		return nil, nil
	}
	if there, err = k.remember(ctx, held...); err != nil {
		return nil, err
	}
	if len(there) == 0 {
		k.out(batch)
	}
	return there, nil
}

// out forgets the inserts of a batch, which the store knows.
func (k *keys) out(batch string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, in := range k.held[batch] {
		delete(k.claims, place{in.Destination, in.Key})
	}
	delete(k.held, batch)
}

// rememberAtOnce is how many inserts the store notes at once: others wait for it meanwhile.
const rememberAtOnce = 5000

func (k *keys) remember(ctx context.Context, inserts ...*control.KeyedInsert) (there map[place]control.KeyedInsert, err error) {
	var known []control.KeyedInsert
	now, err := k.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(inserts, rememberAtOnce) {
		list := make([]control.KeyedInsert, len(some))
		for i, in := range some {
			list[i] = *in
			list[i].Made = now.Add(-max(time.Since(in.Made), 0)) // by the store's clock, by which it is forgotten
		}
		more, err := k.store.Remember(ctx, list)
		if err != nil {
			return nil, err
		}
		known = append(known, more...)
	}
	return elsewhere(inserts, known), nil
}

// forget forgets what keep does not hold, and what is too many whatever the clock says.
func (k *keys) forget(ctx context.Context, keep *control.Retention) error {
	now, err := k.store.Now(ctx)
	if err != nil {
		return err
	}
	left, err := k.store.Forget(ctx, keep.Cutoff(now), k.most)
	if err != nil {
		return err
	}
	k.metrics.keysLeft(left, now)
	return nil
}

// pruneEvery is how often old keys are forgotten.
const pruneEvery = time.Minute

// prune forgets old keys now and then until ctx ends.
func (k *keys) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	keep := control.Retention{Age: k.window}
	for {
		if err := k.forget(ctx, &keep); err != nil && ctx.Err() == nil {
			k.log.Warn("old idempotency keys not forgotten, will retry", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
