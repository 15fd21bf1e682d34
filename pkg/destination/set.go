package destination

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// ByID is destinations by their ids.
type ByID map[string]Destination

// Opener opens a destination.
type Opener func(ctx context.Context) (Destination, error)

// Set is the open destinations by id. What an id stands for may be replaced while it is in use: who uses the old one goes
// on with it, and it is closed when the last has ended. Safe for concurrent use.
type Set struct {
	mu    sync.Mutex
	homes map[string]*home // guarded by mu
}

// home is the place of one id.
type home struct {
	turn    chan struct{} // whoever's element is in it replaces or removes what is here
	current *tenant       // guarded by the set's mu; nil while there is none
	free    chan struct{} // closed when current has been set again; guarded by the set's mu, nil while there is one
	why     error         // why there is none
}

// tenant is one open destination.
type tenant struct {
	Destination
	users sync.WaitGroup // calls of Use in progress; Add is guarded by the set's mu
}

// NewSet returns a set of destinations that are open already.
func NewSet(open ByID) *Set {
	s := &Set{homes: make(map[string]*home)}
	for id, d := range open {
		s.homes[id] = newHome(d)
	}
	return s
}

func newHome(d Destination) *home {
	return &home{turn: make(chan struct{}, 1), current: &tenant{Destination: d}}
}

// IDs gives the ids, sorted.
func (s *Set) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.homes))
}

// Has reports whether there is a destination id.
func (s *Set) Has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.homes[id] != nil
}

// Use calls do with the destination id, which stays open until do returns, or gives fault.NotFound. While the one is being
// replaced that only one at a time can have open, Use waits.
func (s *Set) Use(ctx context.Context, id string, do func(Destination) error) error {
	t, err := s.enter(ctx, id)
	if err != nil {
		return err
	}
	defer t.users.Done()
	return do(t.Destination)
}

func (s *Set) enter(ctx context.Context, id string) (*tenant, error) {
	for {
		s.mu.Lock()
		h := s.homes[id]
		if h == nil {
			s.mu.Unlock()
			return nil, Unknown(id)
		}
		t, free, why := h.current, h.free, h.why
		if t != nil {
			t.users.Add(1)
		}
		s.mu.Unlock()
		switch {
		case t != nil:
			return t, nil
		case free == nil:
			return nil, why
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Add puts the open destination d under an id that is new.
func (s *Set) Add(id string, d Destination) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.homes[id] != nil {
		return fault.New(fault.Exists, "destination_exists", "there is a destination %q already", id)
	}
	s.homes[id] = newHome(d)
	return nil
}

// Replace opens another destination under the id, and closes the one before when those who use it have ended. When
// somebody else may have what fresh opens while the old one is open (it says ErrInUse), the old one is closed first, new
// callers wait meanwhile, and again opens it anew should fresh fail.
func (s *Set) Replace(ctx context.Context, id string, fresh, again Opener) error {
	h, leave, err := s.alone(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	d, err := fresh(ctx)
	if errors.Is(err, ErrInUse) && s.has(h) {
		return s.exchange(ctx, h, fresh, again)
	}
	if err != nil {
		return err
	}
	return s.settle(h, d, nil).leave()
}

// ErrInUse says that a destination cannot be opened because this process has it open.
var ErrInUse = fault.New(fault.Busy, "destination_in_use", "this process has the database open already")

// exchange closes what is at h, and then opens fresh, or else again.
func (s *Set) exchange(ctx context.Context, h *home, fresh, again Opener) error {
	err := s.settle(h, nil, nil).leave()
	d, ferr := fresh(ctx)
	if ferr == nil {
		s.settle(h, d, nil)
		return err
	}
	d, aerr := again(context.WithoutCancel(ctx))
	s.settle(h, d, aerr)
	return errors.Join(err, ferr, aerr)
}

func (s *Set) has(h *home) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.current != nil
}

// settle puts d at h and gives what was there. Without d callers wait for the next settle, or, with why, are told that.
func (s *Set) settle(h *home, d Destination, why error) (old *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, h.current, h.why = h.current, nil, why
	if h.free != nil {
		close(h.free)
		h.free = nil
	}
	switch {
	case d != nil:
		h.current = &tenant{Destination: d}
	case why == nil:
		h.free = make(chan struct{})
	}
	return old
}

// leave waits until nobody uses t any more, and closes it.
func (t *tenant) leave() error {
	if t == nil {
		return nil
	}
	t.users.Wait()
	return t.Close()
}

// alone waits until nobody else replaces what is under id.
func (s *Set) alone(ctx context.Context, id string) (h *home, leave func(), err error) {
	s.mu.Lock()
	h = s.homes[id]
	s.mu.Unlock()
	if h == nil {
		return nil, nil, Unknown(id)
	}
	select {
	case h.turn <- struct{}{}:
		return h, func() { <-h.turn }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// Remove takes the destination id out of the set, and closes it when those who use it have ended.
func (s *Set) Remove(ctx context.Context, id string) error {
	h, leave, err := s.alone(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	s.mu.Lock()
	if s.homes[id] == h {
		delete(s.homes, id)
	}
	s.mu.Unlock()
	return s.settle(h, nil, Unknown(id)).leave()
}

// Close takes all destinations out of the set, and closes each when those who use it have ended.
func (s *Set) Close() error {
	var errs []error
	for _, id := range s.IDs() {
		if err := s.Remove(context.Background(), id); err != nil && !errors.Is(err, fault.NotFound) {
			errs = append(errs, fmt.Errorf("close destination %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// Unknown says that there is no destination id.
func Unknown(id string) error {
	return fault.New(fault.NotFound, "unknown_destination", "no destination has the id %q", id)
}
