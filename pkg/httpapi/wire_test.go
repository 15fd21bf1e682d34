package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/ingest"
)

// manyRows is enough rows for some to be in a file before the last comes.
const manyRows = 20_000

// insertHead is the head of an insert whose body follows as headers say.
func insertHead(headers string) string {
	return "POST /api/data/insert/t HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\n" + headers + "\r\n\r\n"
}

// answerTo gives what the server answers to text, after which the client sends no more.
func (p *plant) answerTo(text string) reply {
	p.t.Helper()
	c := p.dial(text)
	if err := c.CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
	return p.readReply(c)
}

func (p *plant) readReply(c io.Reader) reply {
	p.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Errorf("the answer is broken: %v", err)
	}
	return reply{resp.StatusCode, resp.Header, string(b), resp.Trailer, resp.Body.Close()}
}

// A body that does not come as it was announced is refused whole.
func TestBrokenBodies(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) { c.Inline = 1 << 10 }})
	rows := strings.Repeat(`{"a":1}`+"\n", manyRows)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(rows), rows)
	zipped := gzipped(t, rows)
	for _, tt := range []struct{ name, headers, body, code string }{
		{"shorter than announced", "Content-Length: 500000", rows, "truncated_body"},
		{"much shorter than announced", "Content-Length: 50000000", rows, "truncated_body"},
		{"longer than announced", "Content-Length: 11", rows[:30], "invalid_json"},
		{"nothing of it", "Content-Length: 10", "", "truncated_body"},
		{"gzip shorter than announced", "Content-Encoding: gzip\r\nContent-Length: 500000", cutOff(zipped), "truncated_body"},
		{"zstd shorter than announced", "Content-Encoding: zstd\r\nContent-Length: 500000", cutOff(zstded(t, rows)), "truncated_body"},
		{"no last chunk", "Transfer-Encoding: chunked", chunk, "truncated_body"},
		{"cut in a chunk", "Transfer-Encoding: chunked", cutOff(chunk), "truncated_body"},
		{"a chunk of no length", "Transfer-Encoding: chunked", chunk + "xyz\r\n", "bad_transfer_encoding"},
		{"a chunk longer than it says", "Transfer-Encoding: chunked", "8\r\n" + rows[:80] + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			wantProblem(t, p.answerTo(insertHead(tt.headers)+tt.body), http.StatusBadRequest, tt.code)
			p.wantNothingStored()
		})
	}
	whole := p.readReply(p.dial(insertHead("Transfer-Encoding: chunked") + chunk + "0\r\n\r\n"))
	if got := decode[insertReply](t, whole); got.Rows != manyRows {
		t.Errorf("whole body: got %+v, want %d rows", got, manyRows)
	}
}

func TestTooLargeAsAnnounced(t *testing.T) {
	p := newPlant(t, small())
	wantProblem(t, p.answerTo(insertHead("Content-Length: 4001\r\nExpect: 100-continue")), http.StatusRequestEntityTooLarge, "body_too_large")
	p.wantNothingStored()
}

// A client that sends nothing more for as long as the read timeout is told so, and its rows are not kept.
func TestSlowBodies(t *testing.T) {
	p := newPlant(t, setup{
		api:    func(c *Config) { c.ReadTimeout = 50 * time.Millisecond },
		ingest: func(c *ingest.Config) { c.Inline = 1 << 10 },
	})
	rows := strings.Repeat(`{"a":1}`+"\n", manyRows)
	for _, tt := range []struct{ name, headers, body string }{
		{"in a chunk", "Transfer-Encoding: chunked", "ffffff\r\n" + rows},
		{"between chunks", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(rows), rows)},
		{"before the first", "Transfer-Encoding: chunked", ""},
		{"in a large body", "Content-Length: 50000000", rows},
		{"in gzip", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", "ffffff\r\n" + gzipped(t, rows)[:20]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			c := p.dial(insertHead(tt.headers) + tt.body)
			wantProblem(t, p.readReply(c), http.StatusBadRequest, "slow_body")
			p.wantNothingStored()
		})
	}
}

// A body may take longer than the timeout as long as it goes on.
func TestSteadyBodyMayTakeLong(t *testing.T) {
	const timeout, pieces = 800 * time.Millisecond, 10
	p := newPlant(t, setup{api: func(c *Config) { c.ReadTimeout = timeout }})
	c := p.dial(insertHead("Transfer-Encoding: chunked"))
	tick := time.NewTicker(timeout / 8)
	defer tick.Stop()
	for range pieces {
		if _, err := io.WriteString(c, "8\r\n{\"a\":1}\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	if _, err := io.WriteString(c, "0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := decode[insertReply](t, p.readReply(c)); got.Rows != pieces {
		t.Errorf("got %+v, want %d rows", got, pieces)
	}
}

func TestClientThatLeavesStoresNothing(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) { c.Inline = 1 << 10 }})
	c := p.dial(insertHead("Transfer-Encoding: chunked") + "ffffff\r\n" + strings.Repeat(`{"a":1}`+"\n", manyRows))
	p.await("the rows come", func() bool { return len(p.files("ingest")) > 0 })
	if err := c.SetLinger(0); err != nil { // closed with a reset, as by a process that is killed
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	p.await("the insert ends", func() bool { return p.log.has("request failed", "code=client_gone", "status=499") })
	p.wantNothingStored()
}
