package httpapi

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/blobstore"
	blobmemory "github.com/scratchdata/scratchdata/pkg/blobstore/memory"
	"github.com/scratchdata/scratchdata/pkg/catalog"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/sqlite"
	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/named"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/queue"
	queuememory "github.com/scratchdata/scratchdata/pkg/queue/memory"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/share"
	"github.com/scratchdata/scratchdata/pkg/tables"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// The keys of the two destinations, and one that nobody has.
const (
	keyOne = "key-of-one-5f2c"
	keyTwo = "key-of-two-9d1e"
	noKey  = "key-of-nobody-77aa"
)

// patience is how long a test waits for what must come, for long enough that a slow machine is no failure.
const patience = 30 * time.Second

// setup is how a plant differs from the usual one.
type setup struct {
	api     func(*Config)
	ingest  func(*ingest.Config)
	limits  query.Limits
	own     map[string]query.Limits // by destination
	health  func() []string
	answers map[string]answer
	second  map[string]answer // of the second destination
	off     bool              // no uploads
	rescues bool              // the first destination is an archive
	mayCopy func(source, destination string) bool
	finding func(context.Context) error // before the control store tells of a batch
}

// plant is the API over its real parts, with two destinations in memory. Its uploader and workers do not run before
// they are told to.
type plant struct {
	t        *testing.T
	dir      string // the writer's folder is dir/ingest
	one, two *shelf
	archive  *archive // over one, if it rescues
	dests    *destination.Set
	log      *logLines
	logger   *slog.Logger
	registry *prometheus.Registry
	moving   *transport.Metrics
	blobs    blobstore.Store
	queue    queue.Queue
	control  control.Store
	writer   *ingest.Writer
	workers  *transport.Workers
	receipts *transport.Receipts
	server   *httptest.Server
	parts    sync.WaitGroup
	ctx      context.Context // of the parts
	stop     context.CancelFunc
	written  chan struct{} // closed when the writer has stopped
}

func newPlant(t *testing.T, s setup) *plant {
	t.Helper()
	p := &plant{t: t, dir: t.TempDir(), one: newShelf(s.answers), two: newShelf(s.second), log: new(logLines),
		registry: prometheus.NewRegistry(), written: make(chan struct{})}
	p.logger = slog.New(withRequestID{slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})})
	p.moving = transport.NewMetrics(p.registry)
	dests := destination.ByID{"1": p.one, "2": p.two}
	if s.rescues {
		p.archive = newArchive(p.one)
		dests["1"] = p.archive
	}
	p.dests = destination.NewSet(dests)
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.openStores()
	p.openWriter(s)
	cfg := transport.DefaultWorkersConfig()
	cfg.FreeSpace, cfg.Dir = 0, p.dir
	p.workers = transport.NewWorkers(cfg, p.dests, p.blobs, p.queue, p.control,
		catalog.New(100, p.control.Columns(), p.logger), p.logger, p.moving)
	p.serve(s)
	t.Cleanup(p.close)
	return p
}

func (p *plant) openStores() {
	p.t.Helper()
	cfg := sqlite.DefaultConfig()
	cfg.File = filepath.Join(p.dir, "control.db")
	var errs [3]error
	p.control, errs[0] = sqlite.Open(p.ctx, cfg, p.logger)
	p.blobs, errs[1] = blobmemory.Open(p.ctx, blobmemory.DefaultConfig(), p.logger)
	p.queue, errs[2] = queuememory.Open(p.ctx, queuememory.DefaultConfig(), p.logger)
	if err := errors.Join(errs[:]...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) openWriter(s setup) {
	p.t.Helper()
	cfg := ingest.DefaultConfig()
	cfg.Dir, cfg.MaxAge, cfg.FreeSpace = filepath.Join(p.dir, "ingest"), 20*time.Millisecond, 0
	if s.ingest != nil {
		s.ingest(&cfg)
	}
	if s.off {
		return
	}
	var err error
	if p.writer, err = ingest.Open(cfg, rowid.NewSource(), p.control.Keys(), p.logger, ingest.NewMetrics(p.registry)); err != nil {
		p.t.Fatal(err)
	}
	p.run(func(ctx context.Context) error {
		defer close(p.written)
		return p.writer.Run(ctx)
	})
}

func (p *plant) serve(s setup) {
	cfg := DefaultConfig()
	if s.api != nil {
		s.api(&cfg)
	}
	p.receipts = transport.NewReceipts(p.writer, hardToFind{p.control.Batches(), s.finding})
	p.receipts.Follow(p.workers)
	runner := query.New(s.limits, s.own, p.dests, p.logger, query.NewMetrics(p.registry))
	api := New(cfg, Deps{
		Log:      p.logger,
		Registry: p.registry,
		Keys:     account.New(map[secret.String]string{keyOne: "1", keyTwo: "2"}),
		Writer:   p.writer,
		Receipts: p.receipts,
		Graves:   transport.NewGraves(p.control, p.queue, p.blobs),
		Shares:   share.New(p.control.Shares(), runner),
		Named:    named.New(p.control.Queries(), runner),
		Tables:   tables.New(p.dests, p.control.Columns(), p.logger),
		Query:    runner,
		Copies:   copier.New(p.dests, p.control.Jobs(), runner, s.mayCopy, p.logger),
		Health:   s.health,
	})
	p.server = httptest.NewUnstartedServer(api.Handler())
	p.server.Config.ErrorLog = slog.NewLogLogger(p.logger.Handler(), slog.LevelWarn)
	p.server.Start()
	p.server.Client().Transport.(*http.Transport).DisableCompression = true // tests see what is sent
}

// in makes t, a subtest, the one that fails until it ends.
func (p *plant) in(t *testing.T) {
	outer := p.t
	p.t = t
	t.Cleanup(func() { p.t = outer })
}

// run runs a part until the plant is closed.
func (p *plant) run(part func(context.Context) error) {
	t := p.t
	p.parts.Go(func() {
		if err := part(p.ctx); err != nil {
			t.Errorf("a part ended with %v", err)
		}
	})
}

// ship starts the uploader, load the workers.
func (p *plant) ship() {
	p.run(transport.NewUploader(p.writer, p.blobs, p.queue, p.control.Batches(), p.logger, p.moving).Run)
}

func (p *plant) load() { p.run(p.workers.Run) }

// copy starts what works on copies.
func (p *plant) copy() {
	cfg := copier.WorkerConfig{Dir: filepath.Join(p.dir, "copy"), Concurrent: 1, Lease: 10 * time.Second, Every: 10 * time.Millisecond, RowBytes: 1 << 20,
		Batch: func(string) (bytes, rows int64) { return 1 << 20, 100 }, Room: p.workers.Room}
	courier := transport.NewCourier(p.blobs, p.queue, p.control.Batches())
	p.run(copier.NewWorker(cfg, p.dests, p.control, courier, p.receipts, p.logger, copier.NewMetrics(p.registry)).Run)
}

// stopWriter stops the parts, as a server does that shuts down, while the API still answers.
func (p *plant) stopWriter() {
	p.stop()
	<-p.written
}

func (p *plant) close() {
	p.server.CloseClientConnections()
	p.server.Close()
	p.stop()
	p.parts.Wait()
	if err := errors.Join(p.control.Close(), p.queue.Close(), p.blobs.Close()); err != nil {
		p.t.Error(err)
	}
}

// files lists the regular files below a folder of the plant.
func (p *plant) files(folder string) (names []string) {
	p.t.Helper()
	err := filepath.WalkDir(filepath.Join(p.dir, folder), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
	return names
}

// wantNothingStored checks that the writer has no row.
func (p *plant) wantNothingStored() {
	p.t.Helper()
	if left := p.files("ingest"); len(left) > 0 {
		p.t.Errorf("files are stored: %q", left)
	}
}

// await waits until ok gives true.
func (p *plant) await(what string, ok func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain: %s\n%s", what, p.log)
		}
	}
}
