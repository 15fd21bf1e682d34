package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// One of two nodes that take rows and one of two that load them are told to stop while clients send: both end well, clients
// find the other one, and every acknowledged row is in the table once, without either coming back.
func TestNodesAreDrained(t *testing.T) {
	servers.Need(t, "CLICKHOUSE", "POSTGRES")
	database := servertest.ClickHouse(t)
	parts := []section{newQueue(t, "rabbitmq"), newStore(t, "s3")}
	yaml := parts[0].yaml + parts[1].yaml + fmt.Sprintf(`database: {type: postgres, settings: {dsn: %q}}
uploads: {max_file_age: 100ms}
destinations: [{id: 1, type: clickhouse, api_keys: [%s], settings: {hosts: [%s], tcp_port: %d, username: %s, password: %s, database: %s}}]
`, servertest.Postgres(t), rig.Key, database.Host, database.TCP, database.User, database.Password, database.Database)
	var takers, loaders []*node
	for range 2 {
		takers = append(takers, startNode(t, yaml, "SCRATCH_WORKERS_ENABLED=false"))
		loaders = append(loaders, startNode(t, yaml, "SCRATCH_UPLOADS_ENABLED=false", "SCRATCH_API_ENABLED=false"))
	}

	c := &crowd{t: t, nodes: takers}
	c.start(4)
	c.await(100)
	var stops sync.WaitGroup
	for _, n := range []*node{takers[0], loaders[0]} {
		stops.Go(func() {
			if err := n.StopBy(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		})
	}
	stops.Wait()
	c.await(c.acknowledged.Load() + 100)
	c.stop()

	if c.turned.Load() == 0 {
		t.Error("no client found the stopping node closed: it was not under load")
	}
	takers[1].await("select count(*) from events", c.acknowledged.Load())
	takers[1].awaitMetric("scratchdata_oldest_unloaded_seconds", 0)
	takers[1].mustStop()
	loaders[1].mustStop()
	want := fmt.Sprintf("%d\t%d", c.acknowledged.Load(), c.acknowledged.Load())
	if got := database.Exec(t, "SELECT count(), uniqExact(n) FROM events"); got != want {
		t.Errorf("rows, and different ones: got %s, want %s", got, want)
	}
	if n := files(t, filepath.Join(takers[0].Dir, "data", "ingest")); n != 0 {
		t.Errorf("the node that was stopped has still %d files", n)
	}
	for _, part := range parts {
		if n := part.left(t); n != 0 {
			t.Errorf("left behind: got %d, want nothing of %s", n, part.yaml)
		}
	}
}

// crowd is clients, each of which sends one row after the other, each row until it is acknowledged: to one node, then to the
// other, then to the first again.
type crowd struct {
	t            *testing.T
	nodes        []*node
	next         atomic.Int64 // number of a row
	acknowledged atomic.Int64
	turned       atomic.Int64 // answers and failures that made a client turn to the other node
	clients      sync.WaitGroup
	quit         chan struct{}
}

func (c *crowd) start(n int) {
	c.quit = make(chan struct{})
	for i := range n {
		c.clients.Go(func() {
			at := i
			for {
				select {
				case <-c.quit:
					return
				default:
					at = c.send(c.next.Add(1), at)
				}
			}
		})
	}
}

// send sends a row until a node acknowledges it, first to the node at, and gives where to send the next one to.
func (c *crowd) send(row int64, at int) int {
	body, key := fmt.Sprintf(`{"n":%d}`, row), fmt.Sprintf("row-%d", row)
	for c.t.Context().Err() == nil {
		if c.try(c.nodes[at%len(c.nodes)], key, body) {
			c.acknowledged.Add(1)
			return at + 1
		}
		c.turned.Add(1)
		at++
	}
	return at
}

// try sends once. A node that stops breaks the connection, or says 503 and when to come again, and nothing else.
func (c *crowd) try(n *node, key, body string) bool {
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, n.URL+"/api/data/insert/events", strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return false
	}
	req.Header.Set("Authorization", "Bearer "+rig.Key)
	req.Header.Set("Idempotency-Key", key)
	resp, err := n.HTTP.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // its status tells enough
	if resp.StatusCode == http.StatusOK {
		return true
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		c.t.Errorf("insert: got %s with Retry-After %q, want 200, or 503 and when to come again", resp.Status, resp.Header.Get("Retry-After"))
	}
	return false
}

// await waits until so many rows are acknowledged.
func (c *crowd) await(n int64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for c.acknowledged.Load() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("acknowledged: got %d, want %d", c.acknowledged.Load(), n)
		}
	}
}

// stop ends the clients when the rows in hand are acknowledged.
func (c *crowd) stop() {
	close(c.quit)
	c.clients.Wait()
}
