package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// kills ends processes, and servers between them, at random moments and starts them again, until the time is up. Of nodes,
// one that takes rows and one that loads may be away at the same time, and a server too.
func kills(ctx context.Context, cfg Config, f *fleet) (Account, error) {
	end := time.Now().Add(cfg.Duration)
	g, gctx := errgroup.WithContext(ctx)
	var killers []*killer
	for i, group := range f.groups() {
		k := &killer{victims: group, rng: rand.New(rand.NewPCG(cfg.Seed, uint64(i)<<33))}
		if cfg.Nodes.Config != "" {
			k.away = 3 * time.Second
		}
		if len(cfg.Nodes.Servers) > 0 {
			k.patience = time.Minute
		}
		killers = append(killers, k)
		g.Go(func() error { return k.run(gctx, end) })
	}
	var a Account
	var crashing error
	if len(cfg.Nodes.Servers) > 0 {
		a.Crashes, crashing = crashes(gctx, cfg, end)
	}
	err := g.Wait()
	if err == nil {
		err = crashing
	}
	for _, k := range killers {
		a.Kills += k.kills
		a.Terms += k.terms
	}
	return a, err
}

// killer ends one of its victims at a time.
type killer struct {
	victims      []*rig.Server
	away         time.Duration // how long one is away at most before it is started again
	patience     time.Duration // for how long one may fail to start, as it cannot reach a server that is away
	rng          *rand.Rand
	kills, terms int
}

func (k *killer) run(ctx context.Context, end time.Time) error {
	for time.Now().Before(end) {
		if err := pause(ctx, time.Duration(50+k.rng.IntN(3000))*time.Millisecond); err != nil {
			return err
		}
		srv := k.victims[k.rng.IntN(len(k.victims))]
		sig := os.Signal(syscall.SIGKILL)
		if k.rng.IntN(3) == 0 {
			sig = syscall.SIGTERM
			k.terms++
		} else {
			k.kills++
		}
		if err := srv.Signal(sig); err != nil {
			return err
		}
		if k.away > 0 && k.rng.IntN(2) == 0 {
			if err := pause(ctx, time.Duration(k.rng.Int64N(int64(k.away)))); err != nil {
				return err
			}
		}
		if err := k.restart(ctx, srv); err != nil {
			return fmt.Errorf("restart after %v: %w", sig, err)
		}
	}
	return nil
}

func (k *killer) restart(ctx context.Context, srv *rig.Server) error {
	late := time.Now().Add(k.patience)
	for {
		err := srv.Start(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(late) {
			return err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// crashes has the servers between the nodes crash, one at a time, and counts how often.
func crashes(ctx context.Context, cfg Config, end time.Time) (n int, err error) {
	rng := rand.New(rand.NewPCG(cfg.Seed, 3<<33))
	for time.Now().Before(end) {
		if err := pause(ctx, time.Duration(500+rng.IntN(3000))*time.Millisecond); err != nil {
			return n, err
		}
		cfg.Nodes.Servers[rng.IntN(len(cfg.Nodes.Servers))]()
		n++
	}
	return n, nil
}

// pause waits for d, or fails when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
