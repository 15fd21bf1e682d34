package transport

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/catalog"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// Times of the plant's parts.
const (
	testLease   = 6 * time.Second
	testPatient = 10 * time.Minute // more than any retry takes; in the bubble of synctest it passes at once
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func tableOf(t *testing.T, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// plant is the whole way from the writer to the destinations, over one folder. It can be stopped and started.
type plant struct {
	t      *testing.T
	dir    string
	stores transporttest.Stores
	dests  destination.ByID
	cfg    WorkersConfig
	wrap   func(destination.Destination, *script) destination.Destination
	// Of the process that runs now.
	script   *script
	control  control.Store
	faulty   control.Store // control under the script
	registry *prometheus.Registry
	writer   *ingest.Writer
	workers  *Workers
	uploader *Uploader
	receipts *Receipts
	graves   *Graves
	stop     context.CancelFunc
	parts    sync.WaitGroup
	batches  map[string]bool // all that were acknowledged
	next     int             // number of the next row
	rows     map[string]int  // inserted, by table
	keyed    []sent          // inserts that have keys
}

// newPlant returns a plant that is not started.
func newPlant(t *testing.T, kind string, dests destination.ByID) *plant {
	t.Helper()
	cfg := DefaultWorkersConfig()
	cfg.Lease, cfg.FreeSpace, cfg.Dir = testLease, 0, t.TempDir()
	cfg.Backoff.Max = 10 * time.Second
	return &plant{t: t, dir: cfg.Dir, stores: transporttest.Stores{Kind: kind, Dir: cfg.Dir}, dests: dests, cfg: cfg,
		wrap:    func(d destination.Destination, s *script) destination.Destination { return transporttest.Loads(d, s) },
		batches: make(map[string]bool), rows: make(map[string]int)}
}

// open opens a process's parts under the script. Nothing runs yet but the writer.
func (p *plant) open(s *script) {
	p.t.Helper()
	p.script = s
	p.stores.Open(p.t)
	p.control, p.faulty = p.stores.Control, transporttest.Control(p.stores.Control, s)
	in := ingest.DefaultConfig()
	in.Dir, in.MaxAge, in.FreeSpace = filepath.Join(p.dir, "ingest"), time.Second, 0
	var err error
	p.writer, err = ingest.Open(in, rowid.NewSource(), p.faulty.Keys(), quiet(), ingest.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		p.t.Fatal(err)
	}
	blobs, q := transporttest.Blobs(p.stores.Blobs, s), transporttest.Queue(p.stores.Queue, s)
	dests := make(destination.ByID)
	for id, d := range p.dests {
		dests[id] = p.wrap(d, s)
	}
	p.registry = prometheus.NewRegistry()
	m := NewMetrics(p.registry)
	p.uploader = NewUploader(p.writer, blobs, q, p.faulty.Batches(), quiet(), m)
	p.uploader.done = func(r ingest.Ready) error { return s.Do(opDone, func() error { return p.writer.Done(r) }) }
	p.workers = NewWorkers(p.cfg, destination.NewSet(dests), blobs, q, p.faulty, catalog.New(100, p.faulty.Columns(), quiet()), quiet(), m)
	p.receipts = NewReceipts(p.writer, p.faulty.Batches())
	p.receipts.Follow(p.workers)
	p.graves = NewGraves(p.faulty, q, blobs)
	ctx, cancel := context.WithCancel(p.t.Context())
	p.stop = cancel
	p.t.Cleanup(func() { p.close(true) }) // when the test failed half-way
	p.run(ctx, p.writer.Run)
}

// start lets the parts work that come after the writer.
func (p *plant) start() {
	ctx, cancel := context.WithCancel(p.t.Context())
	stopWriter := p.stop
	p.stop = func() { stopWriter(); cancel() }
	p.run(ctx, p.uploader.Run)
	p.run(ctx, p.workers.Run)
}

func (p *plant) run(ctx context.Context, part func(context.Context) error) {
	p.parts.Go(func() {
		if err := part(ctx); err != nil {
			p.t.Errorf("a part ended with %v", err)
		}
	})
}

// close ends the process. last says that no other follows.
func (p *plant) close(last bool) {
	p.t.Helper()
	if p.stop == nil {
		return
	}
	p.stop()
	p.stop = nil
	p.parts.Wait()
	p.stores.Close(p.t, last)
}

// await waits until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(testPatient); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", testPatient, what)
		}
		sleep(t.Context(), 200*time.Millisecond)
	}
}

// awaitCrash waits until the script has let the process die.
func (p *plant) awaitCrash() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), testPatient)
	defer cancel()
	select {
	case <-p.script.Crashed():
	case <-ctx.Done():
		p.t.Fatalf("faults that did not happen: %+v", p.script.Unused())
	}
}

// awaitIdle waits until no batch is on its way: nothing with the writer, no blob and no message left.
func (p *plant) awaitIdle() {
	p.t.Helper()
	await(p.t, "batches are on their way", func() bool {
		_, waiting := p.writer.Oldest()
		return !waiting && p.blobsLeft() == 0
	})
	p.awaitEmptyQueue()
}

// awaitEmptyQueue stops what runs and waits longer than any message is hidden.
func (p *plant) awaitEmptyQueue() {
	p.t.Helper()
	sleep(p.t.Context(), 2*p.cfg.Lease) // what is hidden comes again, and is done with by the workers
	p.stop()
	p.parts.Wait()
	ctx, cancel := context.WithTimeout(p.t.Context(), p.cfg.Backoff.Max+2*p.cfg.Lease)
	defer cancel()
	if m, err := p.stores.Queue.Receive(ctx, p.cfg.Lease); err == nil {
		p.t.Errorf("the queue has a message left: %s", m.Body)
	} else if ctx.Err() == nil {
		p.t.Error(err)
	}
}

func (p *plant) blobsLeft() (n int) {
	p.t.Helper()
	for key := range p.batches {
		r, err := p.stores.Blobs.Get(p.t.Context(), key+".ndjson")
		if errors.Is(err, fault.NotFound) {
			continue
		}
		n++
		if err == nil {
			err = r.Close()
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return n
}

// wantNoFiles checks that nothing is left in a folder of the plant.
func (p *plant) wantNoFiles(folder string) {
	p.t.Helper()
	err := filepath.WalkDir(filepath.Join(p.dir, folder), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !e.IsDir() {
			p.t.Errorf("the file %s is left", path)
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}
