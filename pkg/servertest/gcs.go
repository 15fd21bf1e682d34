package servertest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// GCSServer is an emulator of Google Cloud Storage that answers. It wants no credentials.
type GCSServer struct {
	Endpoint string

	command func() *exec.Cmd // nil when it was not started here
	cmd     *exec.Cmd
	done    <-chan struct{} // closed when it has ended
}

// GCS gives an emulator, which other tests may use too: make a bucket of your own.
func GCS(t testing.TB) *GCSServer {
	t.Helper()
	if given, ok := Given("GCS"); ok {
		return &GCSServer{Endpoint: strings.TrimSuffix(given, "/")}
	}
	return startGCS(t, "memory")
}

// StartGCS starts an emulator, which the test may stop and start again. It keeps objects as files, so their names cannot be
// as long as Google's.
func StartGCS(t testing.TB) *GCSServer {
	t.Helper()
	return startGCS(t, "filesystem")
}

func startGCS(t testing.TB, backend string) *GCSServer {
	t.Helper()
	path, port, dir := program(t, "fake-gcs-server"), FreePort(t), t.TempDir()
	s := &GCSServer{Endpoint: "http://127.0.0.1:" + strconv.Itoa(port)}
	s.command = func() *exec.Cmd {
		return exec.Command(path, "-scheme", "http", "-host", "127.0.0.1", "-port", strconv.Itoa(port), "-external-url", s.Endpoint,
			"-public-host", s.Addr(), "-backend", backend, "-filesystem-root", dir, "-log-level", "error")
	}
	s.Start(t)
	return s
}

// Start starts an emulator that was stopped, on the port that it had.
func (s *GCSServer) Start(t testing.TB) {
	t.Helper()
	s.cmd = s.command()
	s.done = start(t, s.cmd, func(ctx context.Context) error { return s.ask(ctx, http.MethodGet, "/storage/v1/b?project=test", "") })
}

// Stop ends the emulator in order.
func (s *GCSServer) Stop() { s.end(syscall.SIGTERM) }

// Crash ends the emulator at once.
func (s *GCSServer) Crash() { s.end(syscall.SIGKILL) }

func (s *GCSServer) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails when it has ended
	<-s.done
}

// Addr is the emulator's host and port.
func (s *GCSServer) Addr() string {
	_, addr, _ := strings.Cut(s.Endpoint, "://")
	return addr
}

// Bucket makes a bucket and gives its name.
func (s *GCSServer) Bucket(t testing.TB) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	if err := s.ask(t.Context(), http.MethodPost, "/storage/v1/b?project=test", `{"name":"`+name+`"}`); err != nil {
		t.Fatal(err)
	}
	return name
}

// Names lists the objects of a bucket.
func (s *GCSServer) Names(t testing.TB, bucket string) (names []string) {
	t.Helper()
	var list struct{ Items []struct{ Name string } }
	err := s.read(t.Context(), http.MethodGet, "/storage/v1/b/"+bucket+"/o", "", func(body io.Reader) error { return json.NewDecoder(body).Decode(&list) })
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range list.Items {
		names = append(names, found.Name)
	}
	return names
}

func (s *GCSServer) ask(ctx context.Context, method, path, body string) error {
	return s.read(ctx, method, path, body, func(io.Reader) error { return nil })
}

func (s *GCSServer) read(ctx context.Context, method, path, body string, answered func(io.Reader) error) (err error) {
	r, err := http.NewRequestWithContext(ctx, method, s.Endpoint+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: it answers %d", method, path, answer.StatusCode)
	}
	return answered(answer.Body)
}
