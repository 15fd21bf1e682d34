package ingest

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// shelf holds the sealed batches until they are shipped. It keeps names only: what is known of their rows is in their
// sidecars, so that its memory stays small when nothing can be shipped for long.
type shelf struct {
	mu      sync.Mutex
	waiting []sealed         // in the order in which they are given; guarded by mu, as are the rest
	out     int              // given and neither done nor returned
	bytes   map[string]int64 // of those that wait and those that are out, by destination
	here    map[string]held  // every batch that is here: open, waiting or out
	closed  bool             // no more will come
	changed chan struct{}    // closed and replaced when something has

	total atomic.Int64 // of bytes
}

// held is what is known of every batch that is here.
type held struct {
	target
	created time.Time
	bytes   int64 // when it is sealed
}

type sealed struct {
	target
	batch string
	path  string
}

func newShelf() *shelf {
	return &shelf{here: make(map[string]held), bytes: make(map[string]int64), changed: make(chan struct{})}
}

// announce wakes all who wait. The caller holds mu.
func (s *shelf) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// opened notes that t's batch exists from now on.
func (s *shelf) opened(t target, batch string, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here[batch] = held{target: t, created: created}
}

// gone notes that batch is not here any more.
func (s *shelf) gone(batch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.here, batch)
}

// put adds a sealed batch of so many bytes.
func (s *shelf) put(b sealed, bytes int64, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here[b.batch] = held{b.target, created, bytes}
	s.bytes[b.destination] += bytes
	s.total.Add(bytes)
	s.waiting = append(s.waiting, b)
	s.announce()
}

// putBack adds one that was given out.
func (s *shelf) putBack(b sealed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out--
	s.waiting = append(s.waiting, b)
	s.announce()
}

// done takes one that was given out away for good.
func (s *shelf) done(batch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out--
	h := s.here[batch]
	s.total.Add(-h.bytes)
	if s.bytes[h.destination] -= h.bytes; s.bytes[h.destination] == 0 {
		delete(s.bytes, h.destination)
	}
	delete(s.here, batch)
	s.announce()
}

// close says that no more will be put.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.announce()
}

// take gives the next batch. When the shelf is closed and empty, and none may come back, it gives io.EOF.
func (s *shelf) take(ctx context.Context) (sealed, error) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			b := s.waiting[0]
			s.waiting = s.waiting[1:]
			s.out++
			s.mu.Unlock()
			return b, nil
		}
		if s.closed && s.out == 0 {
			s.mu.Unlock()
			return sealed{}, io.EOF
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return sealed{}, ctx.Err()
		}
	}
}

// waits gives the bytes of a destination's sealed batches.
func (s *shelf) waits(destination string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes[destination]
}

func (s *shelf) find(batch string) (held, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.here[batch]
	return h, ok
}

func (s *shelf) oldest() (oldest time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.here {
		if !ok || h.created.Before(oldest) {
			oldest, ok = h.created, true
		}
	}
	return oldest, ok
}
