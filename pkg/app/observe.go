package app

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/health"
)

// observing makes what looks after the rest: the metrics' own port, the age of the oldest row, the pruning of records, and
// whether the destinations answer. They stop last.
func (s *server) observing(context.Context) error {
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "scratchdata_oldest_unloaded_seconds",
		Help: "Age of the oldest accepted row that is neither loaded nor dead, 0 when there is none. NaN when it cannot be told.",
	}, func() float64 { return s.oldest(time.Now()) }))
	if s.prom != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", s.metricsHandler())
		s.stages = append(s.stages, httpStage("metrics", s.prom, mux, s.cfg.Timeouts, s.log))
	}
	s.checker = health.New(health.DefaultConfig(), s.dests, s.live.reopen, s.log, health.NewMetrics(s.registry))
	s.stages = append(s.stages, stage{name: "pruner", run: s.prune}, stage{name: "health", run: s.checker.Run})
	return nil
}

// lookTimeout is how long a scrape waits for the control store.
const lookTimeout = 2 * time.Second

// oldest gives the age of the oldest row that is on its way. The writer is asked first: a batch that it has handed on is
// in the control store already.
func (s *server) oldest(now time.Time) float64 {
	age := 0.0
	if s.writer != nil {
		if t, any := s.writer.Oldest(); any {
			age = now.Sub(t).Seconds()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	n, t, err := s.control.Batches().Pending(ctx)
	if err != nil {
		s.log.Warn("the age of the oldest row cannot be told", "err", err)
		return math.NaN()
	}
	if n > 0 {
		age = max(age, now.Sub(t).Seconds())
	}
	return max(age, 0)
}

// pruneEvery is how often old records are forgotten.
const pruneEvery = 10 * time.Minute

// prune forgets what was loaded long ago, until ctx ends.
func (s *server) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	keep := control.Retention{Age: s.cfg.ReceiptRetention}
	for {
		now, err := s.control.Now(ctx)
		if err == nil {
			err = s.control.Prune(ctx, keep.Cutoff(now))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("old records not forgotten, will retry", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
