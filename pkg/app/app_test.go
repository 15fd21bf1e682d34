package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/servertest"
	"go.uber.org/goleak"
)

func TestInsertThenQuery(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir())))
	r.insert("orders?wait=true", `[{"order":7,"buyer":{"name":"Ann"},"paid":true},{"order":8,"buyer":{"name":"Bob"},"total":19.5}]`)
	r.query(`select "order", buyer_name, paid, total from orders order by 1`, "order,buyer_name,paid,total\n7,Ann,true,\n8,Bob,,19.5\n")
	r.insert("orders?wait=true", `{"order":9007199254740993}`)
	r.query(`select max("order") as most, count(*) as n, count(distinct __row_id) as ids from orders`, "most,n,ids\n9007199254740993,3,3\n")
	if status, text := r.do("GET", "/healthcheck", ""); status != http.StatusOK {
		t.Errorf("health: got %d %s, want 200", status, text)
	}
	r.mustStop()
}

func TestHelloSaysWhereAndHow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	r := serve(t, load(t, environ(dir)))
	for _, want := range []string{r.url, dir, "curl ", "Bearer local", "/api/data/insert/events?wait=true"} {
		if !strings.Contains(r.hello, want) {
			t.Errorf("got %q, want it to have %q", r.hello, want)
		}
	}
	r.mustStop()
	r = serve(t, load(t, environ(dir, "SCRATCH_DESTINATIONS_0_API_KEYS=hush")))
	if strings.Contains(r.hello, "hush") || !strings.Contains(r.hello, "$SCRATCH_KEY") {
		t.Errorf("got %q, want no key in it", r.hello)
	}
	r.mustStop()
}

func TestRestartKeepsRows(t *testing.T) {
	dir := t.TempDir()
	const rounds = 4
	for round := range rounds {
		r := serve(t, load(t, environ(dir)))
		r.insert("events?wait=true", fmt.Sprintf(`{"round":%d,"way":"waited"}`, round))
		r.insert("events", fmt.Sprintf(`{"round":%d,"way":"not waited"}`, round))
		r.insert("events?ack=memory", fmt.Sprintf(`{"round":%d,"way":"not synced"}`, round))
		r.mustStop()
	}
	r := serve(t, load(t, environ(dir)))
	r.await("select count(*) as n, count(distinct (round, way)) as kinds from events", fmt.Sprintf("n,kinds\n%d,%d\n", 3*rounds, 3*rounds))
	r.mustStop()
}

func TestSecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, load(t, environ(dir)))
	_, err := begin(t, load(t, environ(dir)))
	if err == nil {
		t.Fatal("got a second server on the same folder, want an error")
	}
	for _, want := range []string{dir, strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to name %q", err, want)
		}
	}
	r.insert("t?wait=true", `{"a":1}`) // the first is not disturbed
	r.mustStop()
}

func TestBusyPortFailsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of a test
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	for _, tt := range []struct{ variable, key string }{
		{"SCRATCH_API_PORT", "api.port"},
		{"SCRATCH_PROMETHEUS_PORT", "prometheus.port"},
	} {
		_, err := begin(t, load(t, environ(dir, tt.variable+"="+port)))
		if err == nil || !strings.Contains(err.Error(), tt.key) || !strings.Contains(err.Error(), port) {
			t.Errorf("%s: got %v, want an error with the key and the port", tt.key, err)
		}
	}
	serve(t, load(t, environ(dir))).mustStop() // nothing was left locked or open
}

func TestWhatCannotBeOpenedFailsTheStart(t *testing.T) {
	for _, name := range []string{"control.db", "queue.db", "data.duckdb", "blobs", "ingest", "lock"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if filepath.Ext(name) == "" && name != "lock" {
				if err := os.WriteFile(path, []byte("not a folder"), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			r, err := begin(t, load(t, environ(dir)))
			if err == nil {
				r.mustStop()
				t.Fatalf("got a server, want an error about %s", name)
			}
			if !strings.Contains(err.Error(), name) {
				t.Errorf("got %q, want it to name %s", err, name)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			serve(t, load(t, environ(dir))).mustStop()
		})
	}
}

func TestStopOrder(t *testing.T) {
	r, err := beginWith(t, load(t, environ(t.TempDir())), Reloads{Asked: make(chan os.Signal)})
	if err != nil {
		t.Fatal(err)
	}
	r.insert("t", `{"a":1}`)
	r.mustStop()
	var got []string
	for line := range strings.Lines(r.log.String()) {
		if _, part, ok := strings.Cut(line, `msg="part stopped" part=`); ok {
			got = append(got, strings.Fields(part)[0])
		}
	}
	if want := []string{"reloader", "http", "copies", "writer", "uploader", "backlog", "workers", "health", "pruner", "metrics"}; !slices.Equal(got, want) {
		t.Errorf("stopped %v, want %v", got, want)
	}
	for _, want := range []string{"msg=stopping ", "msg=stopped "} {
		if n := strings.Count(r.log.String(), want); n != 1 {
			t.Errorf("the log has %d lines %s, want 1", n, want)
		}
	}
}

// An insert whose body is half sent when the server is told to stop is accepted, and even loaded when it waits for that.
func TestStopFinishesRequestsInProgress(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir())))
	c := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer c.CloseIdleConnections()
	reading := make(chan struct{})
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}
	body, rest := io.Pipe()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, r.url+"/api/data/insert/t?wait=true", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer local")
	req.Header.Set("Expect", "100-continue") // the server answers it when the handler reads the body
	answer := make(chan string, 1)
	go func() {
		resp, err := c.Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close() //nolint:errcheck // of a test
		answer <- resp.Status
	}()
	<-reading
	fmt.Fprint(rest, `{"a":`)
	r.quit()
	if !until(t, func() bool { return strings.Contains(r.log.String(), "msg=stopping") }) {
		t.Fatal("the server does not stop")
	}
	fmt.Fprint(rest, `1}`)
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "200 OK" {
		t.Errorf("got %s, want 200 OK", got)
	}
	if err := <-r.done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopCutsRequestsAfterTheDrainTimeout(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_WORKERS_ENABLED=false", "SCRATCH_DRAIN_TIMEOUT=200ms")))
	gone := make(chan error, 1)
	go func() {
		_, _, err := r.try("POST", "/api/data/insert/t?wait=true&timeout=5m", `{"a":1}`)
		gone <- err
	}()
	c := newClient(t, r.url)
	receiptShipped := func() bool {
		_, text := c.do("GET", "/healthcheck", "")
		return strings.Contains(text, "ok") && strings.Contains(r.log.String(), "batch shipped")
	}
	if !until(t, receiptShipped) {
		t.Fatal("the insert did not begin")
	}
	begin := time.Now()
	err := r.stop()
	if err == nil || !strings.Contains(err.Error(), "stop http: not within the drain timeout") {
		t.Errorf("got %v, want that http was cut", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v, want about the drain timeout", took)
	}
	<-gone // cut or answered with the state: both are honest
}

func TestSwitches(t *testing.T) {
	t.Run("uploads off", func(t *testing.T) {
		r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_UPLOADS_ENABLED=false")))
		if status, text := r.do("POST", "/api/data/insert/t", `{"a":1}`); status != http.StatusServiceUnavailable {
			t.Errorf("insert: got %d %s, want 503", status, text)
		}
		if status, text := r.do("GET", "/healthcheck", ""); status != http.StatusServiceUnavailable {
			t.Errorf("health: got %d %s, want 503", status, text)
		}
		r.query("select 1 as one", "one\n1\n")
		r.mustStop()
	})
	t.Run("workers off, then on", func(t *testing.T) {
		dir := t.TempDir()
		r := serve(t, load(t, environ(dir, "SCRATCH_WORKERS_ENABLED=false")))
		status, text := r.do("POST", "/api/data/insert/t?wait=true&timeout=300ms", `{"a":1}`)
		if status != http.StatusAccepted || !strings.Contains(text, "receipt") {
			t.Errorf("got %d %s, want 202 with the receipt", status, text)
		}
		r.mustStop()
		r = serve(t, load(t, environ(dir)))
		r.await("select a from t", "a\n1\n")
		r.mustStop()
	})
	t.Run("read only", func(t *testing.T) {
		r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_API_READ_ONLY=true")))
		if status, text := r.do("POST", "/api/data/insert/t", `{"a":1}`); status != http.StatusForbidden {
			t.Errorf("insert: got %d %s, want 403", status, text)
		}
		r.query("select 1 as one", "one\n1\n")
		r.mustStop()
	})
	t.Run("api off", func(t *testing.T) {
		r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_API_ENABLED=false")))
		if !strings.Contains(r.hello, "api      off") {
			t.Errorf("got %q, want that the API is off", r.hello)
		}
		r.mustStop()
	})
}

// spawn starts a child that serves from dir.
func spawn(t *testing.T, dir string) (*client, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // ended already, unless the test failed
	url, hello := readHello(bufio.NewReader(out))
	if hello == "" {
		t.Fatalf("the child did not start: %v", cmd.Wait())
	}
	return newClient(t, url), cmd
}

func TestKillRightAfterAnAcknowledgedInsertLosesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
	}{{"SIGKILL", syscall.SIGKILL}, {"SIGTERM", syscall.SIGTERM}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			const rounds = 5
			sent := 0
			for range rounds {
				c, cmd := spawn(t, dir)
				for range 1 + rand.IntN(30) {
					c.insert("t", fmt.Sprintf(`{"n":%d}`, sent))
					sent++
				}
				if err := cmd.Process.Signal(tt.signal); err != nil {
					t.Fatal(err)
				}
				err := cmd.Wait()
				if tt.signal == syscall.SIGTERM && err != nil {
					t.Errorf("after SIGTERM the child ended with %v, want nil", err)
				}
			}
			r := serve(t, load(t, environ(dir)))
			r.await("select count(*) as n, count(distinct n) as d, min(n) as lo, max(n) as hi from t",
				fmt.Sprintf("n,d,lo,hi\n%d,%d,0,%d\n", sent, sent, sent-1))
			r.mustStop()
		})
	}
}

func TestAnotherProcessOnTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, cmd := spawn(t, dir)
	_, err := begin(t, load(t, environ(dir)))
	if want := fmt.Sprintf("pid %d", cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that names %s", err, want)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	serve(t, load(t, environ(dir))).mustStop()
}

func TestStartStopStress(t *testing.T) {
	const rounds = 20
	defer servertest.NoLeaks(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	for round := range rounds {
		r, err := begin(t, load(t, environ(dir)))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if round%2 == 0 {
			r.insert("t", fmt.Sprintf(`{"round":%d}`, round))
		}
		if err := r.stop(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	r, err := begin(t, load(t, environ(dir)))
	if err != nil {
		t.Fatal(err)
	}
	r.await("select count(*) as n from t", fmt.Sprintf("n\n%d\n", rounds/2))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStopBeforeTheStartIsOver(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	dir := t.TempDir()
	if err := Run(ctx, load(t, environ(dir)), Reloads{}, new(strings.Builder), quiet()); err != nil && ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
	serve(t, load(t, environ(dir))).mustStop()
}
