package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

const (
	slowLatency   = 15 * time.Millisecond // of each piece that is said
	slowRate      = 256 << 10             // bytes a second
	inARow        = 4                     // connections that a fault hits
	answersInARow = 5                     // more than a client tries one call
	fewBatches    = 4
)

// batches sends some batches of rows, each when the one before was shipped.
func (n *numbers) batches() {
	n.t.Helper()
	for range fewBatches {
		n.send(10)
		n.shipped()
	}
}

// quietly sends some batches and waits until they are loaded.
func (n *numbers) quietly() {
	n.t.Helper()
	n.batches()
	n.awaitOnce()
}

// sendUntilAll sends until some connections in a row were hit, whatever they were about to say.
func (n *numbers) sendUntilAll(hit func(match string) <-chan struct{}) {
	n.t.Helper()
	for range inARow {
		n.sendUntil(hit(""))
	}
}

// duringSilence sends while nothing is heard for longer than the workers' lease.
func (n *numbers) duringSilence(p *servertest.Proxy) {
	n.t.Helper()
	p.Hold()
	defer p.Release()
	over := make(chan struct{})
	silence := time.AfterFunc(roadLease+roadLease/4, func() { close(over) })
	defer silence.Stop()
	n.sendUntil(over)
}

// whileRefused sends while nobody is let in, until the taker has noticed.
func (n *numbers) whileRefused(p *servertest.Proxy) {
	n.t.Helper()
	const failures = "scratchdata_ship_failures_total"
	before, err := n.taker.Metric(n.t.Context(), failures)
	if err != nil {
		n.t.Fatal(err)
	}
	p.Refuse(true)
	defer p.Refuse(false)
	p.Cut()
	n.send(10)
	awaitMetric(n.t, n.taker, failures, func(v float64) bool { return v > before })
	n.send(10)
}

// received takes the messages about the batches out of the queue while nobody loads. The lease is theirs. Others may come again
// that an earlier fault has left, of batches that are loaded: they wait for the workers.
func (n *numbers) received(q queue.Queue, lease time.Duration) (list []queue.Message) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	for len(list) < fewBatches {
		m, err := q.Receive(ctx, lease)
		if err == nil && !bytes.Contains(m.Body, []byte(`"`+n.table+`"`)) {
			err = q.Hide(ctx, m, roadLease)
		} else if err == nil {
			list = append(list, m)
		}
		if err != nil {
			n.t.Fatal(err)
		}
	}
	return list
}

// shuffled lets each message come three times, in no order, to several places of the workers at a time.
func (n *numbers) shuffled() {
	n.t.Helper()
	n.loader.mustStop()
	n.batches()
	n.triple()
	n.loader.start()
}

// triple puts three messages in no order into the queue for each that waits there.
func (n *numbers) triple() {
	n.t.Helper()
	q := n.openQueue(n.t)
	var bodies [][]byte
	for _, m := range n.received(q, time.Minute) {
		bodies = append(bodies, m.Body, m.Body, m.Body)
		if err := q.Delete(n.t.Context(), m); err != nil {
			n.t.Error(err)
		}
	}
	rand.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	for _, b := range bodies {
		if err := q.Send(n.t.Context(), b); err != nil {
			n.t.Fatal(err)
		}
	}
}

// stolen lets a receiver beside the workers have the messages, whose leases end while it holds them. Later it says that they
// are done, and takes nothing away with it.
func (n *numbers) stolen() {
	n.t.Helper()
	n.loader.mustStop()
	n.batches()
	q := n.openQueue(n.t)
	stolen := n.received(q, time.Second)
	n.loader.start()
	n.awaitOnce()
	n.batches()
	for _, m := range stolen {
		await(n.t, func() (string, bool) { // a batch is settled a moment before its message goes
			return "the lease of a message that was loaded meanwhile was extended", q.Hide(n.t.Context(), m, time.Minute) != nil
		})
		if err := q.Delete(n.t.Context(), m); err != nil {
			n.t.Error(err)
		}
	}
}

// vanished takes a blob away before it is loaded. Its batch is dead, with the reason, and no other; when the blob is there again
// it can be replayed.
func (n *numbers) vanished() {
	n.t.Helper()
	n.loader.mustStop()
	n.batches()
	q := n.openQueue(n.t)
	first := n.received(q, time.Second)[0]
	var about struct{ Batch, Key string }
	if err := json.Unmarshal(first.Body, &about); err != nil {
		n.t.Fatal(err)
	}
	blob := n.takeBlob(about.Key)
	n.loader.start()
	var dead []control.Batch
	await(n.t, func() (string, bool) {
		err := n.loader.JSON(n.t.Context(), "/api/dead", &dead)
		return fmt.Sprintf("the dead are %v (%v)", dead, err), err == nil && len(dead) > 0
	})
	if len(dead) != 1 || !strings.Contains(dead[0].Reason, "missing") {
		n.t.Errorf("the dead are %+v, want one whose blob is missing", dead)
	}
	n.loader.await("select count(*) from "+n.table, n.sent-10)
	store := n.openBlobs(n.t)
	await(n.t, func() (string, bool) { // versitygw may refuse it while it removes the folder of another
		err := store.Put(n.t.Context(), about.Key, bytes.NewReader(blob))
		return fmt.Sprintf("put the blob back: %v", err), err == nil
	})
	status, text, err := n.loader.Post(n.t.Context(), n.loader.HTTP, "/api/dead/"+about.Batch+"/replay", http.NoBody)
	if err != nil || status/100 != 2 {
		n.t.Errorf("replay: got %d, %v: %s", status, err, text)
	}
}

// takeBlob takes a blob out of the store.
func (n *numbers) takeBlob(key string) []byte {
	n.t.Helper()
	s := n.openBlobs(n.t)
	r, err := s.Get(n.t.Context(), key)
	if err != nil {
		n.t.Fatal(err)
	}
	blob, err := io.ReadAll(r)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		n.t.Error(err)
	}
	if err := s.Delete(n.t.Context(), key); err != nil {
		n.t.Error(err)
	}
	return blob
}

// usage is what the nodes hold of the machine, by metric.
type usage map[string][2]float64

// held are the metrics of what a node holds, with how much more of it is as much as before: connections and their goroutines
// come and go, and under the race detector memory is several times as much, and is given back late.
var held = map[string]float64{"go_goroutines": 20, "process_open_fds": 12, "process_resident_memory_bytes": 256 << 20}

func (r *road) usage(t *testing.T) usage {
	t.Helper()
	u := make(usage)
	for name := range held {
		for i, at := range [...]*node{r.taker, r.loader} {
			v, err := at.Metric(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			w := u[name]
			w[i] = v
			u[name] = w
		}
	}
	return u
}

// wantUsage wants the nodes to hold no more than before, soon.
func (r *road) wantUsage(t *testing.T, before usage) {
	t.Helper()
	for name, more := range held {
		for i, at := range [...]*node{r.taker.in(t), r.loader.in(t)} {
			awaitMetric(t, at, name, func(v float64) bool { return v <= before[name][i]+more })
		}
	}
}
