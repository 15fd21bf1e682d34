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
	mu    sync.Mutex
	known map[place]control.KeyedInsert
	fail  error // of every call, when not nil
}

func newMemoryKeys() *memoryKeys { return &memoryKeys{known: make(map[place]control.KeyedInsert)} }

func (m *memoryKeys) Remember(_ context.Context, inserts []control.KeyedInsert) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, in := range inserts {
		p := place{in.Destination, in.Key}
		if _, ok := m.known[p]; !ok {
			m.known[p] = in
		}
	}
	return nil
}

func (m *memoryKeys) Find(_ context.Context, destination string, key control.Digest) (control.KeyedInsert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in, ok := m.known[place{destination, key}]
	switch {
	case m.fail != nil:
		return in, m.fail
	case !ok:
		return in, fault.NotFound
	}
	return in, nil
}

func (m *memoryKeys) Forget(context.Context, time.Time, int) (control.KeysLeft, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return control.KeysLeft{Count: len(m.known)}, m.fail
}
