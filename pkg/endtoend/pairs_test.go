package endtoend

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// memory is the type of the queue and the store that keep batches in the node's memory.
const memory = "memory"

// Rows go through every queue with every store, as the configuration alone pairs them.
func TestPairs(t *testing.T) {
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		for _, store := range slices.Sorted(maps.Keys(stores)) {
			t.Run(queue+" and "+store, func(t *testing.T) {
				t.Parallel()
				newPair(t, queue, store).run()
			})
		}
	}
}

// pair is a node with a queue and a store.
type pair struct {
	*node
	parts   []section
	durable bool           // what is under way outlasts a crash
	rows    map[string]int // acknowledged, by table; their numbers are 1, 2, 3 …
}

func newPair(t *testing.T, queue, store string) *pair {
	t.Helper()
	parts := []section{newQueue(t, queue), newStore(t, store)}
	n := newNode(t, parts[0].yaml+parts[1].yaml+"uploads: {max_file_age: 100ms}\n")
	return &pair{node: n, parts: parts, durable: queue != memory && store != memory, rows: make(map[string]int)}
}

func (p *pair) run() {
	p.t.Helper()
	first := p.underWay()
	p.start()
	if status, replayed, err := p.PostOnce(p.t.Context(), p.HTTP, "/api/data/insert/orders", "once", strings.NewReader(first)); status != http.StatusOK || !replayed || err != nil {
		p.t.Errorf("the keyed insert again: got %d, replayed %t, %v, want its first answer", status, replayed, err)
	}
	p.loaded(p.next("events", 3), 3)
	p.large()
	p.exactlyOnce()
	p.mustStop()
	p.nothingLeft()
}

// underWay inserts into two tables and ends the node while batches are on their way. It gives the rows of a keyed insert.
// What can be lost is not lost by a stop; what cannot is in queue and store, with nobody to load it, when the node is killed.
func (p *pair) underWay() (keyed string) {
	p.t.Helper()
	if p.durable {
		p.Env = append(p.Env, "SCRATCH_WORKERS_ENABLED=false")
	}
	p.start()
	for range 5 {
		p.insert("events", p.next("events", 2))
		p.insert("orders", p.next("orders", 1))
	}
	keyed = p.next("orders", 1)
	if status, replayed, err := p.PostOnce(p.t.Context(), p.HTTP, "/api/data/insert/orders", "once", strings.NewReader(keyed)); status != http.StatusOK || replayed || err != nil {
		p.t.Fatalf("the keyed insert: got %d, replayed %t, %v", status, replayed, err)
	}
	if !p.durable {
		p.mustStop()
		return keyed
	}
	p.awaitMetric("scratchdata_ingest_batches_open", 0)
	p.awaitMetric("scratchdata_ingest_batches_ready", 0)
	if got, err := p.Metric(p.t.Context(), `scratchdata_batches_total{stage="shipped"}`); got < 2 || err != nil {
		p.t.Errorf("batches shipped: got %v, %v, want those of two tables", got, err)
	}
	if err := p.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.Env = append(p.Env, "SCRATCH_WORKERS_ENABLED=true")
	return keyed
}

// next gives the next n rows of a table.
func (p *pair) next(table string, n int) string {
	var b strings.Builder
	for range n {
		p.rows[table]++
		fmt.Fprintf(&b, `{"n":%d}`+"\n", p.rows[table])
	}
	return b.String()
}

// loaded inserts rows into the events and wants them to be in the table when the answer comes.
func (p *pair) loaded(rows string, n int) {
	p.t.Helper()
	status, body, err := p.Post(p.t.Context(), p.HTTP, "/api/data/insert/events?wait=true&timeout=1m", strings.NewReader(rows))
	if want := fmt.Sprintf(`{"rows":%d,`, n); status != http.StatusOK || err != nil || !strings.HasPrefix(body, want) {
		p.t.Fatalf("insert and wait: got %d %s, %v, want 200 %s", status, body, err, want)
	}
	receipt, _, _ := strings.Cut(body[strings.Index(body, `"receipt":"`)+len(`"receipt":"`):], `"`)
	var told struct {
		State string
		Rows  int
	}
	if err := p.JSON(p.t.Context(), "/api/receipts/"+receipt, &told); err != nil || told.State != "loaded" {
		p.t.Errorf("the receipt: got %+v, %v, want it loaded", told, err)
	}
	sql := fmt.Sprintf("select count(*) from events where n > %d", p.rows["events"]-n)
	if got, err := p.Number(p.t.Context(), sql); got != int64(n) || err != nil {
		p.t.Errorf("%s, after the answer: got %d, %v, want %d", sql, got, err, n)
	}
}

// large inserts more than is kept in memory, in a batch of its own.
func (p *pair) large() {
	p.t.Helper()
	const rows, pad = 5000, 4200
	from := p.rows["events"]
	p.rows["events"] += rows
	reader, writer := io.Pipe()
	go func() {
		var err error
		for n := from + 1; n <= from+rows && err == nil; n++ {
			_, err = fmt.Fprintf(writer, `{"n":%d,"pad":"%0*d"}`+"\n", n, pad, n)
		}
		writer.CloseWithError(err)
	}()
	status, body, err := p.Post(p.t.Context(), p.HTTP, "/api/data/insert/events?wait=true&timeout=1m", reader)
	if status != http.StatusOK || err != nil {
		p.t.Fatalf("a large insert: got %d %s, %v, want 200", status, body, err)
	}
	if got, err := p.Metric(p.t.Context(), `scratchdata_ingest_batches_sealed_total{reason="own"}`); got != 1 || err != nil {
		p.t.Errorf("batches of one insert alone: got %v, %v, want the large one", got, err)
	}
}

// exactlyOnce wants every acknowledged row in its table, once.
func (p *pair) exactlyOnce() {
	p.t.Helper()
	for table, n := range p.rows {
		p.await("select count(*) from "+table, int64(n))
		if got, err := p.Number(p.t.Context(), "select count(distinct n) from "+table); got != int64(n) || err != nil {
			p.t.Errorf("%s: got %d different rows, %v, want %d", table, got, err, n)
		}
	}
}

// nothingLeft wants no batch anywhere when all are loaded, and a log without errors and secrets.
func (p *pair) nothingLeft() {
	p.t.Helper()
	for _, part := range p.parts {
		if part.left == nil {
			continue
		}
		if n := part.left(p.t); n != 0 {
			p.t.Errorf("left behind: got %d, want nothing of %s", n, part.yaml)
		}
	}
	for _, folder := range []string{"incoming", "open", "ready", "aside"} {
		if n := files(p.t, filepath.Join(p.Dir, "data", "ingest", folder)); n != 0 {
			p.t.Errorf("left behind: %d files in %s", n, folder)
		}
	}
	p.wantGoodLog(p.parts[0].yaml + p.parts[1].yaml)
}

// wantGoodLog wants a log without errors, and without the secrets of the configuration.
func (n *node) wantGoodLog(yaml string) {
	n.t.Helper()
	log, err := os.ReadFile(filepath.Join(n.Dir, "server.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, word := range append(secretsOf(yaml), "level=ERROR") {
		if strings.Contains(string(log), word) {
			n.t.Errorf("the log has %q in it: %s", word, log)
		}
	}
}

// awaitMetric waits until a metric has a value.
func (n *node) awaitMetric(name string, want float64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := n.Metric(ctx, name)
		if err == nil && got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}
