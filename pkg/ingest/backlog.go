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
	told   map[string]int64 // what waits in it, as was added up last
	before map[string]int64 // what was shipped between that and the adding up that goes on, which sees it
	since  map[string]int64 // what was shipped since this began

	total atomic.Int64 // of all destinations
}

// addUp replaces what waits in the store by what sum finds there now. What is shipped while it looks may come too late for it,
// and counts beside.
func (b *backlog) addUp(sum func() (map[string]int64, error)) error {
	b.begin()
	bytes, err := sum()
	if err == nil {
		b.end(bytes)
	}
	return err
}

func (b *backlog) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.before == nil {
		b.kept, b.before, b.since = true, make(map[string]int64), make(map[string]int64)
	}
	for destination, n := range b.since {
		b.before[destination] += n
	}
	clear(b.since)
}

func (b *backlog) end(bytes map[string]int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = bytes
	clear(b.before)
	var total int64
	for _, waiting := range []map[string]int64{b.told, b.since} {
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
