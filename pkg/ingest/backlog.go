package ingest

import (
	"sync"
	"sync/atomic"
)

// backlog is what waits for each destination on the node's disk beside the batches that are here: those that were shipped to a
// store that keeps them there.
type backlog struct {
	mu     sync.Mutex
	kept   bool             // the store is such a one; guarded by mu, as are the rest
	told   map[string]int64 // what waits in it, as was told last
	since  map[string]int64 // what was shipped since
	before map[string]int64 // what was shipped in the time before that: it may have come too late to be told

	total atomic.Int64 // of all destinations
}

// tell replaces what waits in the store by what is known now.
func (b *backlog) tell(bytes map[string]int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept, b.told, b.before, b.since = true, bytes, b.since, make(map[string]int64)
	var total int64
	for _, waiting := range []map[string]int64{b.told, b.before} {
		for _, n := range waiting {
			total += n
		}
	}
	b.total.Store(total)
}

// shipped notes that so many bytes left for the store.
func (b *backlog) shipped(destination string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept {
		b.since[destination] += bytes
		b.total.Add(bytes)
	}
}

// waits gives the bytes of a destination, rather too many than too few.
func (b *backlog) waits(destination string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told[destination] + b.since[destination] + b.before[destination]
}
