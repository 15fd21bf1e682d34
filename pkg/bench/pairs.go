package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// What goes through each pair of a queue and a blob store.
const (
	pairShare    = 10 // which part of the events
	pairBatches  = 300
	pairSenders  = 8
	countBatches = `scratchdata_batches_total{stage="loaded"}`
)

// pair is a configuration that has a queue and a blob store, and what was measured: with it and, each time just before that, with
// the default configuration, because a run takes minutes and machines are noisy.
type pair struct {
	name, config string
	got, local   passage
}

// passage is what was measured in each round.
type passage struct {
	bytes, batches []float64 // MB/s of large batches, and small batches/s, until they are loaded
	inserts, taken []float64 // inserts/s, and MB/s of large ones, until a node that only takes them has acknowledged them
}

// pairs measures the way of batches through each configuration's queue and blob store against the local ones. Each insert is a
// batch. Then it measures a node that only takes inserts, and ships them by that way, against the default configuration.
func (b *bench) pairs(ctx context.Context) ([]figure, error) {
	if len(b.cfg.Configs) == 0 {
		fmt.Fprintln(b.out, "  left out: no --config names queues and blob stores. `make bench-pairs` starts those that are installed.")
		return nil, nil
	}
	path, size, err := b.writeEvents(b.cfg.Events / pairShare)
	if err != nil {
		return nil, err
	}
	var all []*pair
	for _, c := range b.cfg.Configs {
		all = append(all, &pair{name: strings.TrimSuffix(filepath.Base(c), filepath.Ext(c)), config: c})
	}
	mb := float64(size) / 1e6
	for round := range b.cfg.Rounds {
		for _, p := range all {
			fmt.Fprintf(b.out, "  round %d of %d: %s\n", round+1, b.cfg.Rounds, p.name)
			err := errors.Join(b.through(ctx, "", &p.local, path, mb), b.through(ctx, p.config, &p.got, path, mb),
				b.takes(ctx, "", &p.local, path, mb), b.takes(ctx, p.config, &p.got, path, mb))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return pairFigures(all), os.Remove(path)
}

func pairFigures(all []*pair) (figures []figure) {
	for _, of := range []struct {
		name, unit string
		values     func(passage) []float64
		bar        float64
	}{
		{"batches of 8 MB until loaded", "%.1f MB/s", func(p passage) []float64 { return p.bytes }, 0},
		{"batches of one row until loaded", "%.0f/s", func(p passage) []float64 { return p.batches }, 0},
		{"node that only takes, one-row inserts", "%.0f/s", func(p passage) []float64 { return p.inserts }, 0.8},
		{"node that only takes, 8 MB inserts", "%.0f MB/s", func(p passage) []float64 { return p.taken }, 0.8},
	} {
		for _, p := range all {
			got, local := of.values(p.got), of.values(p.local)
			ratios := make([]float64, len(got))
			for i := range got {
				ratios[i] = got[i] / local[i]
			}
			figures = append(figures, figure{name: p.name + ": " + of.name, got: fmt.Sprintf(of.unit, median(got)),
				against: "local × local " + fmt.Sprintf(of.unit, median(local)), ratio: median(ratios), bar: of.bar})
		}
	}
	return figures
}

// through measures batches from their insert until they are loaded, one insert each.
func (b *bench) through(ctx context.Context, config string, p *passage, path string, mb float64) error {
	srv, stop, err := b.serverWith(ctx, "pair", config, "SCRATCH_UPLOADS_MAX_ROWS=1")
	if err != nil {
		return err
	}
	if err := insertFirst(ctx, srv, string(rig.AppendEvent(nil, 0))); err != nil {
		return err
	}
	start := time.Now()
	if err := send(ctx, srv, "/api/data/insert/bulk", path); err != nil {
		return err
	}
	if err := srv.AwaitDrained(ctx, 20*time.Millisecond); err != nil {
		return err
	}
	p.bytes = append(p.bytes, mb/seconds(start))
	before, err := srv.Metric(ctx, countBatches)
	if err != nil {
		return err
	}
	start = time.Now()
	if err := sendRows(ctx, srv, pairBatches); err != nil {
		return err
	}
	if err := srv.AwaitDrained(ctx, 20*time.Millisecond); err != nil {
		return err
	}
	took := seconds(start)
	after, err := srv.Metric(ctx, countBatches)
	p.batches = append(p.batches, (after-before)/took)
	return errors.Join(err, stop())
}

// sendRows inserts n rows, one after the other on each connection.
func sendRows(ctx context.Context, srv *rig.Server, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	for id := range pairSenders {
		g.Go(func() error {
			c := rig.NewClient()
			defer c.CloseIdleConnections()
			for i := id; i < n; i += pairSenders {
				status, text, err := srv.Post(ctx, c, "/api/data/insert/rows", strings.NewReader(string(rig.AppendEvent(nil, i))))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", status, text)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// takes measures how fast inserts are acknowledged by a node that loads none. The default configuration loads them too. Then all
// are loaded, so that nothing waits in the queue that the next round finds there.
func (b *bench) takes(ctx context.Context, config string, p *passage, path string, mb float64) error {
	var only []string
	if config != "" {
		only = []string{"SCRATCH_WORKERS_ENABLED=false", "SCRATCH_DESTINATIONS_0_TYPE=ingest_only"}
	}
	srv, stop, err := b.serverWith(ctx, "node", config, only...)
	if err != nil {
		return err
	}
	rate, err := hammer(ctx, strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		return err
	}
	start := time.Now()
	if err := send(ctx, srv, "/api/data/insert/bulk", path); err != nil {
		return err
	}
	p.inserts, p.taken = append(p.inserts, rate), append(p.taken, mb/seconds(start))
	if config != "" {
		if err := srv.Stop(); err != nil {
			return err
		}
		srv.Env = nil
		if err := srv.Start(ctx); err != nil {
			return err
		}
	}
	return errors.Join(srv.AwaitDrained(ctx, 50*time.Millisecond), stop())
}
