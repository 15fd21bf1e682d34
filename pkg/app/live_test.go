package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/health"
)

// openServer opens a server that runs nothing, and closes it at the end of the test.
func openServer(t *testing.T, vars ...string) *server {
	t.Helper()
	s, err := open(t.Context(), load(t, environ(t.TempDir(), vars...)), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// now gives what the destination 1 is just now.
func (s *server) now(t *testing.T) (now destination.Destination) {
	t.Helper()
	if err := s.dests.Use(t.Context(), "1", func(d destination.Destination) error { now = d; return nil }); err != nil {
		t.Fatal(err)
	}
	return now
}

func TestReopen(t *testing.T) {
	sick := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for _, tt := range []struct {
		name     string
		vars     []string
		look     error
		id       string
		reopened bool
		fails    bool
	}{
		{"it answers by now", nil, nil, "1", false, false},
		{"it fails", nil, errors.New("boom"), "1", true, false},
		{"it is slow, and can be open once", nil, health.ErrLate, "1", false, true},
		{"it is in memory", []string{"SCRATCH_DESTINATIONS_0_SETTINGS_IN_MEMORY=true"}, errors.New("boom"), "1", false, false},
		{"it is gone", nil, errors.New("boom"), "2", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openServer(t, tt.vars...)
			before := s.now(t)
			reopened, err := s.live.reopen(t.Context(), tt.id, sick(tt.look))
			if reopened != tt.reopened || (err != nil) != tt.fails {
				t.Errorf("got %t, %v, want %t, failed %t", reopened, err, tt.reopened, tt.fails)
			}
			if other := s.now(t) != before; other != tt.reopened {
				t.Errorf("it is another one now: got %t, want %t", other, tt.reopened)
			}
		})
	}
	s := openServer(t)
	s.live.turn <- struct{}{} // a reload is going on
	if reopened, err := s.live.reopen(t.Context(), "1", sick(errors.New("boom"))); reopened || err != nil {
		t.Errorf("while destinations are changed: got %t, %v, want nothing", reopened, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if did := s.live.become(ctx, nil, s.publish); did != (changes{}) || !s.dests.Has("1") {
		t.Errorf("a change that nobody waits for any more: got %+v, want none", did)
	}
	<-s.live.turn
}

// A destination that is opened anew is so with the settings that it has by now.
func TestReopenHasTheNewestSettings(t *testing.T) {
	s := openServer(t, "SCRATCH_DESTINATIONS_0_SETTINGS_THREADS=1")
	want := load(t, environ(s.cfg.DataDir, "SCRATCH_DESTINATIONS_0_SETTINGS_THREADS=3")).Destinations
	if did := s.live.become(t.Context(), want, s.publish); did != (changes{made: 1}) {
		t.Fatalf("got %+v, want 1 change", did)
	}
	if reopened, err := s.live.reopen(t.Context(), "1", func(context.Context) error { return errors.New("boom") }); !reopened || err != nil {
		t.Fatalf("got %t, %v, want it opened anew", reopened, err)
	}
	if got := s.live.list[0].Settings.Content; len(got) != 2 || got[1].Value != "3" {
		t.Errorf("got other settings than 3 threads")
	}
}

// A database whose file became something else while its settings changed is not open: the health check says so, calls are
// asked to come again, and it is opened when the file is mended.
func TestHealthMendsWhatCouldNotBeOpened(t *testing.T) {
	s := openServer(t)
	s.checker = health.New(health.Config{Every: 10 * time.Millisecond, Timeout: 5 * time.Second, Failures: 1000}, s.dests, s.live.reopen,
		s.log, health.NewMetrics(prometheus.NewRegistry()))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.checker.Run(ctx) }()
	file := filepath.Join(s.cfg.DataDir, "data.duckdb")
	aside := file + ".aside"
	swap(t, file, aside)
	want := load(t, environ(s.cfg.DataDir, "SCRATCH_DESTINATIONS_0_SETTINGS_THREADS=3")).Destinations
	if did := s.live.become(t.Context(), want, s.publish); did != (changes{failed: 1}) {
		t.Errorf("got %+v, want a change that failed", did)
	}
	unwell := func() bool {
		return strings.Join(s.health(), "\n") == "destination 1 does not answer: the destination could not be opened"
	}
	if !until(t, unwell) {
		t.Errorf("got the reasons %q", s.health())
	}
	if err := s.dests.Use(t.Context(), "1", nil); !errors.Is(err, destination.ErrNotOpen) {
		t.Errorf("got %v, want ErrNotOpen", err)
	}
	if err := os.Rename(aside, file); err != nil {
		t.Fatal(err)
	}
	if !until(t, func() bool { return len(s.health()) == 0 }) {
		t.Errorf("got the reasons %q, want none", s.health())
	}
	s.now(t)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// swap puts the database file aside and something else in its place.
func swap(t *testing.T, file, aside string) {
	t.Helper()
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Of a destination that is not open the caller hears that it may come again, and nothing else.
func TestAnswerOfOneThatIsNotOpen(t *testing.T) {
	r := serveFile(t, oneThread)
	r.put("local", "t", `{"n":1}`)
	file := filepath.Join(r.dir, "data", "data.duckdb")
	swap(t, file, file+".aside")
	wantLog(t, r.reload(twoThreads), "settings not changed", "it is something else", "open the one before again")
	status, text := r.do("POST", "/api/data/query", "select 1")
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "destination_not_open") || strings.Contains(text, r.dir) {
		t.Errorf("got %d %s, want 503 destination_not_open without the path", status, text)
	}
	r.insert("t", `{"n":2}`) // is accepted, and waits
	if err := os.Rename(file+".aside", file); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r.reload(twoThreads), "changes=1 failed=0")
	r.await("select n from t order by n", "n\n1\n2\n")
	r.mustStop()
}

// The server's own health check has what the looks say, and its metrics too.
func TestHealthIsWired(t *testing.T) {
	port := freePort(t)
	r := serve(t, load(t, environ(t.TempDir(), "SCRATCH_PROMETHEUS_PORT="+port)))
	up := func() bool {
		_, text := get(t, "http://127.0.0.1:"+port+"/metrics", "", "")
		return strings.Contains(text, `scratchdata_destination_up{destination="1"} 1`)
	}
	if !until(t, up) {
		t.Error("the metrics do not say that the destination answers")
	}
	r.mustStop()
}
