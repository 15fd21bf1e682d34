package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/control"
)

// pruned is a control store that notes how it is pruned. Its clock is not this machine's.
type pruned struct {
	control.Store
	diary
	start time.Time
	ahead time.Duration
	fails error // guarded by mu
}

func (p *pruned) Now(context.Context) (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead), p.fails
}

func (p *pruned) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = err
}

func (p *pruned) Prune(_ context.Context, before time.Time) error {
	if !before.IsZero() {
		p.note("after %v before %v", time.Since(p.start), before.Sub(p.start.Add(p.ahead)))
	}
	return nil
}

// Records are forgotten by the clock of the control store, once it is known to go straight.
func TestPruneGoesByTheClockOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pruned{start: time.Now(), ahead: -8 * 24 * time.Hour}
		s := &server{control: p, cfg: config.Config{ReceiptRetention: 7 * 24 * time.Hour}, log: quiet()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.prune(ctx) }()
		time.Sleep(35 * time.Minute)
		p.fail(errors.New("the store does not answer"))
		time.Sleep(10 * time.Minute)
		p.fail(nil)
		time.Sleep(10 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.want(t, "after 30m0s before -167h30m0s", "after 50m0s before -167h10m0s")
	})
}
