package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// backlogEvery is how often the bytes that wait are added up.
const backlogEvery = 2 * time.Second

// backlog tells the writer how much of its disk batches take that were shipped and are not loaded yet: a local blob store keeps
// them there.
type backlog struct {
	batches control.Batches
	addUp   func(sum func() (map[string]int64, error)) error
	log     *slog.Logger
}

// run tells it again and again until ctx ends. While the store cannot say it, what it said last counts.
func (b *backlog) run(ctx context.Context) error {
	tick := time.NewTicker(backlogEvery)
	defer tick.Stop()
	failed := false
	for {
		err := b.addUp(func() (map[string]int64, error) { return b.batches.Waiting(ctx) })
		if err != nil && !failed && ctx.Err() == nil {
			b.log.Warn("what waits to be loaded cannot be added up, will retry", "err", err)
		}
		failed = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
