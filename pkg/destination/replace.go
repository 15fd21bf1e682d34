package destination

import (
	"context"
	"errors"
	"fmt"
)

// Replace opens another destination under the id and reports whether it is there now; if not, the one before is. The one
// before is closed when those who use it have ended: Replace waits for that, but no longer than ctx, and gives the closing's
// error.
//
// When somebody else may have what fresh opens only after the one before is closed (it says ErrInUse), callers of Use
// wait until those who use it have ended, it is closed, and fresh has succeeded, or else again, which opens the one before
// anew. When they have not ended before ctx does, it stays. When both openers fail, callers of Use are told why, until
// another Replace succeeds.
//
// Of several Replace and Remove of one id, one goes on at a time.
func (s *Set) Replace(ctx context.Context, id string, fresh, again Opener) (replaced bool, err error) {
	h, leave, err := s.alone(ctx, id)
	if err != nil {
		return false, err
	}
	d, err := fresh(ctx)
	switch {
	case err == nil:
		gone := s.settle(h, d, nil)
		leave() // before waiting: who comes next need not
		return true, s.await(ctx, gone)
	case errors.Is(err, ErrInUse) && s.inUse(h):
		defer leave()
		return s.exchange(ctx, id, h, fresh, again)
	}
	defer leave()
	s.excuse(id, h, err)
	return false, err
}

// exchange closes what is at h, and then opens fresh, or else again.
func (s *Set) exchange(ctx context.Context, id string, h *home, fresh, again Opener) (replaced bool, err error) {
	old, err := s.vacate(ctx, h)
	if err != nil {
		return false, err
	}
	if err = old.Close(); err != nil {
		err = fmt.Errorf("close the one before: %w", err)
	}
	d, ferr := fresh(ctx)
	if ferr == nil {
		s.settle(h, d, nil)
		return true, err
	}
	d, aerr := again(context.WithoutCancel(ctx))
	if aerr != nil {
		s.settle(h, nil, notOpen(id, aerr))
		return false, errors.Join(ferr, fmt.Errorf("open the one before again: %w", aerr), err)
	}
	s.settle(h, d, nil)
	return false, errors.Join(ferr, err)
}

// vacate lets nobody more in at h and waits until nobody uses what is there. When ctx ends before, all is as it was.
func (s *Set) vacate(ctx context.Context, h *home) (*tenant, error) {
	s.mu.Lock()
	t := h.current
	h.current, h.free = nil, make(chan struct{})
	empty := t.emptied()
	s.mu.Unlock()
	select {
	case <-empty:
		return t, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.current = t
	h.open()
	return nil, fmt.Errorf("wait until nobody uses the destination: %w", context.Cause(ctx))
}

// open lets those look again who wait. The caller holds the set's mu.
func (h *home) open() {
	if h.free != nil {
		close(h.free)
		h.free = nil
	}
}

// inUse reports whether there is something at h that could be closed.
func (s *Set) inUse(h *home) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.current != nil
}

// excuse notes the newest reason why there is no destination at h, when there is none.
func (s *Set) excuse(id string, h *home, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.why != nil {
		h.why = notOpen(id, why)
	}
}

// settle puts d at h, or the reason why there is none, and lets what was there go, which is nil when nothing was.
func (s *Set) settle(h *home, d Destination, why error) (gone *departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := h.current
	h.current, h.why = nil, why
	if d != nil {
		h.current = &tenant{Destination: d}
	}
	h.open()
	if old == nil {
		return nil
	}
	gone = &departure{done: make(chan struct{})}
	s.leaves[gone] = struct{}{}
	empty := old.emptied()
	go func() {
		<-empty
		gone.err = old.Close()
		s.forget(gone)
		close(gone.done)
	}()
	return gone
}

// forget forgets a closing that has ended well. One that has not is remembered until somebody is told.
func (s *Set) forget(gone *departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone.err == nil {
		delete(s.leaves, gone)
	}
}

// await waits until what is gone is closed, or ctx has ended; then Close will wait for it.
func (s *Set) await(ctx context.Context, gone *departure) error {
	if gone == nil {
		return nil
	}
	select {
	case <-gone.done:
	case <-ctx.Done():
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leaves, gone)
	return gone.err
}

// alone waits until nobody else replaces or removes what is under id, and keeps others from it until leave.
func (s *Set) alone(ctx context.Context, id string) (h *home, leave func(), err error) {
	if h = s.home(id); h == nil {
		return nil, nil, Unknown(id)
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if s.home(id) != h { // removed meanwhile: what was put here now would never be closed
		<-h.turn
		return nil, nil, Unknown(id)
	}
	return h, func() { <-h.turn }, nil
}

func (s *Set) home(id string) *home {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.homes[id]
}

// Remove takes the destination id out of the set, and closes it when those who use it have ended: it waits for that, but
// no longer than ctx.
func (s *Set) Remove(ctx context.Context, id string) error {
	h, leave, err := s.alone(ctx, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.homes, id)
	s.mu.Unlock()
	gone := s.settle(h, nil, Unknown(id))
	leave()
	return s.await(ctx, gone)
}
