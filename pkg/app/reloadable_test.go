package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
)

// reloadable is a server whose configuration is a file.
type reloadable struct {
	*running
	dir, file string
	hangups   chan os.Signal
	read      int // bytes of the log that were looked at
}

// serveFile serves what text says, in which DIR stands for a folder that is the test's own. The data is in DIR/data unless
// text says so.
func serveFile(t *testing.T, text string) *reloadable {
	t.Helper()
	r := &reloadable{dir: t.TempDir(), hangups: make(chan os.Signal, 1)}
	r.file = filepath.Join(r.dir, "config.yaml")
	r.write(t, text)
	vars := environ("")[1:] // the file says where the data is
	read := func() (config.Config, error) { return Load(r.file, vars) }
	cfg, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if r.running, err = beginWith(t, cfg, Reloads{Asked: r.hangups, Read: read}); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(r.quit)
	return r
}

func (r *reloadable) write(t *testing.T, text string) {
	t.Helper()
	if !strings.HasPrefix(text, "data_dir:") {
		text = "data_dir: DIR/data\n" + text
	}
	if err := os.WriteFile(r.file, []byte(strings.ReplaceAll(text, "DIR", r.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin has the server read text as its configuration.
func (r *reloadable) begin(text string) {
	r.t.Helper()
	r.write(r.t, text)
	r.hangups <- syscall.SIGHUP
}

// done waits until the server has read its configuration again, and gives what the log says of that.
func (r *reloadable) done() string {
	r.t.Helper()
	var news string
	if !until(r.t, func() bool {
		news = r.log.String()[r.read:]
		return strings.Contains(news, `msg="configuration read again`)
	}) {
		r.t.Fatalf("the configuration is not read again: %s", news)
	}
	r.read += len(news)
	return news
}

func (r *reloadable) reload(text string) string {
	r.t.Helper()
	r.begin(text)
	return r.done()
}

// wantLog wants each of texts in the log.
func wantLog(t *testing.T, log string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("got the log\n%swant in it %q", log, text)
		}
	}
}

// ask wants sql to answer want as CSV to who has key.
func (c *client) ask(key, sql, want string) {
	c.t.Helper()
	c.as(key).query(sql, want)
}

// put inserts body and waits until it is loaded, as who has key.
func (c *client) put(key, path, body string) {
	c.t.Helper()
	if status, text := c.as(key).do("POST", "/api/data/insert/"+path+"?wait=true", body); status != http.StatusOK {
		c.t.Errorf("insert as %s: got status %d %s, want 200", key, status, text)
	}
}

// wantStatus wants a query of who has key to be answered with status.
func (c *client) wantStatus(key string, status int) {
	c.t.Helper()
	if got, text := c.as(key).do("POST", "/api/data/query", "select 1"); got != status {
		c.t.Errorf("as %s: got status %d %s, want %d", key, got, text, status)
	}
}

// queriesWait reports whether a reload has begun and queries are not answered: two of them, as one may be late by chance.
func (r *reloadable) queriesWait() bool {
	return len(r.hangups) == 0 && r.queryWaits() && r.queryWaits()
}

// queryWaits reports whether a query is not answered soon.
func (r *reloadable) queryWaits() bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), 500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/api/data/query", strings.NewReader("select 1"))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer local")
	resp, err := r.http.Do(req)
	if err != nil {
		return errors.Is(err, context.DeadlineExceeded)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close()) != nil
}

// streaming is an answer that is being read.
type streaming struct {
	t    *testing.T
	resp *http.Response
	body *bufio.Reader
}

// stream asks sql and reads the first line of the answer, which is more than any buffer holds.
func (c *client) stream(sql string) *streaming {
	c.t.Helper()
	req, err := http.NewRequest("POST", c.url+"/api/data/query?format=csv", strings.NewReader(sql))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer local")
	req.Header.Set("Accept-Encoding", "identity") // compressed, it would fit the buffers
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() }) // read to its end, unless the test failed
	s := &streaming{c.t, resp, bufio.NewReader(resp.Body)}
	if line, err := s.body.ReadString('\n'); err != nil || !strings.HasPrefix(line, "i,") {
		c.t.Fatalf("got the line %q, %v, want the header", line, err)
	}
	return s
}

// wantWhole reads the rest and wants so many rows, the last of which is the last.
func (s *streaming) wantWhole(rows int) {
	s.t.Helper()
	n, last := 0, ""
	for {
		line, err := s.body.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatalf("after %d rows: %v", n, err)
		}
		n, last = n+1, line
	}
	if !strings.HasPrefix(last, fmt.Sprintf("%d,", rows-1)) || n != rows {
		s.t.Errorf("got %d rows, the last %.20q, want %d", n, last, rows)
	}
	if got := s.resp.Trailer.Get("X-Scratch-Status"); got != "complete" {
		s.t.Errorf("got the trailer %q, want complete", got)
	}
}
