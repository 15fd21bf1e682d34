package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PeakRSS gives the most memory that the process has had, in bytes. It needs Linux's /proc.
func (s *Server) PeakRSS() (int64, error) { return s.memory("VmHWM") }

// CurrentRSS gives the memory that the process has now, in bytes. It needs Linux's /proc.
func (s *Server) CurrentRSS() (int64, error) { return s.memory("VmRSS") }

// memory gives an entry of the process's status, in bytes.
func (s *Server) memory(entry string) (int64, error) {
	b, err := os.ReadFile(s.proc("status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, entry+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("the process has no %s", entry)
}

// Descriptors lists what the process has open: names of files, and of sockets as socket:[number], sorted. It needs Linux's
// /proc.
func (s *Server) Descriptors() ([]string, error) {
	dir := s.proc("fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var open []string
	for _, e := range entries {
		name, err := os.Readlink(dir + "/" + e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return nil, err
		}
		open = append(open, name)
	}
	slices.Sort(open)
	return open, nil
}

func (s *Server) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, name) }

// Metric gives the value of the metric name, which has no labels.
func (s *Server) Metric(ctx context.Context, name string) (float64, error) {
	values, err := s.Metrics(ctx, name)
	return values[name], err
}

// Metrics gives the values, at one moment, of metrics that have no labels.
func (s *Server) Metrics(ctx context.Context, names ...string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	values := make(map[string]float64, len(names))
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if !slices.Contains(names, name) {
			continue
		}
		if values[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("metric %s: %w", name, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("the server has no metric %s", name)
		}
	}
	return values, nil
}

// AwaitDrained waits until the server says that no row is left on its way.
func (s *Server) AwaitDrained(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		age, err := s.Metric(ctx, "scratchdata_oldest_unloaded_seconds")
		if err != nil {
			return err
		}
		if age == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("rows on their way for %.0f s: %w", age, ctx.Err())
		}
	}
}
