package query

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// patience is how long a query waits for others of its destination to end before it is refused.
const patience = 10 * time.Second

// gate lets so many queries of one destination run at a time, a number that may change meanwhile. Those that wait go in in
// the order in which they came.
type gate struct {
	mu      sync.Mutex
	most    int             // guarded by mu; 0 or less means any number
	running int             // guarded by mu; above most for a while after most was lowered
	waiting []chan struct{} // guarded by mu; each is closed when its query may run
}

// resize changes how many may run. Those that run already go on.
func (g *gate) resize(most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = most
	g.admit()
}

// admit lets in whom there is room for. The caller holds mu.
func (g *gate) admit() {
	for len(g.waiting) > 0 && (g.most <= 0 || g.running < g.most) {
		g.running++
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

// enter waits until one more query may run; whoever was let in calls leave.
func (g *gate) enter(ctx context.Context) error {
	turn := make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, turn)
	g.admit()
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	default:
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return g.giveUp(turn, ctx.Err())
	case <-wait.C:
		return g.giveUp(turn, nil)
	}
}

// giveUp ends a wait with why, or else because it took too long, unless the turn has come just now.
func (g *gate) giveUp(turn chan struct{}, why error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, turn)
	if i < 0 {
		return nil
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	if why != nil {
		return why
	}
	return fault.New(fault.Busy, "too_many_queries", "%d queries, as many as may, run on this destination already", g.most).Retry(patience)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.admit()
}
