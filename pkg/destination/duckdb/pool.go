package duckdb

import (
	"context"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Of the connections that nobody uses, this many stay, and the others no longer than this.
const (
	keptIdle = 2
	idleFor  = time.Minute
)

// pool keeps up to a number of connections, made when first needed and closed when idle.
//
// A connection is not looked at before it is used again. It is a struct in this process, so there is no network that
// could have dropped it meanwhile. What can be wrong with it is known when it comes back: a transaction that may be open
// still (conn.broken), and then it is closed. What can be wrong with all of them is the engine's (engine.broken), and
// then the next call opens that again.
type pool struct {
	db    mapping.Database
	slots chan struct{} // one for each connection in use
	mu    sync.Mutex
	idle  []idleConn  // the one that was idle for longest first; guarded by mu, as are the rest
	trims *time.Timer // nil when there is nothing to close
	shut  bool
}

// idleConn is a connection that nobody uses.
type idleConn struct {
	*conn
	since time.Time
}

func newPool(db mapping.Database, size int) *pool {
	return &pool{db: db, slots: make(chan struct{}, size)}
}

// take waits for a connection. The caller gives it back with put.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last].conn
		p.idle = p.idle[:last]
		return c, nil
	}
	c, err := connect(p.db)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// put gives c back; a broken one is closed, and another is made when it is needed.
func (p *pool) put(c *conn) {
	if c.broken {
		c.close()
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, idleConn{c, time.Now()})
		p.watch()
		p.mu.Unlock()
	}
	<-p.slots
}

// watch has trim called when the next connection is to be closed. The caller holds mu.
func (p *pool) watch() {
	if len(p.idle) > keptIdle && p.trims == nil && !p.shut {
		p.trims = time.AfterFunc(time.Until(p.idle[0].since.Add(idleFor)), p.trim)
	}
}

// trim closes the connections that were idle for too long.
func (p *pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trims = nil
	old := 0
	for old < len(p.idle)-keptIdle && time.Since(p.idle[old].since) >= idleFor {
		p.idle[old].close() // with mu held: close must not return before
		old++
	}
	p.idle = append(p.idle[:0], p.idle[old:]...)
	p.watch()
}

// close frees the connections, all of which must be back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.trims != nil {
		p.trims.Stop()
	}
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
}
