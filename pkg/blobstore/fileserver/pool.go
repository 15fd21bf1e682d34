package fileserver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// How long connections wait, and are waited for.
const (
	dialTimeout  = 20 * time.Second // to connect and log in, and for a sign of life of one that was idle
	idleFor      = time.Minute      // without use; servers end those that are idle for some minutes
	mostIdle     = 4                // that are kept
	mostDialling = 4                // at a time: an SSH server by default drops some when ten have not logged in yet
)

// errNoAnswer says that the server cannot be reached, or does not greet.
var errNoAnswer = fmt.Errorf("the server has not answered within %v", dialTimeout)

// connection is a session and the line that it is on.
type connection struct {
	Session
	line   *Line
	expiry *time.Timer // while it is idle
}

// cut closes the connection at once.
func (c *connection) cut() {
	c.line.close()
	if c.Session != nil {
		_ = c.Session.Close() // what it has to say comes from the line that was cut
	}
}

// leave closes the connection as the protocol has it.
func (c *connection) leave() {
	_ = c.Session.Close() // the server may have ended it
	c.line.close()
}

// pool holds the connections to a server, each of which is used by one call at a time.
type pool struct {
	dial     func(*Line) (Session, error)
	network  dialFunc
	slots    chan struct{} // one for each connection that is in use; so no more are open than it has
	dialling chan struct{}

	mu     sync.Mutex
	idle   []*connection // guarded by mu; the one that was used last is the last
	closed bool          // guarded by mu
}

func newPool(cfg Config) *pool {
	return &pool{dial: cfg.Dial, network: cfg.Network,
		slots: make(chan struct{}, cfg.Connections), dialling: make(chan struct{}, mostDialling)}
}

// take gives a connection to the call that w watches. It waits while all are in use.
func (p *pool) take(w *transfer.Watch) (*connection, error) {
	w.Rest()
	select {
	case p.slots <- struct{}{}:
	case <-w.Context().Done():
		return nil, context.Cause(w.Context())
	}
	c, err := p.find(w)
	if err != nil {
		<-p.slots
	}
	return c, err
}

// find takes an idle connection that is alive, or makes one.
func (p *pool) find(w *transfer.Watch) (*connection, error) {
	for {
		c := p.pop()
		if c == nil {
			return p.connect(w)
		}
		w.Moved()
		c.line.use(w)
		if within(w, c.line, c.Alive) == nil {
			return c, nil
		}
		c.line.free()
		c.cut()
	}
}

func (p *pool) pop() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	c.expiry.Stop()
	return c
}

func (p *pool) connect(w *transfer.Watch) (*connection, error) {
	w.Rest()
	select {
	case p.dialling <- struct{}{}:
		defer func() { <-p.dialling }()
	case <-w.Context().Done():
		return nil, context.Cause(w.Context())
	}
	w.Moved()
	c := &connection{line: &Line{dial: p.network}}
	c.line.use(w)
	err := within(w, c.line, func() (err error) {
		c.Session, err = p.dial(c.line)
		return err
	})
	if err != nil {
		c.line.free()
		c.cut()
		return nil, err
	}
	return c, nil
}

// within does what a server has a short time for, or closes the line.
func within(w *transfer.Watch, line *Line, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(w.Context(), dialTimeout, errNoAnswer)
	defer cancel()
	stop := context.AfterFunc(ctx, line.close)
	err := do()
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

// give takes back a connection, for other calls when it is fit for them.
func (p *pool) give(c *connection, fit bool) {
	defer func() { <-p.slots }()
	free := c.line.free()
	if !fit || !free {
		c.cut()
		return
	}
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < mostIdle
	if keep {
		c.expiry = time.AfterFunc(idleFor, func() { p.expire(c) })
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.leave()
	}
}

// expire closes a connection that nobody has used, if nobody has taken it at this moment.
func (p *pool) expire(c *connection) {
	p.mu.Lock()
	i := slices.Index(p.idle, c)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		c.leave()
	}
}

// close closes what is idle. What is in use is closed when it comes back.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.expiry.Stop()
		c.leave()
	}
}
