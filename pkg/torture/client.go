package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// insert is one insert of a client: its rows are numbered from first on.
type insert struct {
	first, rows int64
	acked       bool
}

// client inserts rows that name their client and carry a number of their own, and remembers what was acknowledged. Each
// insert is tried once: one that got no answer may be there whole or not at all.
type client struct {
	id      int
	srv     *rig.Server
	rng     *rand.Rand
	http    *http.Client
	next    int64
	inserts []insert
	seen    []uint8 // how often each number is in the tables; filled by account
}

func newClient(id int, seed uint64, srv *rig.Server) *client {
	return &client{id: id, srv: srv, rng: rand.New(rand.NewPCG(seed, uint64(id)+1)),
		http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

func (c *client) run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		in := insert{first: c.next, rows: c.size()}
		c.next += in.rows
		status, _, err := c.srv.Post(ctx, c.http, c.path(), c.body(in))
		in.acked = err == nil && status == http.StatusOK
		c.inserts = append(c.inserts, in)
		if err != nil {
			c.breathe(ctx)
		}
	}
}

// breathe waits a moment, so that a server that is down is not asked in a tight loop.
func (c *client) breathe(ctx context.Context) {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// size draws how many rows the next insert has: mostly one, sometimes a few, now and then so many that the insert
// gets a file of its own.
func (c *client) size() int64 {
	switch n := c.rng.IntN(1000); {
	case n < 900:
		return 1
	case n < 998:
		return int64(2 + c.rng.IntN(200))
	default:
		return int64(100_000 + c.rng.IntN(100_000))
	}
}

// tables is over how many tables the rows are spread.
const tables = 3

func (c *client) path() string {
	acks := [...]string{"disk", "disk", "disk", "memory"} // a killed process has not lost what it wrote
	return fmt.Sprintf("/api/data/insert/torture_%d?ack=%s", c.rng.IntN(tables), acks[c.rng.IntN(len(acks))])
}

func (c *client) body(in insert) *bytes.Reader {
	var b bytes.Buffer
	for n := in.first; n < in.first+in.rows; n++ {
		fmt.Fprintf(&b, `{"c":%d,"n":%d,"note":{"text":"row %d of client %d","odd":%t}}`+"\n", c.id, n, n, c.id, n%2 == 1)
	}
	return bytes.NewReader(b.Bytes())
}
