package fileservertest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Net stands between a store and its server, whatever ports the connections go to: each has a proxy. Safe for concurrent use.
type Net struct {
	t testing.TB

	mu      sync.Mutex
	proxies map[string]*servertest.Proxy // guarded by mu; by what is behind them
	held    bool                         // guarded by mu
}

// NewNet returns a network without faults.
func NewNet(t testing.TB) *Net { return &Net{t: t, proxies: make(map[string]*servertest.Proxy)} }

// Dial connects to the address by way of its proxy.
func (n *Net) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, n.proxy(address).Addr())
}

func (n *Net) proxy(address string) *servertest.Proxy {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.proxies[address]
	if p == nil {
		p = servertest.NewProxy(n.t, address)
		n.proxies[address] = p
		if n.held {
			p.Hold()
		}
	}
	return p
}

// each does something to every connection, or only to those that go to one of the addresses.
func (n *Net) each(do func(*servertest.Proxy), addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(addresses) == 0 {
		for _, p := range n.proxies {
			do(p)
		}
		return
	}
	for _, a := range addresses {
		if p := n.proxies[a]; p != nil {
			do(p)
		}
	}
}

// Cut cuts every connection that is open.
func (n *Net) Cut() { n.each((*servertest.Proxy).Cut) }

// CutOthers cuts the connections that do not go to the address.
func (n *Net) CutOthers(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, p := range n.proxies {
		if a != address {
			p.Cut()
		}
	}
}

// Hold keeps back whatever is said from now on, as a network that has gone silent.
func (n *Net) Hold() {
	n.each((*servertest.Proxy).Hold)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = true
}

// Release passes on what Hold has kept back.
func (n *Net) Release() {
	n.each((*servertest.Proxy).Release)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = false
}
