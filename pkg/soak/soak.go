// Package soak loads the server for long and tells whether the memory and the descriptors that it takes grow.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// Config says how long and how hard.
type Config struct {
	Program  string        // the binary under test
	Dir      string        // an empty folder
	Server   string        // the server's configuration file; empty is the default configuration
	Duration time.Duration // of the steady load
	Workers  []int         // a server for each of these counts of workers is compared; the last one has the steady load
	Fill     int64         // bytes of rows that each server gets first, as fast as it takes them
	Rate     float64       // bytes of rows a second, of the steady load
	Bounds   Bounds
	Seed     uint64
}

// patience is how long a server may take to load what is on its way.
const patience = 10 * time.Minute

// Run soaks and tells what was seen. Progress goes to out.
func Run(ctx context.Context, cfg Config, out io.Writer) (Report, error) {
	r := Report{Bounds: cfg.Bounds}
	for i, workers := range cfg.Workers {
		s, err := start(ctx, cfg, workers)
		if err != nil {
			return r, err
		}
		if i < len(cfg.Workers)-1 {
			err = s.short(ctx, cfg, out)
		} else {
			err = s.long(ctx, cfg, out)
		}
		r.Servers = append(r.Servers, s.seen)
		if err != nil {
			return r, errors.Join(fmt.Errorf("with %d workers: %w", workers, err), s.srv.Kill())
		}
		if err := errors.Join(s.srv.Stop(), os.RemoveAll(s.srv.Dir)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// soak is one server under load.
type soak struct {
	srv   *rig.Server
	load  *load
	begun time.Time
	seen  Server
}

func start(ctx context.Context, cfg Config, workers int) (*soak, error) {
	dir := filepath.Join(cfg.Dir, fmt.Sprintf("workers-%d", workers))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	srv, err := rig.New(cfg.Program, dir)
	if err != nil {
		return nil, err
	}
	srv.Config, srv.Env = cfg.Server, []string{fmt.Sprintf("SCRATCH_WORKERS_COUNT=%d", workers)}
	s := &soak{srv: srv, load: newLoad(srv, cfg.Rate, cfg.Seed), seen: Server{Workers: workers}}
	if err := srv.Start(ctx); err != nil {
		return nil, errors.Join(err, srv.Kill())
	}
	s.begun = time.Now()
	if err := s.load.touch(ctx); err != nil {
		return nil, errors.Join(err, srv.Kill())
	}
	return s, nil
}

// short is what servers get that are compared.
func (s *soak) short(ctx context.Context, cfg Config, out io.Writer) (err error) {
	return errors.Join(s.fill(ctx, cfg, out), s.load.count(ctx))
}

// long is what the last server gets: as much as the others, as much again, and then the steady load.
func (s *soak) long(ctx context.Context, cfg Config, out io.Writer) (err error) {
	if err = s.fill(ctx, cfg, out); err != nil {
		return err
	}
	if err = s.more(ctx, cfg, out); err != nil {
		return err
	}
	before, err := s.idle(ctx)
	if err != nil {
		return err
	}
	if err := s.steady(ctx, cfg, out); err != nil {
		return err
	}
	if err := s.drained(ctx); err != nil {
		return err
	}
	s.seen.Left, err = s.left(ctx, before, cfg.Bounds.Sockets)
	return errors.Join(err, s.load.count(ctx))
}

// extensions is how often what seems to make memory grow is done once more.
const extensions = 3

// more sends as many rows as before. When they need more memory that may be chance, and so do as many again: what keeps a part
// of the rows needs more each time.
func (s *soak) more(ctx context.Context, cfg Config, out io.Writer) error {
	for range 1 + extensions {
		if err := s.fill(ctx, cfg, out); err != nil {
			return err
		}
		if cfg.Bounds.more(s.seen) == "" {
			break
		}
	}
	return nil
}

// steady keeps the load up. Memory goes up and down with the engine's checkpoints, which may look like growth in a time that is
// short for this machine. So what has grown is loaded for as long again: a leak goes on.
func (s *soak) steady(ctx context.Context, cfg Config, out io.Writer) error {
	s.seen.SteadyFrom = time.Since(s.begun)
	length := cfg.Duration
	for range 1 + extensions {
		fmt.Fprintf(out, "soak: %d workers, %.1f MB of rows a second for %v\n", s.seen.Workers, cfg.Rate/1e6, length.Round(time.Second))
		timed, cancel := context.WithTimeout(ctx, length)
		err := s.watched(ctx, cfg, func() error { return s.load.run(timed) })
		cancel()
		s.seen.SteadyTo = time.Since(s.begun)
		length = s.seen.SteadyTo - s.seen.SteadyFrom
		growing := cfg.Bounds.growing(s.seen)
		if err != nil || len(growing) == 0 {
			return err
		}
		fmt.Fprintf(out, "soak: %s\n", strings.Join(growing, ", "))
	}
	return nil
}

// fill sends rows as fast as they are taken, waits until they are loaded, and notes the most memory that the server has had.
func (s *soak) fill(ctx context.Context, cfg Config, out io.Writer) error {
	start, already := time.Now(), s.load.bytes
	err := s.watched(ctx, cfg, func() error {
		return errors.Join(s.load.fill(ctx, cfg.Fill), s.drained(ctx))
	})
	if err != nil {
		return err
	}
	peak, err := s.srv.PeakRSS()
	s.seen.Peaks = append(s.seen.Peaks, peak)
	fmt.Fprintf(out, "soak: %d workers, %d MB of rows loaded in %.0f s, peak RSS %d MiB\n", s.seen.Workers, (s.load.bytes-already)/1e6,
		time.Since(start).Seconds(), peak>>20)
	return err
}

// watched takes samples while do works.
func (s *soak) watched(ctx context.Context, cfg Config, do func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return do()
	})
	g.Go(func() error {
		samples, err := watch(ctx, s.srv, s.begun, interval(cfg.Duration))
		s.seen.Samples = append(s.seen.Samples, samples...)
		return err
	})
	return g.Wait()
}

func (s *soak) drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.srv.AwaitDrained(ctx, 100*time.Millisecond)
}
