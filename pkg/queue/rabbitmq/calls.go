package rabbitmq

import (
	"context"
	"sync"
)

// calls is the work that goes on in the background until the queue is closed.
type calls struct {
	ctx context.Context // ends when the queue is closed
	end context.CancelFunc

	mu     sync.Mutex
	closed bool           // guarded by mu; nothing is started any more
	group  sync.WaitGroup // what was started and goes on
}

func newCalls() *calls {
	ctx, end := context.WithCancel(context.Background())
	return &calls{ctx: ctx, end: end}
}

// start lets work run beside its caller, with a context that ends when the queue is closed. It returns false when it is
// closed already.
func (c *calls) start(work func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.group.Go(func() { work(c.ctx) })
	return true
}

// close ends the context, and reports whether it had not ended before.
func (c *calls) close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.closed
	c.closed = true
	c.end()
	return first
}

// wait waits until what was started has ended.
func (c *calls) wait() { c.group.Wait() }
