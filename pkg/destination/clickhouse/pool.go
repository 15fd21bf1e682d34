package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	dialTimeout = 5 * time.Second
	checkAfter  = time.Second // a connection that was not used for so long is looked at before it is
)

// pool keeps the connections of one user. Safe for concurrent use.
type pool struct {
	cfg                      Config
	user, password, database string
	hosts                    *hosts
	tls                      *tls.Config
	http                     *http.Client // nil with the native protocol
	slots                    chan struct{}
	settings                 []setting // of every statement

	mu     sync.Mutex
	idle   []*pooled // guarded by mu; the last one was used last
	closed bool      // guarded by mu
}

// pooled is a connection of the native protocol.
type pooled struct {
	*nativeLink
	made, used time.Time
}

func newPool(cfg Config, hosts *hosts, user, password, database string) *pool {
	p := &pool{cfg: cfg, user: user, password: password, database: database, hosts: hosts, slots: make(chan struct{}, cfg.MaxOpenConns)}
	if cfg.TLS {
		p.tls = &tls.Config{InsecureSkipVerify: cfg.TLSSkipVerify} //nolint:gosec // the setting says so
	}
	if cfg.Protocol == overHTTP {
		dialer := net.Dialer{Timeout: dialTimeout}
		p.http = &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: p.tls, TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: cfg.MaxIdleConns, IdleConnTimeout: 30 * time.Second, ExpectContinueTimeout: dialTimeout, DisableCompression: true, DisableKeepAlives: cfg.MaxIdleConns == 0}}
	}
	return p
}

// close ends the connections that nobody uses. Nobody asks the pool for any more.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, l := range idle {
		l.close()
	}
	if p.http != nil {
		p.http.CloseIdleConnections()
	}
}

// do runs a statement on one of the hosts: on the next one when one cannot be reached and has not begun to answer.
func (p *pool) do(ctx context.Context, r request) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	r.settings = append(p.settings[:len(p.settings):len(p.settings)], r.settings...)
	r, begun := watch(r)
	for l := p.take(); l != nil; l = p.take() {
		err := p.use(ctx, l, r)
		if !lostConnection(err) || *begun || ctx.Err() != nil {
			return err
		}
	}
	var errs []error
	tries := p.hosts.order(time.Now())
	if p.http != nil { // its first connection may be an old one that has ended
		tries = append(tries, tries[0])
	}
	for _, host := range tries {
		err := p.at(ctx, host, r)
		if ctx.Err() != nil {
			return ended(ctx, err)
		}
		reached := !lostConnection(err)
		p.hosts.note(host, reached, time.Now())
		if reached || *begun {
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %w", p.hosts.addresses[host], err))
	}
	return fault.New(fault.Busy, "destination_unreachable", "the database cannot be reached").Because(errors.Join(errs...)).Retry(busyAfter)
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

// at runs r on a new connection to one host.
func (p *pool) at(ctx context.Context, host int, r request) error {
	address := p.hosts.addresses[host]
	if p.http != nil {
		scheme := "http://"
		if p.tls != nil {
			scheme = "https://"
		}
		l := &httpLink{client: p.http, url: scheme + address, user: p.user, password: p.password, database: p.database}
		return l.do(ctx, r)
	}
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
	return p.use(ctx, &pooled{nativeLink: l, made: time.Now()}, r)
}

func (p *pool) dial(ctx context.Context, address string) (net.Conn, error) {
	if p.tls == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{Config: p.tls}).DialContext(ctx, "tcp", address)
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

// take gives a connection that is good as far as one can see, nil when there is none.
func (p *pool) take() *pooled {
	for {
		p.mu.Lock()
		last := len(p.idle) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		l := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		if !p.tooOld(l) && (time.Since(l.used) < checkAfter || l.quiet()) {
			return l
		}
		l.close()
	}
}

func (p *pool) put(l *pooled) {
	l.used = time.Now()
	_ = l.conn.SetDeadline(time.Time{}) // a context may have ended just now
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < p.cfg.MaxIdleConns && !p.tooOld(l)
	if keep {
		p.idle = append(p.idle, l)
	}
	p.mu.Unlock()
	if !keep {
		l.close()
	}
}

func (p *pool) tooOld(l *pooled) bool {
	most := time.Duration(p.cfg.ConnMaxLifetime) * time.Second
	return most > 0 && time.Since(l.made) > most
}

// quiet reports whether the server has nothing to say, as it must be between two statements: one that is gone has an end.
func (l *nativeLink) quiet() bool {
	if l.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	_, err := l.conn.Read(make([]byte, 1))
	var n net.Error
	return errors.As(err, &n) && n.Timeout() && l.conn.SetReadDeadline(time.Time{}) == nil
}
