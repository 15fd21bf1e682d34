package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	checkAfter  = time.Second // a connection that was not used for so long is looked at before it is

	// silentFor is how long a host may be silent before it counts as lost. One that is up answers at once, however long a statement takes:
	// its system does.
	silentFor = 30 * time.Second
)

// pool keeps the connections of one user. Safe for concurrent use.
type pool struct {
	cfg                      Config
	user, password, database string
	hosts                    *hosts
	tls                      *tls.Config
	http                     *http.Client // nil with the native protocol
	slots                    chan struct{}
	silence                  time.Duration                             // silentFor
	settings                 []setting                                 // of every statement
	meet                     func(ctx context.Context, host int) error // says what is wrong with a host

	mu     sync.Mutex
	idle   []*pooled // guarded by mu; the last one was used last
	closed bool      // guarded by mu
}

// pooled is a connection of the native protocol.
type pooled struct {
	*nativeLink
	host       int
	made, used time.Time
}

func newPool(cfg Config, secure *tls.Config, hosts *hosts, user, password, database string) *pool {
	p := &pool{cfg: cfg, user: user, password: password, database: database, hosts: hosts, tls: secure, slots: make(chan struct{}, cfg.MaxOpenConns), silence: silentFor}
	hosts.check = p.check
	if cfg.Protocol == overHTTP {
		p.http = &http.Client{Transport: &aging{life: p.life(), since: time.Now(), now: &http.Transport{DialContext: p.connect, TLSClientConfig: p.tls,
			TLSHandshakeTimeout: dialTimeout, MaxIdleConns: cfg.MaxIdleConns, MaxIdleConnsPerHost: cfg.MaxIdleConns,
			IdleConnTimeout: 30 * time.Second, ExpectContinueTimeout: dialTimeout, DisableCompression: true, DisableKeepAlives: cfg.MaxIdleConns == 0}}}
	}
	return p
}

// close ends the checks of hosts, and the connections that nobody uses. Nobody asks the pool for any more.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	p.hosts.close()
	closeAll(idle)
	if p.http != nil {
		p.http.CloseIdleConnections()
	}
}

// do runs a statement on one of the hosts: on the next one when one cannot be reached, or cannot work, and nothing was said yet.
func (p *pool) do(ctx context.Context, r request) error {
	free, err := p.slot(ctx)
	if err != nil {
		return err
	}
	defer free()
	r.settings = append(p.settings[:len(p.settings):len(p.settings)], r.settings...)
	r, begun := watch(r)
	return p.tryHosts(ctx, r, pinOf(ctx), begun)
}

// tryHosts runs r on the host that it is pinned to, or on the first one in their order that can do it.
func (p *pool) tryHosts(ctx context.Context, r request, pinnedTo int, begun *bool) error {
	tries := []int{pinnedTo}
	if pinnedTo < 0 {
		tries = p.hosts.order()
	}
	if p.http != nil { // its first connection may be an old one that has ended
		tries = append(tries, tries[0])
	}
	errs := make(map[int]error, len(tries))
	var ill error // the first one that was reached and cannot work
	for _, host := range tries {
		err := p.at(ctx, host, r, begun)
		if ctx.Err() != nil {
			return ended(ctx, err)
		}
		err = p.note(ctx, host, err)
		if *begun || !lostConnection(err) && !cannotWork(err) {
			return err
		}
		if ill == nil && cannotWork(err) {
			ill = err
		}
		errs[host] = err
	}
	if ill != nil {
		return ill
	}
	return p.hosts.unreachable(errs)
}

// note notes what err, of a statement on host, says about the host.
func (p *pool) note(ctx context.Context, host int, err error) error {
	switch {
	case ctx.Err() != nil:
	case cannotWork(err):
		p.hosts.cannotWork(host)
	default:
		p.hosts.reached(host, !lostConnection(err))
		if !lostConnection(err) {
			keep(ctx, host)
		}
	}
	return err
}

// slot waits until another connection may be made. The caller calls free in the end.
func (p *pool) slot(ctx context.Context) (free func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// check looks whether a host can be reached.
func (p *pool) check(ctx context.Context, host int) error {
	free, err := p.slot(ctx)
	if err != nil {
		return err
	}
	defer free()
	r, begun := watch(request{sql: "SELECT 1", output: forget})
	if err := p.at(ctx, host, r, begun); lostConnection(err) {
		return err
	}
	return ctx.Err()
}

// watch notes when r's rows begin to go to the server or come from there: from then on it cannot be run again.
func watch(r request) (request, *bool) {
	begun := new(bool)
	if input := r.input; input != nil {
		r.input = func() (*block, error) {
			*begun = true
			return input()
		}
	}
	if output := r.output; output != nil {
		r.output = func(a *answer) error {
			*begun = true
			return output(a)
		}
	}
	return r, begun
}

// at runs r on one host: on a connection that is there, or else on a new one. The host is looked at when it is met for the first time.
func (p *pool) at(ctx context.Context, host int, r request, begun *bool) error {
	for l := p.take(host); l != nil; l = p.take(host) {
		if err := p.use(ctx, l, r); *begun || ctx.Err() != nil || !lostConnection(err) {
			return err
		} // an old one that has ended says nothing about its host
	}
	if p.meet != nil {
		if err := p.meet(ctx, host); err != nil {
			return err
		}
	}
	return p.on(ctx, host, r)
}

// on runs r on a new connection to one host.
func (p *pool) on(ctx context.Context, host int, r request) error {
	address := p.hosts.addresses[host]
	if p.http != nil {
		return p.link(host).do(ctx, r)
	}
	p.makeRoom()
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := p.dial(dctx, address)
	if err != nil {
		return err
	}
	l, err := dialNative(dctx, conn, p.user, p.password, p.database)
	if err != nil {
		if dctx.Err() != nil && ctx.Err() == nil {
			return &net.OpError{Op: "greet", Net: "tcp", Err: err}
		}
		return err
	}
	return p.use(ctx, &pooled{nativeLink: l, host: host, made: time.Now()}, r)
}

// link is the way to a host over HTTP.
func (p *pool) link(host int) *httpLink {
	scheme := "http://"
	if p.tls != nil {
		scheme = "https://"
	}
	return &httpLink{client: p.http, url: scheme + p.hosts.addresses[host], user: p.user, password: p.password, database: p.database}
}

func (p *pool) dial(ctx context.Context, address string) (net.Conn, error) {
	if p.tls == nil {
		return p.connect(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: p.dialer(), Config: p.tls}).DialContext(ctx, "tcp", address)
}

func (p *pool) connect(ctx context.Context, network, address string) (net.Conn, error) {
	return p.dialer().DialContext(ctx, network, address)
}

// dialer makes connections that end when their host has been silent for long, whether something was sent to it or is awaited of it.
func (p *pool) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, Control: endSilent(p.silence),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: p.silence / 3, Interval: p.silence / 3, Count: 2}}
}

// use runs r on l, and keeps l if it can be used again.
func (p *pool) use(ctx context.Context, l *pooled, r request) error {
	err := l.do(ctx, r)
	if err == nil || codeOf(err) != 0 && r.input == nil {
		p.put(l)
	} else {
		l.close()
	}
	return err
}

// take gives a connection to a host that is good as far as one can see; nil when there is none.
func (p *pool) take(host int) *pooled {
	for {
		l := p.last(host)
		if l == nil || !p.tooOld(l) && (time.Since(l.used) < checkAfter || l.quiet()) {
			return l
		}
		l.close()
	}
}

// last takes the connection to a host out of the idle ones that was used last.
func (p *pool) last(host int) *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if l := p.idle[i]; l.host == host {
			p.idle = slices.Delete(p.idle, i, i+1)
			return l
		}
	}
	return nil
}

// put keeps l. When that is one too many the one goes that was not used for longest, so that no host is left without any.
func (p *pool) put(l *pooled) {
	l.used = time.Now()
	_ = l.conn.SetDeadline(time.Time{}) // a context may have ended just now
	p.mu.Lock()
	over := []*pooled{l}
	if !p.closed && p.cfg.MaxIdleConns > 0 && !p.tooOld(l) {
		p.idle = append(p.idle, l)
		over = p.shed(len(p.idle) - p.cfg.MaxIdleConns)
	}
	p.mu.Unlock()
	closeAll(over)
}

// makeRoom closes idle connections when with another one there would be more than there may be. They are to other hosts.
func (p *pool) makeRoom() {
	p.mu.Lock()
	over := p.shed(min(len(p.slots)+len(p.idle)-p.cfg.MaxOpenConns, len(p.idle)))
	p.mu.Unlock()
	closeAll(over)
}

// shed takes n of the idle connections out that were not used for longest. The caller holds mu, and closes them without it.
func (p *pool) shed(n int) []*pooled {
	n = max(n, 0)
	over := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	return over
}

func closeAll(list []*pooled) {
	for _, l := range list {
		l.close()
	}
}

// life is how old a connection may be; 0: as old as it gets.
func (p *pool) life() time.Duration { return time.Duration(p.cfg.ConnMaxLifetime) * time.Second }

func (p *pool) tooOld(l *pooled) bool { return p.life() > 0 && time.Since(l.made) > p.life() }

// quiet reports whether the server has nothing to say, as it must be between two statements: one that is gone has an end.
func (l *nativeLink) quiet() bool {
	if l.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	_, err := l.conn.Read(make([]byte, 1))
	var n net.Error
	return errors.As(err, &n) && n.Timeout() && l.conn.SetReadDeadline(time.Time{}) == nil
}
