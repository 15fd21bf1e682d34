// Package rig runs this program as a child process, to be loaded, measured and killed.
package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/loopback"
)

// Key is the API key that the default configuration knows.
const Key = "local"

// Server is a child process that serves from Dir.
type Server struct {
	URL  string       // http://127.0.0.1:port
	Dir  string       // its working folder; the data is in Dir/data
	HTTP *http.Client // takes answers as they are sent

	Config  string   // the configuration file; empty is the default configuration
	Env     []string // beside this process's own
	program string
	port    int
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read after done
}

// New returns a server that is not started yet: program with its default configuration, on a free port of its own.
func New(program, dir string) (*Server, error) {
	port, err := loopback.FreePort()
	if err != nil {
		return nil, err
	}
	return &Server{URL: "http://127.0.0.1:" + strconv.Itoa(port), Dir: dir, program: program, port: port, HTTP: NewClient()}, nil
}

// NewClient returns a client that takes answers as they are sent: Go's own would ask for compressed ones.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true}}
}

// Start starts the process and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	logs, err := os.OpenFile(filepath.Join(s.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logs.Close() //nolint:errcheck // the child has its own descriptor
	var args []string
	if s.Config != "" {
		args = []string{s.Config}
	}
	cmd := exec.Command(s.program, args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "SCRATCH_API_PORT="+strconv.Itoa(s.port), "SCRATCH_PROMETHEUS_PORT="+strconv.Itoa(s.port))
	cmd.Env = append(cmd.Env, s.Env...)
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	return s.awaitAnswer(ctx)
}

func (s *Server) awaitAnswer(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := s.HTTP.Get(s.URL + "/healthcheck")
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return fmt.Errorf("the server ended before it answered (%v): %s", s.err, s.LogTail())
		}
	}
}

// Signal sends sig to the process and waits until it has ended.
func (s *Server) Signal(sig os.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return nil
}

// Kill ends the process, if it was started.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	return s.Signal(os.Kill)
}

// Stop asks the process to stop and returns an error when it did not end well.
func (s *Server) Stop() error { return s.StopBy(os.Interrupt) }

// StopBy is Stop by another signal.
func (s *Server) StopBy(sig os.Signal) error {
	if err := s.Signal(sig); err != nil {
		return err
	}
	if s.err != nil {
		return fmt.Errorf("the server stopped badly: %w: %s", s.err, s.LogTail())
	}
	return nil
}

// LogTail gives the end of what the process printed.
func (s *Server) LogTail() string {
	const most = 2000
	b, err := os.ReadFile(filepath.Join(s.Dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// Post sends body to path and gives the answer's status and its first 64 KiB.
func (s *Server) Post(ctx context.Context, c *http.Client, path string, body io.Reader) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, body)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(text), err
}

// PostOnce is Post with an idempotency key. It tells whether the answer is that of an earlier try.
func (s *Server) PostOnce(ctx context.Context, c *http.Client, path, key string, body io.Reader) (status int, replayed bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, body)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	req.Header.Set("Idempotency-Key", key)
	resp, err := c.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true", err
}

// Read asks sql, reads the whole answer in a format, and gives its size in bytes. It fails when the answer was cut.
func (s *Server) Read(ctx context.Context, sql, format string) (size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/data/query?format="+format, strings.NewReader(sql))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	if size, err = io.CopyBuffer(discard{}, resp.Body, make([]byte, 1<<20)); err != nil {
		return size, err
	}
	if got := resp.Trailer.Get("X-Scratch-Status"); got != "complete" {
		return size, fmt.Errorf("query: the answer was cut (status %d, %q)", resp.StatusCode, got)
	}
	return size, nil
}

// discard is io.Discard without its ReadFrom, whose buffer is small.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Lines asks sql and gives each line of the CSV answer, without the header, to each. It fails when the answer was cut.
func (s *Server) Lines(ctx context.Context, sql string, each func(line []byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/data/query?format=csv", strings.NewReader(sql))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	lines := bufio.NewScanner(resp.Body)
	if resp.StatusCode != http.StatusOK {
		lines.Scan()
		return fmt.Errorf("query: status %d: %s", resp.StatusCode, lines.Text())
	}
	lines.Scan()
	for lines.Scan() {
		if err := each(bytes.TrimSuffix(lines.Bytes(), []byte("\r"))); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if got := resp.Trailer.Get("X-Scratch-Status"); got != "complete" {
		return fmt.Errorf("query: the answer was cut (status %q)", got)
	}
	return nil
}

// JSON reads the answer of a GET.
func (s *Server) JSON(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", path, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// Number asks sql for one integer.
func (s *Server) Number(ctx context.Context, sql string) (n int64, err error) {
	err = s.Lines(ctx, sql, func(line []byte) error {
		n, err = strconv.ParseInt(string(line), 10, 64)
		return err
	})
	return n, err
}

// AwaitNumber asks sql again and again until it answers want. A table that is not there yet counts as another answer.
func (s *Server) AwaitNumber(ctx context.Context, sql string, want int64, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		got, err := s.Number(ctx, sql)
		if err == nil && got == want {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: got %d (%v), want %d: %w", sql, got, err, want, ctx.Err())
		}
	}
}
