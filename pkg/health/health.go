// Package health looks now and then whether the destinations answer, and has those opened anew that do not.
package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Config says when a destination is looked at, and when it is opened anew.
type Config struct {
	Every    time.Duration // between two looks at a destination
	Timeout  time.Duration // of one look
	Failures int           // looks that fail one after the other before it is opened anew; one that is not open is at once
}

// DefaultConfig returns the settings of the program.
func DefaultConfig() Config {
	return Config{Every: 30 * time.Second, Timeout: 10 * time.Second, Failures: 3}
}

// ErrLate says that a destination did not answer a look in time.
var ErrLate = errors.New("no answer in time")

// Reopener opens the destination id anew unless look says that it answers by now, and reports whether it did. It leaves
// alone what must not be closed.
type Reopener func(ctx context.Context, id string, look func(context.Context) error) (reopened bool, err error)

// Checker looks at the destinations. Safe for concurrent use.
type Checker struct {
	cfg    Config
	dests  *destination.Set
	reopen Reopener
	log    *slog.Logger
	m      *Metrics

	mu     sync.Mutex
	states map[string]*state // by destination id; guarded by mu, as is what is in it
}

// state is what is known of one destination.
type state struct {
	looking  bool   // a look is in progress, or what follows it
	failures int    // looks that failed one after the other
	err      error  // of the last look; nil when the destination answers
	excuse   string // why it could not be opened anew, as the log says it already
}

// New returns a Checker that has not looked yet. Run does the work.
func New(cfg Config, dests *destination.Set, reopen Reopener, log *slog.Logger, m *Metrics) *Checker {
	return &Checker{cfg: cfg, dests: dests, reopen: reopen, log: log, m: m, states: make(map[string]*state)}
}

// Run looks at every destination until ctx ends, at each once at a time: one that hangs keeps no other from being looked at.
func (c *Checker) Run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Every)
	defer tick.Stop()
	var looks sync.WaitGroup
	defer looks.Wait()
	for {
		for _, id := range c.begin(ctx) {
			looks.Go(func() { c.check(ctx, id) })
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin gives the destinations to look at, forgets those that are gone, and notes that those do not answer whose last look
// has not ended.
func (c *Checker) begin(ctx context.Context) (due []string) {
	ids := c.dests.IDs()
	var late []string
	c.mu.Lock()
	for id := range c.states {
		if !slices.Contains(ids, id) {
			delete(c.states, id)
			c.m.forget(id)
		}
	}
	for _, id := range ids {
		s := c.states[id]
		if s == nil {
			s = new(state)
			c.states[id] = s
		}
		if s.looking {
			late = append(late, id)
			continue
		}
		s.looking = true
		due = append(due, id)
	}
	c.mu.Unlock()
	for _, id := range late {
		c.note(ctx, id, ErrLate)
	}
	return due
}

// check looks at the destination id, and has it opened anew when that is due.
func (c *Checker) check(ctx context.Context, id string) {
	defer c.end(id)
	err := c.look(ctx, id)
	if ctx.Err() != nil || errors.Is(err, fault.NotFound) || errors.Is(err, destination.ErrElsewhere) {
		return // whoever stops, was removed, or is no business of this node is not unwell
	}
	if !c.note(ctx, id, err) {
		return
	}
	reopened, err := c.reopen(ctx, id, func(ctx context.Context) error { return c.look(ctx, id) })
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.excuse(ctx, id, err)
	case reopened:
		c.log.InfoContext(ctx, "destination opened anew", "destination", id)
		c.note(ctx, id, c.look(ctx, id))
	}
}

func (c *Checker) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.states[id]; s != nil {
		s.looking = false
	}
}

// look asks the destination id for one row.
func (c *Checker) look(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, ErrLate)
	defer cancel()
	err := c.dests.Use(ctx, id, func(d destination.Destination) error { return d.Query(ctx, "SELECT 1", nil, nowhere{}) })
	if err != nil && errors.Is(context.Cause(ctx), ErrLate) {
		return fmt.Errorf("%w: %w", ErrLate, err)
	}
	return err
}

// note remembers how a look ended, logs it when that is news, and reports whether the destination should be opened anew.
func (c *Checker) note(ctx context.Context, id string, err error) (reopen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.states[id]
	if s == nil {
		return false // removed meanwhile
	}
	was := s.err
	s.err = err
	c.m.answers(id, err == nil)
	if err == nil {
		s.failures, s.excuse = 0, ""
		if was != nil {
			c.log.InfoContext(ctx, "destination answers again", "destination", id)
		}
		return false
	}
	s.failures++
	if was == nil {
		c.log.WarnContext(ctx, "destination does not answer", "destination", id, "err", err)
	}
	return s.failures >= c.cfg.Failures || errors.Is(err, destination.ErrNotOpen)
}

// excuse logs why the destination id could not be opened anew, when that is news.
func (c *Checker) excuse(ctx context.Context, id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.states[id]
	if s == nil || s.excuse == err.Error() {
		return
	}
	s.excuse = err.Error()
	c.log.WarnContext(ctx, "destination not opened anew, will retry", "destination", id, "err", err)
}

// Reasons says which destinations do not answer, and why, in words that anybody may read.
func (c *Checker) Reasons() (reasons []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.states)) {
		if err := c.states[id].err; err != nil {
			reasons = append(reasons, fmt.Sprintf("destination %s does not answer: %s", id, c.textOf(err)))
		}
	}
	return reasons
}

// textOf says what err is without what a driver may have put into it.
func (c *Checker) textOf(err error) string {
	if errors.Is(err, ErrLate) {
		return fmt.Sprintf("nothing came within %v", c.cfg.Timeout)
	}
	if text := fault.TextOf(err); text != "" {
		return text
	}
	return "the log says why"
}

// nowhere forgets an answer.
type nowhere struct{}

func (nowhere) Begin([]vector.Field) error { return nil }
func (nowhere) Write(*vector.Batch) error  { return nil }
func (nowhere) End() error                 { return nil }
