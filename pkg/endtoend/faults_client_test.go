package endtoend

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// client sends rows to one table and counts what was acknowledged. Each row that it sends has a number of its own.
type client struct {
	node        *node
	key, table  string
	sent, acked int64
}

// answer is what an insert was answered.
type answer struct {
	status     int
	code       string // of a problem
	retryAfter string
}

// insert sends so many rows.
func (c *client) insert(rows int) (a answer) {
	t := c.node.t
	t.Helper()
	var b strings.Builder
	for range rows {
		fmt.Fprintf(&b, `{"n":%d,"text":"a row that takes some room, as rows do"}`+"\n", c.sent)
		c.sent++
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.node.URL+"/api/data/insert/"+c.table, strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.node.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a = answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if a.status == http.StatusOK {
		c.acked += int64(rows)
		return a
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(text, &problem); err != nil {
		t.Errorf("an insert was answered %d and %q: %v", a.status, text, err)
	}
	a.code = problem.Code
	return a
}

func (c *client) mustInsert(rows int) {
	c.node.t.Helper()
	if a := c.insert(rows); a.status != http.StatusOK {
		c.node.t.Fatalf("insert: got %+v, want 200", a)
	}
}

// mustBeRefused wants 503, with the code and a time to come again.
func (c *client) mustBeRefused(rows int, code string) {
	c.node.t.Helper()
	if a := c.insert(rows); a.status != http.StatusServiceUnavailable || a.code != code || a.retryAfter == "" {
		c.node.t.Errorf("insert: got %+v, want 503, %s and when to come again", a, code)
	}
}

// insertUntilRefused inserts until that is refused, with 503, the code and a time to come again.
func (c *client) insertUntilRefused(rows int, code string) {
	c.node.t.Helper()
	await(c.node.t, func() (string, bool) {
		a := c.insert(rows)
		if a.status != http.StatusOK && (a.status != http.StatusServiceUnavailable || a.code != code || a.retryAfter == "") {
			c.node.t.Errorf("insert: got %+v, want 503, %s and when to come again", a, code)
		}
		return fmt.Sprintf("inserts are answered %+v", a), a.status != http.StatusOK
	})
}

// awaitAcknowledged waits until the node that was asked has all rows that were acknowledged, and wants no others, and none twice.
func (c *client) awaitAcknowledged() {
	c.node.t.Helper()
	awaitMetric(c.node.t, c.node, "scratchdata_oldest_unloaded_seconds", func(v float64) bool { return v == 0 })
	for what, sql := range map[string]string{"rows": "select count(*) from ", "different rows": "select count(distinct n) from "} {
		if got, err := c.node.Number(c.node.t.Context(), sql+c.table); err != nil || got != c.acked {
			c.node.t.Errorf("got %d %s and %v, want %d", got, what, err, c.acked)
		}
	}
}

// portOf is the port of a proxy.
func portOf(t *testing.T, p *servertest.Proxy) string {
	t.Helper()
	_, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// memoryOf gives how much memory a node has, in bytes.
func memoryOf(t *testing.T, n *node) float64 {
	t.Helper()
	v, err := n.Metric(t.Context(), "process_resident_memory_bytes")
	if err != nil {
		t.Fatal(err)
	}
	return v
}
