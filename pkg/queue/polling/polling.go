// Package polling waits at a queue's server in the background for those who receive.
//
// A request that waits at a server cannot be taken back: when it is cut, the server may yet hide a message on its behalf,
// and nobody has it until its lease ends. So a request is never cut because its receiver has left. It goes on, and what it
// brings goes to another receiver of this process or, when there is none, back to the server.
package polling

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// giveBackWithin is how long a message may take to go back.
const giveBackWithin = 10 * time.Second

// Server is where the messages are.
type Server interface {
	// Take asks once for a message and hides it for lease. It waits as long as the server lets one wait; nothing found is
	// no error.
	Take(ctx context.Context, lease time.Duration) (m queue.Message, found bool, err error)
	// GiveBack makes a message receivable that Take has brought and nobody has seen, as if it had not been taken.
	GiveBack(ctx context.Context, m queue.Message) error
}

// Poller receives for everybody in this process. Safe for concurrent use.
type Poller struct {
	server Server
	log    *slog.Logger
	ctx    context.Context // of the requests; it ends when Close loses its patience
	cancel context.CancelFunc
	polls  sync.WaitGroup

	mu      sync.Mutex
	waiting []*receiver // guarded by mu; who waits, the longest first
	polling int         // guarded by mu; the requests that are under way
	closed  bool        // guarded by mu
}

// receiver is one call of Receive.
type receiver struct {
	lease time.Duration
	given chan given // has room for one
}

// given is what a receiver gets.
type given struct {
	message queue.Message
	err     error
}

// New returns a poller that asks server. It asks only while somebody receives.
func New(server Server, log *slog.Logger) *Poller {
	p := &Poller{server: server, log: log}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Receive waits for a message and hides it for lease. It returns ctx's error when ctx ends first.
func (p *Poller) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	if err := ctx.Err(); err != nil {
		return queue.Message{}, err
	}
	r := &receiver{lease: lease, given: make(chan given, 1)}
	if err := p.enter(r); err != nil {
		return queue.Message{}, err
	}
	select {
	case g := <-r.given:
		return g.message, g.err
	case <-ctx.Done():
		if p.leave(r) {
			return queue.Message{}, ctx.Err()
		}
		g := <-r.given // it was given before ctx ended
		return g.message, g.err
	}
}

// enter lets r wait, and starts a request for it unless one is under way for nobody.
func (p *Poller) enter(r *receiver) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("receive a message: %w", fault.Closed)
	}
	p.waiting = append(p.waiting, r)
	if p.polling < len(p.waiting) {
		p.polling++
		p.polls.Go(p.poll)
	}
	return nil
}

// leave lets r wait no more. It reports whether r was still waiting, and so was given nothing.
func (p *Poller) leave(r *receiver) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, r)
	if i < 0 {
		return false
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	return true
}

// poll asks the server again and again, while there are receivers for all who do.
func (p *Poller) poll() {
	for {
		lease, wanted := p.next()
		if !wanted {
			return
		}
		m, found, err := p.server.Take(p.ctx, lease)
		switch {
		case err != nil:
			p.give(given{err: err}, func(*receiver) bool { return true })
		case found && !p.give(given{message: m}, func(r *receiver) bool { return r.lease == lease }):
			p.giveBack(m)
		}
	}
}

// next gives the lease to ask for, or tells a request that it is one too many.
func (p *Poller) next() (lease time.Duration, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) < p.polling {
		p.polling--
		return 0, false
	}
	return p.waiting[0].lease, true
}

// give gives g to who has waited longest of those that fit, and reports whether there was one.
func (p *Poller) give(g given, fits func(*receiver) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.waiting, fits)
	if i < 0 {
		return false
	}
	p.waiting[i].given <- g
	p.waiting = slices.Delete(p.waiting, i, i+1)
	return true
}

func (p *Poller) giveBack(m queue.Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), giveBackWithin)
	defer cancel()
	if err := p.server.GiveBack(ctx, m); err != nil {
		p.log.WarnContext(ctx, "message not given back, it returns when its lease ends", "err", err)
	}
}

// Close ends the waiting of all receivers with fault.Closed, and waits for the requests under way, which may yet bring
// messages to be given back. It cuts those that last longer than patience. Closing again is fine.
func (p *Poller) Close(patience time.Duration) {
	p.mu.Lock()
	p.closed = true
	for _, r := range p.waiting {
		r.given <- given{err: fmt.Errorf("receive a message: %w", fault.Closed)}
	}
	p.waiting = nil
	p.mu.Unlock()
	defer p.cancel()
	defer time.AfterFunc(patience, p.cancel).Stop()
	p.polls.Wait()
}
