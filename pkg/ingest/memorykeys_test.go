package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// memoryKeys is a control.Keys that outlives the writers of a test, as the control store outlives the process.
type memoryKeys struct {
	mu           sync.Mutex
	known        map[place]control.KeyedInsert
	failFind     error // of every Find, when not nil
	failNow      error
	failRemember error
	failForget   error
	forgets      []forget      // how Forget was called
	ahead        time.Duration // its clock, of this machine's
}

type forget struct {
	before time.Time
	most   int
}

func newMemoryKeys() *memoryKeys { return &memoryKeys{known: make(map[place]control.KeyedInsert)} }

// set changes the failures while inserts run.
func (m *memoryKeys) set(change func(m *memoryKeys)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memoryKeys) Now(context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.ahead), m.failNow
}

func (m *memoryKeys) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.known)
}

func (m *memoryKeys) Remember(_ context.Context, inserts []control.KeyedInsert) (elsewhere []control.KeyedInsert, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failRemember != nil {
		return nil, m.failRemember
	}
	for _, in := range inserts {
		p := place{in.Destination, in.Key}
		switch known, ok := m.known[p]; {
		case !ok:
			m.known[p] = in
		case known.Batch != in.Batch:
			elsewhere = append(elsewhere, known)
		}
	}
	return elsewhere, nil
}

func (m *memoryKeys) Find(_ context.Context, destination string, key control.Digest) (control.KeyedInsert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in, ok := m.known[place{destination, key}]
	switch {
	case m.failFind != nil:
		return control.KeyedInsert{}, m.failFind
	case !ok:
		return in, fault.NotFound
	}
	return in, nil
}

func (m *memoryKeys) Forget(_ context.Context, before time.Time, most int) (left control.KeysLeft, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgets = append(m.forgets, forget{before, most})
	if m.failForget != nil {
		return left, m.failForget
	}
	for p, in := range m.known {
		if in.Made.Before(before) {
			delete(m.known, p)
		}
	}
	for len(m.known) > most {
		at, _ := m.oldest()
		delete(m.known, at)
		left.Early++
	}
	_, left.Oldest = m.oldest()
	left.Count = len(m.known)
	return left, nil
}

// oldest finds the insert that was made first. The caller holds mu.
func (m *memoryKeys) oldest() (at place, made time.Time) {
	for p, in := range m.known {
		if made.IsZero() || in.Made.Before(made) {
			at, made = p, in.Made
		}
	}
	return at, made
}
