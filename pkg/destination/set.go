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
	mu     sync.Mutex
	closed bool                    // guarded by mu, as are the rest
	homes  map[string]*home        // by id
	grown  chan struct{}           // closed by the next Add
	leaves map[*departure]struct{} // whose destinations are not closed yet
}

// home is the place of one id. One of current, free and why is set.
type home struct {
	turn    chan struct{} // whoever's element is in it replaces or removes what is here
	current *tenant       // guarded by the set's mu, as are the rest
	free    chan struct{} // callers wait until it is closed
	why     error         // why there is no destination here
}

// tenant is one open destination.
type tenant struct {
	Destination
	users int           // calls of Use in progress; guarded by the set's mu
	empty chan struct{} // closed when users is 0, for the one who waits for that; guarded by the set's mu
}

// departure is the closing of a destination that nobody can get any more.
type departure struct {
	done chan struct{} // closed when the destination is
	err  error         // of the closing; read after done
}

// NewSet returns a set of destinations that are open already.
func NewSet(open ByID) *Set {
	s := &Set{homes: make(map[string]*home), grown: make(chan struct{}), leaves: make(map[*departure]struct{})}
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

// Has reports whether there is a destination id, also while it is not open.
func (s *Set) Has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.homes[id] != nil
}

// Use calls do with the destination id, which stays open until do returns, or gives fault.NotFound, or ErrNotOpen with the
// reason, and fault.Closed after Close. While the one is being replaced that only one at a time can have open, Use waits:
// so do must not call Use for the same id, or both would wait for each other.
func (s *Set) Use(ctx context.Context, id string, do func(Destination) error) error {
	t, err := s.enter(ctx, id)
	if err != nil {
		return err
	}
	defer s.exit(t)
	return do(t.Destination)
}

func (s *Set) enter(ctx context.Context, id string) (*tenant, error) {
	for {
		t, free, err := s.find(id)
		if t != nil || err != nil {
			return t, err
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find gives the destination id, counted as used once more, or what to wait for.
func (s *Set) find(id string) (t *tenant, free <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.homes[id]
	switch {
	case s.closed:
		return nil, nil, closedSet()
	case h == nil:
		return nil, nil, Unknown(id)
	case h.current != nil:
		h.current.users++
		return h.current, nil, nil
	default:
		return nil, h.free, h.why
	}
}

func (s *Set) exit(t *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.users--
	if t.users == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

// emptied gives what is closed when nobody uses t. The caller holds the set's mu, and lets nobody in meanwhile.
func (t *tenant) emptied() <-chan struct{} {
	empty := make(chan struct{})
	if t.users == 0 {
		close(empty)
	} else {
		t.empty = empty
	}
	return empty
}

// Add puts the open destination d under an id that is new. It is the caller's to close when that fails.
func (s *Set) Add(id string, d Destination) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return closedSet()
	}
	if s.homes[id] != nil {
		return fault.New(fault.Exists, "destination_exists", "there is a destination %q already", id)
	}
	s.homes[id] = newHome(d)
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

// Grown gives what is closed when the next destination is added.
func (s *Set) Grown() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grown
}

// Close takes all destinations out of the set, and returns when all are closed that ever were in it. Those who use one end
// before; nobody gets one any more.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	ctx := context.Background()
	var errs []error
	for _, id := range s.IDs() {
		if err := s.Remove(ctx, id); err != nil && !errors.Is(err, fault.NotFound) {
			errs = append(errs, fmt.Errorf("close destination %s: %w", id, err))
		}
	}
	s.mu.Lock()
	late := slices.Collect(maps.Keys(s.leaves))
	s.mu.Unlock()
	for _, gone := range late {
		if err := s.await(ctx, gone); err != nil {
			errs = append(errs, fmt.Errorf("close a destination that was replaced: %w", err))
		}
	}
	return errors.Join(errs...)
}

// ErrInUse says that a destination cannot be opened because this process has it open.
var ErrInUse = fault.New(fault.Busy, "destination_in_use", "this process has the database open already")

// ErrNotOpen says that there is a destination, but it could not be opened. Its cause follows it.
var ErrNotOpen = fault.New(fault.Busy, "destination_not_open", "the destination could not be opened")

// ErrElsewhere says that only other nodes have the destination open.
var ErrElsewhere = fault.New(fault.Busy, "destination_elsewhere", "this node only takes rows for the destination: ask one that has it open")

// Unknown says that there is no destination id.
func Unknown(id string) error {
	return fault.New(fault.NotFound, "unknown_destination", "no destination has the id %q", id)
}

func notOpen(id string, why error) error {
	return fmt.Errorf("destination %s: %w: %w", id, ErrNotOpen, why)
}

func closedSet() error {
	return fault.New(fault.Closed, "destinations_closed", "the destinations are closed")
}
