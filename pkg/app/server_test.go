package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
)

// childFolder makes this test binary a server on the folder that it names, for tests that kill one.
const childFolder = "SCRATCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child serves as the program does, until a signal.
func child(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := Load("", environ(dir))
	if err == nil {
		err = Run(ctx, cfg, Reloads{}, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// environ is what tests set: a folder, free ports, no need of free disk.
func environ(dir string, more ...string) []string {
	return append([]string{
		"SCRATCH_DATA_DIR=" + dir, "SCRATCH_API_PORT=0", "SCRATCH_PROMETHEUS_PORT=0",
		"SCRATCH_UPLOADS_FREE_SPACE_REQUIRED=0", "SCRATCH_WORKERS_FREE_SPACE_REQUIRED=0",
		"SCRATCH_UPLOADS_MAX_FILE_AGE=50ms",
	}, more...)
}

func load(t *testing.T, environ []string) config.Config {
	t.Helper()
	cfg, err := Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// client is a running server as its users see it.
type client struct {
	t    *testing.T
	url  string
	key  string
	http *http.Client
}

func newClient(t *testing.T, url string) *client {
	c := &client{t: t, url: url, key: config.DefaultKey, http: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// running is a server in this process.
type running struct {
	*client
	hello string
	log   *logBuffer
	quit  context.CancelFunc
	done  chan error // gives Run's error once
}

// begin runs a server and waits until it is ready, or gives Run's error.
func begin(t *testing.T, cfg config.Config) (*running, error) {
	t.Helper()
	return beginWith(t, cfg, Reloads{})
}

func beginWith(t *testing.T, cfg config.Config, again Reloads) (*running, error) {
	t.Helper()
	ctx, quit := context.WithCancel(context.Background())
	r := &running{log: new(logBuffer), quit: quit, done: make(chan error, 1)}
	out, in := io.Pipe()
	go func() {
		err := Run(ctx, cfg, again, in, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		r.done <- err
		_ = in.Close()
	}()
	var url string
	url, r.hello = readHello(bufio.NewReader(out))
	if r.hello == "" {
		quit()
		return nil, <-r.done
	}
	r.client = newClient(t, url)
	return r, nil
}

// serve is begin of a server that must start. It is stopped at the end of the test at the latest.
func serve(t *testing.T, cfg config.Config) *running {
	t.Helper()
	r, err := begin(t, cfg)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(r.quit)
	return r
}

// stop stops the server and gives Run's error.
func (r *running) stop() error {
	r.quit()
	r.http.CloseIdleConnections()
	return <-r.done
}

// mustStop is stop of a server that must stop well.
func (r *running) mustStop() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Fatalf("stop: %v\n%s", err, r.log)
	}
}

// readHello reads what a server says when it is ready, with the address in it. Both are empty when it says nothing.
func readHello(out *bufio.Reader) (url, hello string) {
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return "", ""
		}
		hello += line
		if at, ok := strings.CutPrefix(line, "  address  "); ok {
			url = strings.TrimSpace(at)
		}
		if strings.HasPrefix(line, "  try ") || strings.HasPrefix(line, "  data ") && url == "" {
			return url, hello
		}
	}
}

// do sends a request and gives the answer's status and body.
func (c *client) do(method, path, body string) (int, string) {
	c.t.Helper()
	status, text, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, text
}

func (c *client) try(method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// insert posts rows and wants them accepted.
func (c *client) insert(path, body string) {
	c.t.Helper()
	if status, text := c.do("POST", "/api/data/insert/"+path, body); status != http.StatusOK {
		c.t.Fatalf("insert: got status %d %s, want 200", status, text)
	}
}

// query wants sql to answer want as CSV.
func (c *client) query(sql, want string) {
	c.t.Helper()
	status, got := c.do("POST", "/api/data/query?format=csv", sql)
	if status != http.StatusOK || strings.ReplaceAll(got, "\r\n", "\n") != want {
		c.t.Errorf("%s\n got status %d %q\nwant %q", sql, status, got, want)
	}
}

// await waits until sql answers want: rows that were not waited for come in their own time.
func (c *client) await(sql, want string) {
	c.t.Helper()
	var status int
	var got string
	ok := until(c.t, func() bool {
		status, got = c.do("POST", "/api/data/query?format=csv", sql)
		return status == http.StatusOK && strings.ReplaceAll(got, "\r\n", "\n") == want
	})
	if !ok {
		c.t.Fatalf("%s\n got status %d %q\nwant %q", sql, status, got, want)
	}
}

// until waits for ok to be true, for long enough that a slow machine is no failure.
func until(t *testing.T, ok func() bool) bool {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}
