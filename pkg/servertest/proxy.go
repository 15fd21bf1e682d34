package servertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy passes on what clients and a server say to each other, until it is told otherwise. Safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string
	copies   sync.WaitGroup

	mu      sync.Mutex
	pairs   map[*pair]bool // guarded by mu; the connections that are open
	rules   []*rule        // guarded by mu; those that have not been met yet
	made    int            // guarded by mu; connections so far
	counts  []*count       // guarded by mu
	held    chan struct{}  // guarded by mu; while it is not nil nothing is passed on, until it is closed
	refuses bool           // guarded by mu; new connections are closed at once
	pace    pace           // guarded by mu; how slowly all is passed on
}

// pair is a client's connection and the one to the server that it stands for.
type pair struct {
	proxy          *Proxy
	client, server net.Conn

	mu   sync.Mutex
	lost *rule // guarded by mu; the server's next answer is lost, and the connection with it
}

// rule is a fault that waits for the client to say match.
type rule struct {
	match []byte
	after bool // the server hears it, and only its answer is lost
	reset bool // both ends are told that the connection was reset
	met   chan struct{}
}

// count is how many pieces of what clients say have match in them.
type count struct {
	match []byte
	n     atomic.Int64
}

// pace is how slowly each way of a connection passes on what is said.
type pace struct {
	latency time.Duration
	rate    int // bytes a second; 0 is as fast as they come
}

func (p pace) of(bytes int) time.Duration {
	if p.rate == 0 {
		return p.latency
	}
	return p.latency + time.Duration(bytes)*time.Second/time.Duration(p.rate)
}

// NewProxy returns a proxy for the server at target, which is a host and a port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // whose sockets cannot be made to vanish
	l, err := plain.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, pairs: make(map[*pair]bool)}
	p.copies.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close() // nothing comes after it
		p.Refuse(true)
		p.Release()
		p.Cut()
		p.copies.Wait()
	})
	return p
}

// Addr is the host and port that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut cuts every connection that is open.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.cut()
	}
}

// Reset resets every connection that is open: whoever says more is told so.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
}

// Slow lets each piece of what is said wait for latency, and passes on as many bytes a second each way; 0 is as fast as
// they come.
func (p *Proxy) Slow(latency time.Duration, rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace = pace{latency, rate}
}

// Refuse closes new connections at once, or lets them through again.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = yes
}

// Hold keeps back whatever is said from now on, as a network that has gone silent, until Release is called.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// Release passes on what Hold has kept back.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// CutBefore cuts the first connection whose client says match in one piece, before the server hears it. What it returns is
// closed then.
func (p *Proxy) CutBefore(match string) <-chan struct{} { return p.await(rule{match: []byte(match)}) }

// ResetBefore is CutBefore, but both ends are told that the connection was reset.
func (p *Proxy) ResetBefore(match string) <-chan struct{} {
	return p.await(rule{match: []byte(match), reset: true})
}

// CutAfter lets the server hear the first match that a client says in one piece, and cuts the connection when the server
// answers: the answer is lost. What it returns is closed then.
func (p *Proxy) CutAfter(match string) <-chan struct{} {
	return p.await(rule{match: []byte(match), after: true})
}

// Count counts from now on the pieces of what clients say that have match in them.
func (p *Proxy) Count(match string) (n func() int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &count{match: []byte(match)}
	p.counts = append(p.counts, c)
	return c.n.Load
}

// Made is how many connections clients have made so far.
func (p *Proxy) Made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

func (p *Proxy) await(r rule) <-chan struct{} {
	r.met = make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &r)
	return r.met
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.copies.Go(func() { p.connect(client) })
	}
}

func (p *Proxy) connect(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close() // as the server has refused it
		return
	}
	c := &pair{proxy: p, client: client, server: server}
	p.mu.Lock()
	p.pairs[c] = true
	p.made++
	if p.refuses {
		c.cut()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.pass(server, client, c.heard) })
	both.Go(func() { c.pass(client, server, c.answered) })
	both.Wait()
	c.end()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// errCut ends a connection that a rule has cut.
var errCut = errors.New("cut")

// pass passes on what from says. It asks about each piece first.
func (c *pair) pass(to io.Writer, from io.Reader, ask func([]byte) error) {
	defer c.cut()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		c.proxy.wait(n)
		if n > 0 {
			if err := ask(buf[:n]); err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait waits while everything is held, and then for as long as it takes to pass on so many bytes.
func (p *Proxy) wait(bytes int) {
	p.mu.Lock()
	held, pace := p.held, p.pace
	p.mu.Unlock()
	if held != nil {
		<-held
	}
	if takes := pace.of(bytes); takes > 0 {
		<-time.After(takes)
	}
}

// heard looks whether a rule is met by what the client says.
func (c *pair) heard(said []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return nil // one at a time
	}
	p := c.proxy
	p.mu.Lock()
	for _, of := range p.counts {
		if bytes.Contains(said, of.match) {
			of.n.Add(1)
		}
	}
	i := slices.IndexFunc(p.rules, func(r *rule) bool { return bytes.Contains(said, r.match) })
	if i < 0 {
		p.mu.Unlock()
		return nil
	}
	r := p.rules[i]
	p.rules = slices.Delete(p.rules, i, i+1)
	p.mu.Unlock()
	if r.after {
		c.lost = r
		return nil
	}
	close(r.met)
	if r.reset {
		c.reset()
	}
	return errCut
}

// answered loses the answer that a rule waits for.
func (c *pair) answered([]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		return nil
	}
	close(c.lost.met)
	c.lost = nil
	return errCut
}

// end meets the rule whose answer never came: it is lost too.
func (c *pair) end() { _ = c.answered(nil) }

// reset lets both connections end without the usual farewell.
func (c *pair) reset() {
	for _, conn := range [...]net.Conn{c.client, c.server} {
		_ = conn.(*net.TCPConn).SetLinger(0) // fails when it is closed already
	}
	c.cut()
}

func (c *pair) cut() {
	_ = errors.Join(c.client.Close(), c.server.Close()) // either may be closed already
}
