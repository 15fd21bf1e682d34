// Package servertest finds and starts the real servers that tests run on.
//
// A server is taken from the environment when that names one (SCRATCH_TEST_REDIS=redis://…), so that many test binaries can
// share it; else its program is looked for on this machine and started, on a free port of the loopback, in a folder of its
// own, until the test ends. When there is none the test is skipped, or fails if SCRATCH_TEST_REQUIRE is "all".
// `.ci/servers` installs what is needed.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/loopback"
)

// patience is how long a server may take to answer.
const patience = 90 * time.Second

// Given returns what the environment variable SCRATCH_TEST_ and name says.
func Given(name string) (string, bool) {
	v := os.Getenv("SCRATCH_TEST_" + name)
	return v, v != ""
}

// Missing ends a test that cannot have its server: it is skipped, or fails when nothing may be skipped.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if all, _ := Given("REQUIRE"); all == "all" {
		t.Fatalf("no skipping here: "+format, args...)
	}
	t.Skipf(format, args...)
}

// program finds the first of the programs: on the path, where `go install` puts them, or under a full name.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, found := find(name); found {
			return path
		}
	}
	Missing(t, "none of the programs %q is here: .ci/servers installs them", names)
	return ""
}

func find(name string) (path string, found bool) {
	home, _ := os.UserHomeDir() // without one there is nothing to look for there
	for _, try := range []string{name, filepath.Join(os.Getenv("GOBIN"), name), filepath.Join(home, "go", "bin", name)} {
		if path, err := exec.LookPath(try); err == nil {
			return path, true
		}
	}
	return "", false
}

// FreePort gives a port of the loopback that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := loopback.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start starts cmd, waits until ready gives nil, and stops it when the test ends: softly, and hard if that takes long. What
// it returns is closed when the server has ended.
func start(t testing.TB, cmd *exec.Cmd, ready func(context.Context) error) <-chan struct{} {
	t.Helper()
	log := &tail{}
	cmd.Stdout, cmd.Stderr = log, log
	apart(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is told by its log
		close(done)
	}()
	t.Cleanup(func() {
		stop(cmd, done)
		if t.Failed() {
			t.Logf("the log of %s ends with: %s", cmd.Path, log)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return done
		}
		select {
		case <-tick.C:
		case <-done:
			t.Fatalf("%s ended before it answered (%v): %s", cmd.Path, err, log)
		case <-ctx.Done():
			t.Fatalf("%s does not answer (%v): %s", cmd.Path, err, log)
		}
	}
}

// stop ends the server and all that it has started.
func stop(cmd *exec.Cmd, done <-chan struct{}) {
	signal(cmd, false)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
	}
	signal(cmd, true)
	<-done
}

// listens is the simplest way to be ready.
func listens(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// tail keeps the end of what a server prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - most; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// run runs a program to its end.
func run(ctx context.Context, cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%s: %w: %s", cmd.Path, err, out))
	}
	return nil
}
