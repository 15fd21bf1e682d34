package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// asked is a query as it is sent, with the last line of the head left to more.
func asked(version, sql, format string) string {
	return "GET /api/data/query?q=" + strings.ReplaceAll(sql, " ", "+") + "&format=" + format + " HTTP/" + version +
		"\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\nConnection: close\r\n\r\n"
}

// A query that fails after its first row leaves an answer that no client takes for a whole one.
func TestErrorsAfterTheFirstByteCut(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	few := newPlant(t, setup{answers: answers(), limits: query.Limits{Rows: 2}})
	for _, tt := range []struct {
		name, sql string
		p         *plant
		line      string // in the log
	}{
		{"broken", "broken later", p, "hunter2"},
		{"the caller's mistake", "wrong later", p, "cannot cast"},
		{"panic", "panic later", p, "handler panicked"},
		{"a limit", "three", few, "result_too_large"},
	} {
		for format, last := range map[string]string{"json": "]", "ndjson": "none", "csv": "none"} {
			t.Run(tt.name+" "+format, func(t *testing.T) {
				tt.p.in(t)
				r := tt.p.send("POST", "/api/data/query?format="+format, strings.NewReader(tt.sql), "X-API-Key: "+keyOne)
				if r.status != http.StatusOK || !strings.Contains(r.body, "0") {
					t.Errorf("got %d %q, want 200 and the first row", r.status, r.body)
				}
				if !errors.Is(r.err, io.ErrUnexpectedEOF) || strings.Contains(r.body, last) || r.trailer.Get(statusTrailer) != "" {
					t.Errorf("got %q, trailers %v and %v, want it cut", r.body, r.trailer, r.err)
				}
				if strings.Contains(r.body, "hunter2") || strings.Contains(r.body, "problem") {
					t.Errorf("the error is in the answer: %q", r.body)
				}
				if !tt.p.log.has(tt.line, "request_id="+r.header.Get("X-Request-Id")) {
					t.Errorf("the log has no %q", tt.line)
				}
			})
		}
	}
	if got := p.counter("scratchdata_http_cut_total"); got != 9 {
		t.Errorf("%v answers were counted as cut, want 9", got)
	}
}

// On the wire: a whole answer ends with its last chunk and the trailers, a cut one ends with neither.
func TestCutOnTheWire(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	const end = "\r\n0\r\nX-Scratch-Rows: 3\r\nX-Scratch-Status: complete\r\n\r\n"
	for _, format := range []string{"json", "ndjson", "csv"} {
		for sql, whole := range map[string]bool{"three": true, "broken later": false, "panic later": false} {
			b, err := io.ReadAll(p.dial(asked("1.1", sql, format)))
			if err != nil {
				t.Fatal(err)
			}
			got := string(b)
			if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.Contains(got, "Trailer: X-Scratch-Rows, X-Scratch-Status\r\n") {
				t.Errorf("%s as %s: got %q, want 200 that announces trailers", sql, format, got)
			}
			_, chunks, _ := strings.Cut(got, "\r\n\r\n")
			_, err = io.ReadAll(httputil.NewChunkedReader(strings.NewReader(chunks)))
			if (err == nil) != whole || strings.HasSuffix(got, end) != whole || strings.Contains(chunks, "X-Scratch") != whole {
				t.Errorf("%s as %s: got %q and %v, want its end: %t", sql, format, got, err, whole)
			}
		}
	}
}

// HTTP/1.0 has no chunks: an answer ends with the connection, so a cut one must end it by a reset. Proxies speak it.
func TestCutOfAnOldClient(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for sql, whole := range map[string]bool{"three": true, "none": true, "broken later": false, "panic later": false} {
		b, err := io.ReadAll(p.dial(asked("1.0", sql, "csv")))
		if (err == nil) != whole {
			t.Errorf("%s: got %q and error %v, want it whole: %t", sql, b, err, whole)
		}
	}
}

func TestClientThatLeavesEndsItsQuery(t *testing.T) {
	for name, rows := range map[string]int{"before the first row": 0, "after it": 1} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1)
			began := make(chan struct{})
			slow := waiting(rows, told)
			p := newPlant(t, setup{answers: map[string]answer{"slow": func(ctx context.Context, out result.Writer) error {
				close(began)
				return slow(ctx, out)
			}}})
			c := p.dial("GET /api/data/query?q=slow HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\n\r\n")
			<-began
			if rows > 0 {
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-told:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the query ended with %v, want %v", err, context.Canceled)
				}
			case <-time.After(patience):
				t.Fatal("the query goes on")
			}
			p.await("the end is logged", func() bool { return p.log.has("request failed", "code=canceled", "status=499") })
		})
	}
}

// A client that takes nothing for as long as the write timeout holds no query up.
func TestClientThatStallsEndsItsQuery(t *testing.T) {
	told := make(chan error, 1)
	p := newPlant(t, setup{api: func(c *Config) { c.WriteTimeout = 50 * time.Millisecond }, answers: map[string]answer{"endless": endless(told)}})
	p.dial("GET /api/data/query?q=endless HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\n\r\n")
	select {
	case err := <-told:
		if fault.CodeOf(err) != "client_gone" && !errors.Is(err, context.Canceled) {
			t.Errorf("the query ended with %v, want that the client is gone", err)
		}
	case <-time.After(patience):
		t.Fatal("the query goes on")
	}
}

// The write timeout is the reader's time: an engine may take longer, also between its last row and the end.
func TestAnswersWaitForTheEngine(t *testing.T) {
	const short = time.Second
	slow := func(ctx context.Context, out result.Writer) error {
		pause := func() error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(short + short/4):
				return nil
			}
		}
		return errors.Join(pause(), beginNumbers(out), pause(), writeNumber(out, 1), pause(), out.End())
	}
	p := newPlant(t, setup{api: func(c *Config) { c.WriteTimeout = short }, answers: map[string]answer{"slow": slow}})
	var wg sync.WaitGroup // all at once, as they wait nearly all the time
	defer wg.Wait()
	for _, f := range result.Formats() {
		for _, coding := range []string{"identity", "gzip"} {
			wg.Go(func() {
				r := p.send("POST", "/api/data/query?format="+f.Name, strings.NewReader("slow"), "X-API-Key: "+keyOne, "Accept-Encoding: "+coding)
				if r.err != nil || r.trailer.Get(statusTrailer) != "complete" || r.trailer.Get(rowsTrailer) != "1" {
					t.Errorf("%s, %s: got %q, trailers %v and %v, want it whole", f.Name, coding, r.body, r.trailer, r.err)
				}
			})
		}
	}
}
