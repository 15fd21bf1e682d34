package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// The clients of the figure for many at once. The heavy ones leave half of the default places to the others.
const (
	lightClients = 100
	heavyClients = 4
	clientsTime  = 10 * time.Second
	heavySQL     = "select count(*) from range(30000000) t(i) where hash(i) % 7 = 1"
)

// client is what one of them met.
type client struct {
	took []float64 // of each answer, in milliseconds
	err  error
}

// clients measures what 100 clients get that ask a light query again and again, while a few ask heavy ones, with the default
// limits: every answer must be whole, and whoever gets fewest must get about as many as the others.
func (b *bench) clients(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "clients")
	if err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, clientsTime)
	defer cancel()
	all := make([]client, lightClients+heavyClients)
	var asking sync.WaitGroup
	for i := range all {
		sql := "select 1"
		if i >= lightClients {
			sql = heavySQL
		}
		asking.Go(func() { all[i] = ask(ctx, timed, srv, sql) })
	}
	asking.Wait()
	var took []float64
	fewest, heavy := len(all[0].took), 0
	for i, c := range all {
		if c.err != nil {
			return nil, c.err
		}
		if len(c.took) == 0 {
			return nil, fmt.Errorf("client %d got no answer in %v", i, clientsTime)
		}
		if i >= lightClients {
			heavy += len(c.took)
			continue
		}
		fewest = min(fewest, len(c.took))
		took = append(took, c.took...)
	}
	slices.Sort(took)
	mean := float64(len(took)) / lightClients
	return []figure{{name: "100 clients at once, fewest answers of one to the mean",
		got:     fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, fewest %d", took[len(took)/2], took[len(took)*99/100], fewest),
		against: fmt.Sprintf("mean %.0f, beside %d heavy answers", mean, heavy), ratio: float64(fewest) / mean, bar: 0.5}}, stop()
}

// ask asks sql over a connection of its own until timed ends. The last answer is waited for.
func ask(ctx, timed context.Context, srv *rig.Server, sql string) (c client) {
	own := &rig.Server{URL: srv.URL, HTTP: rig.NewClient()}
	defer own.HTTP.CloseIdleConnections()
	for timed.Err() == nil {
		s, err := download(ctx, own, sql, "json")
		if err != nil {
			return client{err: errors.Join(fmt.Errorf("%s", sql), err)}
		}
		c.took = append(c.took, s*1000)
	}
	return c
}
