package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stage is a long-lived part of the program.
type stage struct {
	name string
	run  func(ctx context.Context) error // blocks; when ctx ends it finishes what it holds and returns nil
	kill func()                          // makes run return without finishing; nil when nothing can
	dry  bool                            // run ends by itself when the stage stopped before it has handed all over
	rest func(ctx context.Context)       // waits, before the stage is stopped, for what would be lost with it; nil when nothing would
}

// stageGrace is how long a stage that was killed has to return.
const stageGrace = 2 * time.Second

// errStuck says that a stage went on after it was killed: what it uses must not be closed under it.
var errStuck = errors.New("did not stop")

// started is a stage that runs.
type started struct {
	stage
	stop context.CancelFunc
	done chan struct{} // closed when run has returned
	err  error         // what it returned; read after done
}

// runStages starts the stages, first to last, and stops them, last to first, when ctx ends or one of them ends unasked.
// Each is awaited before the next is stopped. When they have not all stopped within drain, those that are left are
// killed, in the same order. It returns nil after a stop that was asked for and in which nothing failed or was killed.
func runStages(ctx context.Context, stages []stage, drain time.Duration, log *slog.Logger) error {
	ended := make(chan *started, len(stages))
	running := make([]*started, len(stages))
	for i, s := range stages {
		running[i] = start(context.WithoutCancel(ctx), s, ended)
	}
	var failed *started
	var cause error
	select {
	case <-ctx.Done():
		log.Info("stopping", "drain_timeout", drain)
	case failed = <-ended:
		cause = fmt.Errorf("%s ended: %w", failed.name, unasked(failed.err))
		log.Error("stopping, because a part ended", "part", failed.name, "err", failed.err)
	}
	begin := time.Now()
	err := errors.Join(cause, stopStages(running, failed, drain, log))
	log.Info("stopped", "took", time.Since(begin), "clean", err == nil)
	return err
}

func start(ctx context.Context, s stage, ended chan<- *started) *started {
	ctx, cancel := context.WithCancel(ctx)
	r := &started{stage: s, stop: cancel, done: make(chan struct{})}
	go func() {
		r.err = s.run(ctx)
		close(r.done)
		ended <- r
	}()
	return r
}

// unasked makes an error of a part that returned without being stopped.
func unasked(err error) error {
	if err == nil {
		return errors.New("it returned without being asked to")
	}
	return err
}

// stopStages stops what runs. The error of the one that failed is the caller's to report.
func stopStages(running []*started, failed *started, drain time.Duration, log *slog.Logger) error {
	soft, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	var errs []error
	for i := len(running) - 1; i >= 0; i-- {
		s := running[i]
		begin := time.Now()
		err := s.end(soft, drain/2)
		log.Debug("part stopped", "part", s.name, "took", time.Since(begin), "err", err)
		if err != nil && s != failed {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// end stops the stage: softly until soft ends, then hard. One that runs dry is given the time until then, but no more
// than patience, and so is what it has to wait for.
func (s *started) end(soft context.Context, patience time.Duration) error {
	if s.rest != nil {
		s.finish(soft, patience)
	}
	if s.dry {
		t := time.AfterFunc(patience, s.stop)
		defer t.Stop()
	} else {
		s.stop()
	}
	defer s.stop()
	select {
	case <-s.done:
		return s.err
	case <-soft.Done():
	}
	s.stop()
	if s.kill != nil {
		s.kill()
	}
	grace := time.NewTimer(stageGrace)
	defer grace.Stop()
	select {
	case <-s.done:
		return errors.Join(errors.New("not within the drain timeout"), s.err)
	case <-grace.C:
		return fmt.Errorf("%w, %v after it was killed", errStuck, stageGrace)
	}
}

// finish waits for the rest of a stage that still runs.
func (s *started) finish(soft context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(soft, patience)
	defer cancel()
	go func() {
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	s.rest(ctx)
}
