package rig

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// self stands for this very process.
func self(t *testing.T) *Server {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return &Server{cmd: &exec.Cmd{Process: p}}
}

func TestMemory(t *testing.T) {
	s := self(t)
	before, err := s.CurrentRSS()
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	held := slices.Repeat([]byte{1}, size)
	during, err := s.CurrentRSS()
	if err != nil {
		t.Fatal(err)
	}
	peak, err := s.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	if during < before+size/2 || peak < during-1<<20 || held[0] != 1 {
		t.Errorf("got %d bytes before, %d with %d more, %d at most", before, during, size, peak)
	}
	if _, err := s.memory("VmNothing"); err == nil {
		t.Error("an entry that is not there gives no error")
	}
}

func TestDescriptors(t *testing.T) {
	s, name := self(t), filepath.Join(t.TempDir(), "file")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Descriptors(); err != nil || !slices.Contains(got, name) {
		t.Errorf("got %q and %v, want %s among them", got, err, name)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Descriptors(); err != nil || slices.Contains(got, name) {
		t.Errorf("got %q and %v, want no %s any more", got, err, name)
	}
}

// serve gives a server whose metrics are these texts, one after the other; the last one stays.
func serve(t *testing.T, texts ...string) *Server {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, texts[0])
		texts = texts[min(1, len(texts)-1):]
	}))
	t.Cleanup(web.Close)
	return &Server{URL: web.URL, HTTP: NewClient()}
}

func TestMetrics(t *testing.T) {
	s := serve(t, "# HELP a of it\na 3\na_b 4\nc{stage=\"loaded\"} 1.5e+06\nd much\n")
	got, err := s.Metrics(t.Context(), "a", `c{stage="loaded"}`)
	if err != nil || len(got) != 2 || got["a"] != 3 || got[`c{stage="loaded"}`] != 1.5e6 {
		t.Errorf("got %v and %v", got, err)
	}
	for name, want := range map[string]string{"b": "no metric b", "d": "metric d"} {
		if _, err := s.Metric(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, want)
		}
	}
}

func TestAwaitDrained(t *testing.T) {
	const metric = "scratchdata_oldest_unloaded_seconds "
	if err := serve(t, metric+"2\n", metric+"1\n", metric+"0\n").AwaitDrained(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := serve(t, metric+"7\n").AwaitDrained(ctx, time.Millisecond); err == nil {
		t.Error("rows are on their way for ever, and there is no error")
	}
}
