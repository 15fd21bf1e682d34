// Package calls keeps work that may outlast those who wait for it, until what it belongs to is closed.
package calls

import (
	"context"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Group is the work that belongs to one thing. Safe for concurrent use.
type Group struct {
	ctx context.Context // ends when the group is closed
	end context.CancelFunc

	mu     sync.Mutex
	closed bool           // guarded by mu; nothing is started any more
	work   sync.WaitGroup // what was started and goes on
}

// New returns a group of nothing.
func New() *Group {
	ctx, end := context.WithCancel(context.Background())
	return &Group{ctx: ctx, end: end}
}

// Start lets work run beside its caller, with a context that ends when the group is closed. It returns false when the
// group is closed already.
func (g *Group) Start(work func(context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.work.Go(func() { work(g.ctx) })
	return true
}

// Bound returns a context that ends with ctx, and when the group is closed. The caller calls cancel in the end.
func (g *Group) Bound(ctx context.Context) (bound context.Context, cancel context.CancelFunc) {
	bound, end := context.WithCancel(ctx)
	stop := context.AfterFunc(g.ctx, end)
	return bound, func() {
		stop()
		end()
	}
}

// Close ends the context of all work. It reports whether it was the first to do so.
func (g *Group) Close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.closed
	g.closed = true
	g.end()
	return first
}

// Wait waits until what was started has ended. It is called after Close.
func (g *Group) Wait() { g.work.Wait() }

// Err is fault.Closed when the group is closed.
func (g *Group) Err() error {
	if g.ctx.Err() != nil {
		return fault.Closed
	}
	return nil
}
