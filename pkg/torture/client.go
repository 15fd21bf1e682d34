package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// insert is one insert of a client: its rows are numbered from first on.
type insert struct {
	first, rows int64
	acked       bool
}

// client inserts rows that name their client and carry a number of their own, and remembers what was acknowledged. An
// insert that got no answer may be there whole or not at all. A client that has keys sends it again until it is answered,
// and then it must be there once, whatever became of the tries before.
type client struct {
	id       int
	keys     bool
	fleet    *fleet
	rng      *rand.Rand
	http     *http.Client
	next     int64
	inserts  []insert
	replayed int64   // inserts whose first answer was lost and came again
	seen     []uint8 // how often each number is in the tables; filled by account
}

func newClient(id int, seed uint64, f *fleet) *client {
	return &client{id: id, keys: id%2 == 1, fleet: f, rng: rand.New(rand.NewPCG(seed, uint64(id)+1)),
		http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

// run inserts until load ends. What a client with keys has begun then it brings to its end, until patience ends.
func (c *client) run(load, patience context.Context) {
	defer c.http.CloseIdleConnections()
	for n := 0; load.Err() == nil; n++ {
		in := insert{first: c.next, rows: c.size()}
		path := c.path(n)
		c.next += in.rows
		if c.keys {
			in.acked = c.insist(patience, path, in)
		} else {
			status, _, err := c.fleet.taking(c.rng).Post(load, c.http, path, c.body(in))
			in.acked = err == nil && status == http.StatusOK
			if err != nil {
				c.breathe(load)
			}
		}
		c.inserts = append(c.inserts, in)
	}
}

// insist sends in again and again until it is answered.
func (c *client) insist(ctx context.Context, path string, in insert) bool {
	key := fmt.Sprintf("client-%d-insert-%d", c.id, in.first)
	for ctx.Err() == nil {
		try, cancel := c.hasty(ctx)
		status, replayed, err := c.fleet.taking(c.rng).PostOnce(try, c.http, path, key, c.body(in))
		cancel()
		if err == nil && status == http.StatusOK {
			if replayed {
				c.replayed++
			}
			return true
		}
		c.breathe(ctx)
	}
	return false
}

// hasty gives a try less time than it may need, now and then, so that the answer is lost.
func (c *client) hasty(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.rng.IntN(10) > 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(c.rng.IntN(15_000))*time.Microsecond)
}

// breathe waits a moment, so that a server that is down is not asked in a tight loop.
func (c *client) breathe(ctx context.Context) {
	_ = pause(ctx, 20*time.Millisecond) // who calls sees that ctx has ended
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

// path draws where the client's insert number n goes and how. Some go to two tables at once: the notes to one of their own.
func (c *client) path(n int) string {
	acks := [...]string{"disk", "disk", "disk", "memory"} // a killed process has not lost what it wrote
	table, mode := c.rng.IntN(tables), "horizontal"
	if c.keys && n < tables {
		table, mode = n, "multitable" // so that the account has the tables that it asks for
	} else if c.rng.IntN(20) == 0 {
		mode = "multitable"
	}
	return fmt.Sprintf("/api/data/insert/torture_%d?ack=%s&flatten=%s", table, acks[c.rng.IntN(len(acks))], mode)
}

func (c *client) body(in insert) *bytes.Reader {
	var b bytes.Buffer
	for n := in.first; n < in.first+in.rows; n++ {
		fmt.Fprintf(&b, `{"c":%d,"n":%d,"note":{"text":"row %d of client %d","odd":%t}}`+"\n", c.id, n, n, c.id, n%2 == 1)
	}
	return bytes.NewReader(b.Bytes())
}
