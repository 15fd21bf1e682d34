package fileserver

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// Line is the network connections of a session. While a call uses the session, they are closed when its time is over or nothing
// moves any more: the protocols' libraries know no contexts.
type Line struct {
	dial dialFunc

	mu     sync.Mutex
	conns  []net.Conn         // guarded by mu
	watch  *transfer.Watch    // guarded by mu; of the call that uses the line, nil when none does
	ctx    context.Context    // guarded by mu; of that call, ended also when the line is closed
	cancel context.CancelFunc // guarded by mu; ends ctx
	stop   func() bool        // guarded by mu; ends what closes the line with the call
	closed bool               // guarded by mu
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// errLineClosed is what happens to calls over a line that was closed for another reason than theirs.
var errLineClosed = errors.New("the connection is closed")

// Dial adds a connection to the line, for the call that uses it.
func (l *Line) Dial(address string) (net.Conn, error) {
	l.mu.Lock()
	ctx := l.ctx
	l.mu.Unlock()
	c, err := l.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(errLineClosed, c.Close())
	}
	watched := &lineConn{c, l}
	l.conns = append(l.conns, watched)
	return watched, nil
}

// use gives the line to the call that w watches.
func (l *Line) use(w *transfer.Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = w
	l.ctx, l.cancel = context.WithCancel(w.Context())
	l.stop = context.AfterFunc(w.Context(), l.close)
}

// free takes the line from its call, and tells whether it can be used by another.
func (l *Line) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = nil
	l.cancel()
	return l.stop() && !l.closed
}

// close cuts every connection.
func (l *Line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cancel()
	for _, c := range l.conns {
		_ = c.(*lineConn).Conn.Close() // a session may have closed it
	}
	l.conns = nil
}

// forget takes out a connection that the session has closed.
func (l *Line) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.conns {
		if other == c {
			l.conns = append(l.conns[:i], l.conns[i+1:]...)
			return
		}
	}
}

// heard tells the call that something has moved.
func (l *Line) heard(n int) {
	if n == 0 {
		return
	}
	l.mu.Lock()
	w := l.watch
	l.mu.Unlock()
	if w != nil {
		w.Heard()
	}
}

// lineConn is a connection whose bytes are signs of life.
type lineConn struct {
	net.Conn
	line *Line
}

// Read implements net.Conn.
func (c *lineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.line.heard(n)
	return n, err
}

// Write implements net.Conn.
func (c *lineConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.line.heard(n)
	return n, err
}

// Close implements net.Conn.
func (c *lineConn) Close() error {
	c.line.forget(c)
	return c.Conn.Close()
}
