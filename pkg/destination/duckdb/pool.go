package duckdb

import (
	"context"
	"sync"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// pool keeps up to a number of connections, made when first needed.
type pool struct {
	db    mapping.Database
	slots chan struct{} // one for each connection in use
	mu    sync.Mutex
	idle  []*conn // guarded by mu
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
		c := p.idle[last]
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

// put gives c back; a broken one is closed.
func (p *pool) put(c *conn) {
	if c.broken {
		c.close()
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, c)
		p.mu.Unlock()
	}
	<-p.slots
}

// close frees the connections, all of which must be back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
}
