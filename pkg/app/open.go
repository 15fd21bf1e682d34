package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/catalog"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/health"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/spill"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// server is everything that is open while the program runs.
type server struct {
	cfg      config.Config
	log      *slog.Logger
	drivers  builtin.Drivers
	registry *prometheus.Registry
	moving   *transport.Metrics

	api  net.Listener // nil when the API is off
	prom net.Listener // nil when metrics are off, or served by the API

	control control.Store
	queue   queue.Queue
	blobs   blobstore.Store
	dests   *destination.Set
	live    *live // what changes dests
	keys    *account.Keys
	current atomic.Pointer[[]config.Destination] // of those that are there now
	checker *health.Checker
	writer  *ingest.Writer     // nil when uploads are off
	workers *transport.Workers // nil when they are off

	receipts *transport.Receipts
	runner   *query.Runner // nil when the API is off

	stages   []stage // inside out
	closers  []io.Closer
	stopping atomic.Bool
}

// open opens everything and starts nothing. What was opened before a failure is closed again.
func open(ctx context.Context, cfg config.Config, log *slog.Logger) (*server, error) {
	s := &server{cfg: cfg, log: log, drivers: builtin.List(cfg.DataDir), registry: prometheus.NewRegistry(),
		dests: destination.NewSet(nil), keys: account.New(keysOf(cfg))}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.moving = transport.NewMetrics(s.registry)
	for _, step := range []func(context.Context) error{
		s.folder, s.listen, s.stores, s.destinations, s.observing, s.loading, s.writing, s.copying, s.serving,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// later notes what close closes.
func (s *server) later(c io.Closer) { s.closers = append(s.closers, c) }

// close closes what is open, last opened first.
func (s *server) close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// folder makes the data folder and keeps other processes out of it.
func (s *server) folder(context.Context) error {
	if err := durable.MkdirAll(s.cfg.DataDir); err != nil {
		return fmt.Errorf("make the data folder %s: %w", s.cfg.DataDir, err)
	}
	lock, err := lockFolder(s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.later(lock)
	return nil
}

// listen takes the ports, so that one that is busy fails the start before there is anything to undo.
func (s *server) listen(ctx context.Context) (err error) {
	if s.cfg.API.Enabled {
		if s.api, err = s.listenOn(ctx, "api.port", s.cfg.API.Port); err != nil {
			return err
		}
		s.warnOpenKey()
	}
	if s.cfg.Prometheus.Enabled && !s.onePort() {
		s.prom, err = s.listenOn(ctx, "prometheus.port", s.cfg.Prometheus.Port)
	}
	return err
}

// onePort reports whether the API serves the metrics too.
func (s *server) onePort() bool {
	return s.cfg.API.Enabled && s.cfg.Prometheus.Port != 0 && s.cfg.Prometheus.Port == s.cfg.API.Port
}

func (s *server) listenOn(ctx context.Context, key string, port int) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.cfg.API.Host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", key, err)
	}
	s.later(l)
	return l, nil
}

func (s *server) stores(ctx context.Context) (err error) {
	c, d := &s.cfg, s.drivers
	if s.control, err = d.Databases.Open(ctx, c.Database.Type, &c.Database.Settings, s.log); err != nil {
		return fmt.Errorf("open database of type %s: %w", c.Database.Type, err)
	}
	s.later(s.control)
	if s.queue, err = d.Queues.Open(ctx, c.Queue.Type, &c.Queue.Settings, s.log); err != nil {
		return fmt.Errorf("open queue of type %s: %w", c.Queue.Type, err)
	}
	s.later(s.queue)
	if s.blobs, err = d.BlobStores.Open(ctx, c.BlobStore.Type, &c.BlobStore.Settings, s.log); err != nil {
		return fmt.Errorf("open blob_store of type %s: %w", c.BlobStore.Type, err)
	}
	s.later(s.blobs)
	s.queue = spill.Over(s.queue, s.blobs, s.log)
	return nil
}

func (s *server) destinations(ctx context.Context) error {
	s.later(s.dests)
	s.live = &live{set: s.dests, drivers: s.drivers, patience: s.cfg.DrainTimeout, log: s.log, turn: make(chan struct{}, 1)}
	for _, c := range s.cfg.Destinations {
		if err := s.live.add(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// loading makes the workers.
func (s *server) loading(ctx context.Context) error {
	if !s.cfg.Workers.Enabled {
		return nil
	}
	cfg := workersConfig(s.cfg)
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("workers: %w", err)
	}
	cat := catalog.New(s.cfg.Limits.Columns, s.control.Columns(), s.log)
	if err := s.recoverQueue(ctx); err != nil {
		return err
	}
	s.workers = transport.NewWorkers(cfg, s.dests, s.blobs, s.queue, s.control, cat, s.log, s.moving)
	s.stages = append(s.stages, stage{name: "workers", run: s.workers.Run, rest: s.restOfBatches()})
	return nil
}

// recoverQueue lets the batches that a killed process was loading be loaded at once, not only when their leases end, where
// this process is the whole pipeline and so had the leases itself. Were it not, they would be loaded twice, and be there once.
func (s *server) recoverQueue(ctx context.Context) error {
	r, ok := s.queue.(queue.Recoverer)
	if !ok || !s.cfg.Uploads.Enabled {
		return nil
	}
	return r.Recover(ctx)
}

// writing makes the writer, which first recovers what an earlier process left, and the uploader.
func (s *server) writing(context.Context) (err error) {
	if !s.cfg.Uploads.Enabled {
		return nil
	}
	cfg := ingestConfig(s.cfg)
	if of, ok := s.control.(control.Shared); ok {
		cfg.Shared = of.Shared()
	}
	s.writer, err = ingest.Open(cfg, rowid.NewSource(), s.control.Keys(), s.log, ingest.NewMetrics(s.registry))
	if err != nil {
		return fmt.Errorf("open the batch files: %w", err)
	}
	if _, local := s.blobs.(blobstore.FilePutter); local {
		b := &backlog{batches: s.control.Batches(), addUp: s.writer.AddUp, log: s.log}
		s.stages = append(s.stages, stage{name: "backlog", run: b.run})
	}
	uploader := transport.NewUploader(s.writer, s.blobs, s.queue, s.control.Batches(), s.log, s.moving)
	s.stages = append(s.stages,
		stage{name: "uploader", run: uploader.Run, dry: true},
		stage{name: "writer", run: s.writer.Run})
	return nil
}
