package app

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/loopback"
)

// get asks url, as user when that is not empty.
func get(t *testing.T, url, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// freePort gives a port for a server that comes later.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := loopback.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// metric finds the value of a metric without labels.
func metric(t *testing.T, text, name string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Errorf("no metric %s", name)
	return math.NaN()
}

func TestMetrics(t *testing.T) {
	one, two := freePort(t), freePort(t)
	for _, tt := range []struct {
		name    string
		environ []string
		path    func(r *running) string
	}{
		{"own port", []string{"SCRATCH_PROMETHEUS_PORT=" + one}, func(*running) string { return "http://127.0.0.1:" + one }},
		{"the API's port", []string{"SCRATCH_PROMETHEUS_PORT=" + two, "SCRATCH_API_PORT=" + two}, func(r *running) string { return r.url }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := serve(t, load(t, environ(t.TempDir(), tt.environ...)))
			r.insert("t?wait=true", `{"a":1}`)
			url := tt.path(r) + "/metrics"
			_, text := get(t, url, "", "")
			for _, name := range []string{"go_goroutines", "process_start_time_seconds", "scratchdata_dead_batches"} {
				metric(t, text, name)
			}
			zero := func() bool {
				_, text = get(t, url, "", "")
				return metric(t, text, "scratchdata_oldest_unloaded_seconds") == 0
			}
			if !until(t, zero) {
				t.Error("the age of the oldest row does not go back to 0")
			}
			r.mustStop()
		})
	}
}

func TestOldestRowGrowsOlder(t *testing.T) {
	port := freePort(t)
	dir := t.TempDir()
	r := serve(t, load(t, environ(dir, "SCRATCH_WORKERS_ENABLED=false", "SCRATCH_PROMETHEUS_PORT="+port)))
	r.insert("t", `{"a":1}`)
	last := 0.0
	for range 3 {
		grown := func() bool {
			_, text := get(t, "http://127.0.0.1:"+port+"/metrics", "", "")
			now := metric(t, text, "scratchdata_oldest_unloaded_seconds")
			if now < last {
				t.Fatalf("the age fell from %v to %v while nothing was loaded", last, now)
			}
			ok := now > last
			last = now
			return ok
		}
		if !until(t, grown) {
			t.Fatalf("the age stays at %v", last)
		}
	}
	r.mustStop()
}

func TestMetricsBehindAPassword(t *testing.T) {
	one, two := freePort(t), freePort(t)
	for _, ports := range [][2]string{{one, "0"}, {two, two}} {
		r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_PROMETHEUS_PORT="+ports[0], "SCRATCH_API_PORT="+ports[1],
			"SCRATCH_PROMETHEUS_USERNAME=prom", "SCRATCH_PROMETHEUS_PASSWORD=hush")))
		url := "http://127.0.0.1:" + ports[0] + "/metrics"
		for _, tt := range []struct {
			user, password string
			want           int
		}{{"", "", 401}, {"prom", "wrong", 401}, {"wrong", "hush", 401}, {"prom", "hush", 200}} {
			if got, text := get(t, url, tt.user, tt.password); got != tt.want {
				t.Errorf("%s:%s got %d, want %d", tt.user, tt.password, got, tt.want)
			} else if got == 401 && strings.Contains(text, "go_goroutines") {
				t.Error("the metrics are in the refusal")
			}
		}
		r.mustStop()
	}
}

func TestMetricsOff(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_PROMETHEUS_ENABLED=false")))
	if status, _ := r.do("GET", "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("got %d, want 404", status)
	}
	r.mustStop()
}

// serveOne serves handler with the timeouts t by httpStage, and gives its address.
func serveOne(t *testing.T, handler http.Handler, timeouts config.Timeouts) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httpStage("http", l, handler, timeouts, quiet())
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- s.run(ctx) }()
	t.Cleanup(func() {
		s.kill()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

func TestClientThatStandsStillIsCut(t *testing.T) {
	const short = 150 * time.Millisecond
	inHeader := config.Timeouts{Header: short, Read: short, Write: time.Minute, Idle: short}
	later := config.Timeouts{Header: time.Minute, Read: short, Write: time.Minute, Idle: short} // however late the header is
	for _, tt := range []struct {
		name, sent string
		timeouts   config.Timeouts
	}{
		{"in the header", "POST / HTTP/1.1\r\nHost: x\r\n", inHeader},
		{"in the body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", later},
		{"in a chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", later},
		{"between requests", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed := make(chan error, 1)
			addr := serveOne(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				failed <- err
			}), tt.timeouts)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // of a test
			if _, err := io.WriteString(conn, tt.sent); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) { // a reset is what a late header gets
				t.Errorf("the connection was not closed: %v", err)
			}
			if strings.Contains(tt.name, "body") || strings.Contains(tt.name, "chunk") {
				select {
				case err := <-failed:
					if err == nil {
						t.Error("the handler read half a body as a whole one")
					}
				case <-time.After(20 * time.Second):
					t.Error("the handler was not asked, or reads on")
				}
			}
		})
	}
}

// An answer may take longer than the client may take to send: the time to read must not end the request's context.
func TestReadTimeoutDoesNotEndTheAnswer(t *testing.T) {
	const short = 2 * time.Second
	timeouts := config.Timeouts{Header: time.Minute, Read: short, Write: time.Minute, Idle: time.Minute}
	addr := serveOne(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			err = r.Context().Err()
		case <-time.After(short + short/4):
		}
		fmt.Fprint(w, n, err)
	}), timeouts)
	for _, size := range []int{0, 10, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, chunked %t", size, chunked), func(t *testing.T) {
				t.Parallel()
				var body io.Reader = strings.NewReader(strings.Repeat("x", size))
				if chunked {
					body = io.MultiReader(body) // of a length that the client does not know
				}
				resp, err := http.Post("http://"+addr, "text/plain", body)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprint(int64(size), nil); string(got) != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
}

// The same through the whole server, where the body's reader moves the deadline itself.
func TestAnswersMayTakeLongerThanTheTimeouts(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_WORKERS_ENABLED=false", "SCRATCH_TIMEOUTS_READ=1s", "SCRATCH_TIMEOUTS_WRITE=1s")))
	for _, rows := range []int{1, 100_000} {
		body := strings.Repeat(`{"a":"some text to make the body large"}`+"\n", rows)
		status, text := r.do("POST", "/api/data/insert/t?wait=true&timeout=3s", body)
		if status != http.StatusAccepted {
			t.Errorf("%d rows: got %d %s, want 202 after the timeout asked for", rows, status, text)
		}
	}
	// A kept connection whose last answer is older than the write timeout works on.
	r.query("select 1 as one", "one\n1\n")
	select {
	case <-time.After(2 * time.Second):
	case err := <-r.done:
		t.Fatalf("the server ended: %v", err)
	}
	r.query("select 2 as two", "two\n2\n")
	r.insert("t", `{"a":"b"}`)
	r.mustStop()
}
