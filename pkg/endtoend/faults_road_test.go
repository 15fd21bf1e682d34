package endtoend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// roadLease is the workers' lease: short, so that what a fault has hidden comes again within the test.
const roadLease = 2 * time.Second

// part is a queue, a blob store or a database with what stands between it and the nodes.
type part struct {
	kind      string
	far, near string // its settings in YAML: by way of the proxies, and directly
	tcp       *servertest.Proxy
	http      *servertest.HTTPProxy // behind tcp; nil when it does not speak HTTP
	answers   map[string]servertest.HTTPAnswer
}

func (p part) yaml() string { return fmt.Sprintf("{type: %s, settings: %s}", p.kind, p.far) }

// settings are those with which the test itself opens the part.
func (p part) settings(t *testing.T) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(p.near), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Content[0]
}

// road is the way of rows over two nodes: one that takes them, and one that loads them into its DuckDB.
type road struct {
	blobs, queue, database part
	blobsLeft              func(t *testing.T) []string // the blobs in the store
	taker, loader          *node
}

// start starts the nodes.
func (r *road) start(t *testing.T) {
	t.Helper()
	r.taker = r.newTaker(t)
	r.taker.start()
	r.loader = r.newLoader(t, "")
	r.loader.start()
}

func (r *road) newTaker(t *testing.T) *node {
	t.Helper()
	n := newNode(t, r.yaml())
	n.Env = append(n.Env, "SCRATCH_WORKERS_ENABLED=false", "SCRATCH_DESTINATIONS_0_TYPE=ingest_only")
	return n
}

func (r *road) newLoader(t *testing.T, more string) *node {
	t.Helper()
	n := newNode(t, r.yaml()+more)
	n.Env = append(n.Env, "SCRATCH_UPLOADS_ENABLED=false")
	return n
}

func (r *road) yaml() string {
	return fmt.Sprintf("blob_store: %s\nqueue: %s\ndatabase: %s\nworkers: {lease: %v}\nuploads: {max_file_age: 50ms}\n",
		r.blobs.yaml(), r.queue.yaml(), r.database.yaml(), roadLease)
}

// in gives the same road for a part of the test.
func (r *road) in(t *testing.T) *road {
	in := *r
	in.taker, in.loader = r.taker.in(t), r.loader.in(t)
	return &in
}

// in gives the same node for a part of the test.
func (n *node) in(t *testing.T) *node { return &node{n.Server, t} }

// openQueue opens the queue beside the nodes.
func (r *road) openQueue(t *testing.T) queue.Queue {
	t.Helper()
	q, err := builtin.List(t.TempDir()).Queues.Open(t.Context(), r.queue.kind, r.queue.settings(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// openBlobs opens the blob store beside the nodes.
func (r *road) openBlobs(t *testing.T) blobstore.Store {
	t.Helper()
	s, err := builtin.List(t.TempDir()).BlobStores.Open(t.Context(), r.blobs.kind, r.blobs.settings(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// numbers sends rows to a table, numbered from 0 on, each of them once.
type numbers struct {
	*road
	t     *testing.T
	table string
	sent  int64
}

func (r *road) numbers(t *testing.T, table string) *numbers {
	return &numbers{road: r.in(t), t: t, table: table}
}

// on gives the same rows for another part of the test.
func (n *numbers) on(t *testing.T) *numbers {
	return &numbers{road: n.in(t), t: t, table: n.table, sent: n.sent}
}

// send sends the next rows, which must be acknowledged at once, whatever becomes of the servers behind.
func (n *numbers) send(rows int64) {
	n.t.Helper()
	var b strings.Builder
	for i := n.sent; i < n.sent+rows; i++ {
		fmt.Fprintf(&b, `{"n":%d,"text":"row %d of %s"}`+"\n", i, i, n.table)
	}
	n.taker.insert(n.table, b.String())
	n.sent += rows
}

// sendUntil goes on sending until met is closed.
func (n *numbers) sendUntil(met <-chan struct{}) {
	n.t.Helper()
	tick, late := time.NewTicker(60*time.Millisecond), time.After(patience) // a batch each
	defer tick.Stop()
	for {
		n.send(10)
		select {
		case <-met:
			return
		case <-late:
			n.t.Fatal("the fault did not come")
		case <-tick.C:
		}
	}
}

// shipped waits until the taker has handed on all that it has.
func (n *numbers) shipped() {
	n.t.Helper()
	awaitMetric(n.t, n.taker, "scratchdata_ingest_batches_open", func(v float64) bool { return v == 0 })
	awaitMetric(n.t, n.taker, "scratchdata_ingest_batches_ready", func(v float64) bool { return v == 0 })
}

// awaitOnce waits for the rows, and then wants each of them once, and none on its way.
func (n *numbers) awaitOnce() {
	n.t.Helper()
	n.loader.await("select count(*) from "+n.table, n.sent)
	for _, at := range []*node{n.taker, n.loader} {
		awaitMetric(n.t, at, "scratchdata_oldest_unloaded_seconds", func(v float64) bool { return v == 0 })
	}
	n.wantOnce()
}

// wantOnce wants each of the rows once.
func (n *numbers) wantOnce() {
	n.t.Helper()
	var got string
	sql := fmt.Sprintf("select count(*), count(distinct n), coalesce(min(n), 0), coalesce(max(n), -1) from %s", n.table)
	err := n.loader.Lines(context.WithoutCancel(n.t.Context()), sql, func(line []byte) error {
		got = string(line)
		return nil
	})
	if want := fmt.Sprintf("%d,%d,0,%d", n.sent, n.sent, n.sent-1); err != nil || got != want {
		n.t.Errorf("rows, different ones, first and last of %s: got %s and %v, want %s", n.table, got, err, want)
	}
}

// awaitMetric waits until a metric is as it should be.
func awaitMetric(t *testing.T, at *node, name string, good func(float64) bool) {
	t.Helper()
	await(t, func() (string, bool) {
		v, err := at.Metric(t.Context(), name)
		return fmt.Sprintf("%s is %v (%v)", name, v, err), err == nil && good(v)
	})
}

// await waits until look says that all is well. What else it says is for the message when that does not come.
func await(t *testing.T, look func() (what string, well bool)) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		what, well := look()
		if well {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

// wantNothingLeft stops the nodes and wants nothing left of the rows on their way: no file, no message and no blob. The proxies
// must be out of the way.
func (r *road) wantNothingLeft(t *testing.T) {
	t.Helper()
	r = r.in(t)
	r.taker.mustStop()
	for _, folder := range []string{"open", "ready", "incoming", "aside"} {
		if got := filesBelow(t, filepath.Join(r.taker.Dir, "data", "ingest", folder)); len(got) > 0 {
			t.Errorf("the taker's %s has %v left", folder, got)
		}
	}
	await(t, func() (string, bool) {
		r.loader.mustStop()
		message, any := r.messageLeft(t)
		if any { // a double that a fault has left, and that the workers had not seen again yet
			r.loader.start()
			<-time.After(roadLease)
		}
		return fmt.Sprintf("the queue has %q left", message), !any
	})
	if got := r.blobsLeft(t); len(got) > 0 {
		t.Errorf("the blob store has %v left", got)
	}
}

// messageLeft gives one that is in the queue while no node has any, and leaves it there.
func (r *road) messageLeft(t *testing.T) (body []byte, any bool) {
	t.Helper()
	q := r.openQueue(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*roadLease) // what is still hidden comes within one
	defer cancel()
	m, err := q.Receive(ctx, time.Minute)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, false
	}
	if err == nil {
		err = q.Hide(t.Context(), m, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.Body, true
}

// filesBelow lists the files below a folder.
func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return names
}
