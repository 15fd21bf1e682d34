package copier

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/catalog"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// Times of the plant's parts.
const (
	testLease    = 10 * time.Second
	testEvery    = time.Second
	messageLease = 6 * time.Second
	testPatient  = 20 * time.Minute // more than anything takes; in the bubble of synctest it passes at once
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

// plant is destinations, the stores, and the processes that work on copies.
type plant struct {
	t        *testing.T
	dir      string
	stores   transporttest.Stores
	from, to *db // the destinations 1 and 2
	cfg      WorkerConfig
	loading  transport.WorkersConfig
	copies   *Copies
	hidden   time.Duration // the longest that a message is
	hooks    hooks         // of the processes that are started from now on
	alive    []*process
	ids      []string // of the copies that were begun
}

// process is one that works on copies and loads batches, as long as its script lets it.
type process struct {
	p        *plant
	script   *transporttest.Script
	registry *prometheus.Registry
	dests    *destination.Set
	dir      string
	stop     context.CancelFunc
	parts    sync.WaitGroup
}

// newPlant returns a plant whose stores are open, and which asks from for rows.
func newPlant(t *testing.T, kind string, answers map[string]answer) *plant {
	t.Helper()
	dir := t.TempDir()
	p := &plant{t: t, dir: dir, stores: transporttest.Stores{Kind: kind, Dir: dir}, from: newDB(answers), to: newDB(nil),
		hidden: 2 * messageLease}
	p.cfg = WorkerConfig{Concurrent: 2, Lease: testLease, Every: testEvery, RowBytes: 1 << 20,
		Batch: func(string) (bytes, rows int64) { return 1 << 20, 10 }, Room: func() error { return nil }}
	p.loading = transport.DefaultWorkersConfig()
	p.loading.Lease, p.loading.FreeSpace, p.loading.Dir, p.loading.Backoff.Max = messageLease, 0, dir, 10*time.Second
	p.to.Wait = func(ctx context.Context, b destination.Batch) error {
		p.wantLoading(ctx, b)
		return rest(ctx, 400*time.Millisecond)
	}
	p.open()
	t.Cleanup(func() { p.close() }) // when the test failed half-way
	return p
}

// bubble runs f in a synctest bubble with a plant.
func bubble(t *testing.T, answers map[string]answer, f func(t *testing.T, p *plant)) {
	t.Helper()
	bubbleOf(t, "memory", answers, f)
}

func bubbleOf(t *testing.T, kind string, answers map[string]answer, f func(t *testing.T, p *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, kind, answers)
		f(t, p)
		p.close()
	})
}

// open opens the stores, and what the API does with them.
func (p *plant) open() {
	p.t.Helper()
	p.stores.Open(p.t)
	dests := destination.NewSet(destination.ByID{"1": p.from, "2": p.to})
	runner := query.New(query.Limits{}, nil, dests, quiet(), query.NewMetrics(prometheus.NewRegistry()))
	may := func(source, _ string) bool { return source != "nobody" }
	p.copies = New(dests, p.stores.Control.Jobs(), runner, may, quiet())
}

// start starts a process under the script, which may be nil.
func (p *plant) start(s *transporttest.Script) *process {
	p.t.Helper()
	if s == nil {
		s = transporttest.NewScript()
	}
	q := &process{p: p, script: s, registry: prometheus.NewRegistry(), dir: filepath.Join(p.dir, fmt.Sprint("copy", len(p.alive)))}
	q.dests = destination.NewSet(destination.ByID{"1": faultyDB{p.from, s}, "2": faultyDB{p.to, s}, "mute": mute{p.to}})
	store, calm := hooked{transporttest.Control(p.stores.Control, s), p.hooks}, s.Bystander()
	blobs, queue := transporttest.Blobs(p.stores.Blobs, s), transporttest.Queue(p.stores.Queue, s)
	others := transporttest.Control(p.stores.Control, calm)
	workers := transport.NewWorkers(p.loading, q.dests, transporttest.Blobs(p.stores.Blobs, calm), transporttest.Queue(p.stores.Queue, calm), others,
		catalog.New(100, others.Columns(), quiet()), quiet(), transport.NewMetrics(q.registry))
	receipts := transport.NewReceipts(nil, store.Batches())
	receipts.Follow(workers)
	cfg := p.cfg
	cfg.Dir = q.dir
	worker := NewWorker(cfg, q.dests, store, transport.NewCourier(blobs, queue, store.Batches()), receipts, quiet(), NewMetrics(q.registry))
	var ctx context.Context
	ctx, q.stop = context.WithCancel(p.t.Context())
	q.run(ctx, workers.Run)
	q.run(ctx, worker.Run)
	p.alive = append(p.alive, q)
	return q
}

func (q *process) run(ctx context.Context, part func(context.Context) error) {
	q.parts.Go(func() {
		if err := part(ctx); err != nil {
			q.p.t.Errorf("a part ended with %v", err)
		}
	})
}

// end stops the process, and waits for it.
func (q *process) end() {
	q.stop()
	q.parts.Wait()
}

// restart ends all processes, and opens the stores anew.
func (p *plant) restart() {
	p.t.Helper()
	p.endAll()
	p.stores.Close(p.t, false)
	p.open()
}

func (p *plant) endAll() {
	for _, q := range p.alive {
		q.end()
	}
	p.alive = nil
}

func (p *plant) close() {
	p.t.Helper()
	if p.copies == nil {
		return
	}
	p.endAll()
	p.stores.Close(p.t, true)
	p.copies = nil
}

// copy asks for a copy of the answer into the destination 2.
func (p *plant) copy(answer, table string) string {
	p.t.Helper()
	return p.copyTo("2", answer, table)
}

func (p *plant) copyTo(destination, answer, table string) string {
	p.t.Helper()
	j := control.Job{ID: p.copies.ids.Batch(), Source: "1", Key: "k", Query: answer, Destination: destination, Table: tableOf(p.t, table),
		State: control.JobQueued, Counted: -1, Created: now()}
	if err := p.stores.Control.Jobs().Add(p.t.Context(), j); err != nil {
		p.t.Fatal(err)
	}
	p.ids = append(p.ids, j.ID)
	return j.ID
}

func (p *plant) job(id string) control.Job {
	p.t.Helper()
	j, err := p.stores.Control.Jobs().Find(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// await waits until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(testPatient); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", testPatient, what)
		}
		if err := rest(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitState waits until the job has come to the state.
func (p *plant) awaitState(id string, state control.JobState) {
	p.t.Helper()
	await(p.t, "the job is not "+string(state), func() bool { return p.job(id).State == state })
}

// awaitEnd waits until the job has ended, which must be in the state.
func (p *plant) awaitEnd(id string, state control.JobState) control.Job {
	p.t.Helper()
	await(p.t, "the job does not end", func() bool { return p.job(id).State.Ended() })
	j := p.job(id)
	if j.State != state {
		p.t.Errorf("got the job %s, %q, want %s", j.State, j.Error, state)
	}
	return j
}

// wantLoading checks that the job of a batch that is loaded has read all of its answer.
func (p *plant) wantLoading(ctx context.Context, b destination.Batch) {
	j, err := p.stores.Control.Jobs().Find(ctx, b.File)
	if err != nil && ctx.Err() == nil || err == nil && (j.State == control.JobQueued || j.State == control.JobReading) {
		p.t.Errorf("batch %s is loaded while its job is %q, %v", b.ID, j.State, err)
	}
}

// wantNothingLeft is settle when nothing may be staged either.
func (p *plant) wantNothingLeft() {
	p.t.Helper()
	p.settle()
	p.wantNothingStaged()
}

// settle waits until no batch is on its way and none is being loaded, not even one that is there already, for so long that
// what is hidden has come again, and was done with. Then it ends the processes, and checks that no file, blob or message of
// the copies is left.
func (p *plant) settle() {
	p.t.Helper()
	var since time.Time
	await(p.t, "batches are on their way", func() bool {
		n, _, err := p.stores.Control.Batches().Pending(p.t.Context())
		if since.IsZero() || err != nil || n > 0 || p.from.busy() || p.to.busy() {
			since = time.Now()
		}
		return time.Since(since) > p.hidden
	})
	p.endAll()
	p.wantEmptyQueue()
	p.wantNoBlobs()
	p.wantNoFiles("copy*")
}

func (p *plant) wantNothingStaged() {
	p.t.Helper()
	for _, id := range p.ids {
		if staged, err := p.stores.Control.Staged().List(p.t.Context(), id); err != nil || len(staged) > 0 {
			p.t.Errorf("got the staged batches %+v, %v, want none", staged, err)
		}
	}
}

func (p *plant) wantEmptyQueue() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), p.hidden)
	defer cancel()
	if m, err := p.stores.Queue.Receive(ctx, messageLease); err == nil {
		p.t.Errorf("the queue has a message left: %s", m.Body)
	} else if ctx.Err() == nil {
		p.t.Error(err)
	}
}

// How many claims of a copy, and batches of each, the tests have at most.
const (
	mostRuns    = 9
	mostBatches = 40
)

// wantNoBlobs checks that the blob store has no batch of a copy, but those that are dead.
func (p *plant) wantNoBlobs() {
	p.t.Helper()
	if p.stores.Kind == "local" {
		p.wantNoFiles("blobs")
	}
	for _, id := range p.ids {
		j := p.job(id)
		for j.Run = 1; j.Run <= mostRuns; j.Run++ {
			for n := 1; n <= mostBatches; n++ {
				key := keyOf(j, control.StagedBatch{ID: batchID(j, n)})
				r, err := p.stores.Blobs.Get(p.t.Context(), key)
				if errors.Is(err, fault.NotFound) {
					continue
				}
				if err == nil {
					err = r.Close()
				}
				p.t.Errorf("the blob %s is left over, %v", key, err)
			}
		}
	}
}

// wantNoFiles checks that nothing is left in the folders of the plant whose names are like that.
func (p *plant) wantNoFiles(like string) {
	p.t.Helper()
	folders, err := filepath.Glob(filepath.Join(p.dir, like))
	for _, folder := range folders {
		err = errors.Join(err, filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				p.t.Errorf("the file %s is left", path)
			}
			return err
		}))
	}
	if err != nil || len(folders) == 0 {
		p.t.Errorf("looked for files in %q: %v", folders, err)
	}
}
