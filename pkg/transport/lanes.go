package transport

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// How long a message is hidden that found its lane full.
const (
	shortPause = 250 * time.Millisecond
	longPause  = 30 * time.Second
)

// lanes keep the destinations apart. Each has places of its own, Count of them, so that one that hangs fills its own
// places and takes none from the others. (Places shared by all would need a rule for how many one may take, and two
// destinations that hang would still starve a third.) A lane is no queue: a message that finds no place goes back to the
// queue, which keeps it better, and while all places of all destinations are taken none is received at all.
type lanes struct {
	dests *destination.Set
	count int
	mu    sync.Mutex
	byID  map[string]*lane // guarded by mu
	other *lane            // for messages that nothing can be done with but to note that
	freed chan struct{}    // has an element when a place may have become free
}

// lane is the places of one destination.
type lane struct {
	freed  chan struct{}
	places int
	mu     sync.Mutex
	taken  int           // guarded by mu
	pause  time.Duration // guarded by mu
}

func newLanes(dests *destination.Set, count int) *lanes {
	l := &lanes{dests: dests, count: count, byID: make(map[string]*lane), freed: make(chan struct{}, 1)}
	l.other = &lane{places: 1, pause: shortPause, freed: l.freed}
	return l
}

// of gives the lane of the destination id.
func (l *lanes) of(id string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane, ok := l.byID[id]; ok {
		return lane
	}
	if !l.dests.Has(id) {
		return l.other
	}
	lane := &lane{places: l.count, pause: shortPause, freed: l.freed}
	l.byID[id] = lane
	return lane
}

// await waits until some destination has a free place. It returns false when ctx has ended.
func (l *lanes) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		grown := l.dests.Grown()
		if l.free() {
			return true
		}
		select {
		case <-l.freed:
		case <-grown:
		case <-ctx.Done():
		}
	}
	return false
}

func (l *lanes) free() bool {
	ids := l.dests.IDs()
	if len(ids) == 0 {
		return l.other.free()
	}
	return slices.ContainsFunc(ids, func(id string) bool { return l.of(id).free() })
}

func (l *lane) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken < l.places
}

// enter takes a place, or says how long the message should be hidden. The pause adapts to the lane: it grows while
// messages that came back find it full again, so that a long backlog of a destination that hangs does not keep the queue
// busy, and shrinks when the lane has run empty.
func (l *lane) enter(again bool) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken < l.places {
		if l.taken == 0 {
			l.pause = max(l.pause/2, shortPause)
		}
		l.taken++
		return 0, true
	}
	if again {
		l.pause = min(l.pause+l.pause/8, longPause)
	}
	return jitter(l.pause), false
}

// leave gives the place back.
func (l *lane) leave() {
	l.mu.Lock()
	l.taken--
	l.mu.Unlock()
	select {
	case l.freed <- struct{}{}:
	default: // whoever waits will look anyway
	}
}
