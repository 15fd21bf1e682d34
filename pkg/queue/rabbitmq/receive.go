package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// receiver fetches messages for those who wait, one for each, and none when nobody does.
type receiver struct {
	link  *link
	queue string
	held  *held
	log   *slog.Logger
	calls *calls.Group
	left  chan struct{} // has an element when somebody has left off waiting

	mu      sync.Mutex
	waiters []*waiter // guarded by mu; who waits longest is first
	running bool      // guarded by mu; run runs

	channel *amqp091.Channel      // run's; nil before the first
	closed  <-chan *amqp091.Error // run's; why channel has ended
	crossed time.Time             // run's; until when a message may come that had crossed with the end of await
}

// crossing is how long after await a message may come that has crossed with its end.
const crossing = time.Second

// waiter is somebody who waits for a message.
type waiter struct {
	lease time.Duration
	got   chan received // has room for the one answer
}

type received struct {
	message queue.Message
	err     error
}

func newReceiver(l *link, queue string, h *held, c *calls.Group, log *slog.Logger) *receiver {
	return &receiver{link: l, queue: queue, held: h, calls: c, log: log, left: make(chan struct{}, 1)}
}

// receive waits for a message.
func (r *receiver) receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	w := &waiter{lease: lease, got: make(chan received, 1)}
	if err := r.join(w); err != nil {
		return queue.Message{}, err
	}
	select {
	case g := <-w.got:
		return g.message, g.err
	case <-ctx.Done():
	}
	if r.leave(w) {
		return queue.Message{}, ctx.Err()
	}
	if g := <-w.got; g.err == nil { // it came before ctx has ended, or at the same time
		return g.message, nil
	}
	return queue.Message{}, ctx.Err()
}

// join lets w wait, and somebody fetch.
func (r *receiver) join(w *waiter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running && !r.calls.Start(r.run) {
		return fault.Closed
	}
	r.running = true
	r.waiters = append(r.waiters, w)
	return nil
}

// leave reports whether w waited still. Then it gets nothing any more.
func (r *receiver) leave(w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.waiters {
		if other == w {
			r.waiters = append(r.waiters[:i], r.waiters[i+1:]...)
			select {
			case r.left <- struct{}{}:
			default: // run has not seen the last one yet
			}
			return true
		}
	}
	return false
}

// next takes who waits longest.
func (r *receiver) next() *waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiters) == 0 {
		return nil
	}
	w := r.waiters[0]
	r.waiters = r.waiters[1:]
	return w
}

// wanted reports whether somebody waits. When nobody does run ends.
func (r *receiver) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = len(r.waiters) > 0
	return r.running
}

// waiting is how many wait.
func (r *receiver) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiters)
}

// run fetches messages as long as somebody waits. All who wait get its errors.
func (r *receiver) run(ctx context.Context) {
	for r.wanted() {
		err := r.fetch(ctx)
		if err == nil {
			continue
		}
		for w := r.next(); w != nil; w = r.next() {
			w.got <- received{err: err}
		}
	}
}

// fetch fetches one message. It takes one that is there, else it awaits one that comes.
func (r *receiver) fetch(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	d, found, err := r.channel.Get(r.queue, false)
	if err == nil && found {
		return r.pass(&d)
	}
	if err == nil {
		err = r.await(ctx)
	}
	var reply *amqp091.Error
	if errors.As(err, &reply) && reply.Code == amqp091.NotFound {
		r.link.doubt()
	}
	return err
}

// open opens a channel when the last one has ended, and with it every delivery that went through it.
func (r *receiver) open(ctx context.Context) error {
	if r.channel != nil && !r.channel.IsClosed() {
		return nil
	}
	if r.channel != nil {
		reason := error(amqp091.ErrClosed)
		if err := <-r.closed; err != nil { // closed without one when this side has closed it
			reason = err
		}
		if n := r.held.lose(r.channel); n > 0 {
			r.log.WarnContext(ctx, "messages in work went back to RabbitMQ, they come again", "messages", n, "err", reason)
		}
		r.channel = nil
	}
	ch, err := r.link.channel(ctx)
	if err != nil {
		return err
	}
	if err := ch.Qos(1, 0, false); err != nil { // the server gives await one message and no more
		return err
	}
	r.channel, r.closed = ch, ch.NotifyClose(make(chan *amqp091.Error, 1))
	return nil
}

// await has the server send a message when one comes, until it has or nobody waits any more.
func (r *receiver) await(ctx context.Context) error {
	tag := rand.Text()
	messages, err := r.channel.Consume(r.queue, tag, false, false, false, false, nil)
	if err != nil {
		return err
	}
	for r.waiting() > 0 {
		select {
		case d, ok := <-messages:
			if !ok {
				return nil // the channel or the queue has ended: what is next says why
			}
			// Not before the end of await: when it is deleted or given back, the server would send another message at once.
			return errors.Join(r.stop(tag, messages), r.pass(&d))
		case <-r.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.crossed = time.Now().Add(crossing)
	return r.stop(tag, messages)
}

// stop ends await. What has come until then is not lost.
func (r *receiver) stop(tag string, messages <-chan amqp091.Delivery) error {
	err := r.channel.Cancel(tag, false)
	if err != nil {
		err = errors.Join(err, r.channel.Close()) // else messages might stay open
	}
	for d := range messages {
		err = errors.Join(err, r.pass(&d))
	}
	return err
}

// pass gives a message to who waits longest, or back when nobody does.
func (r *receiver) pass(d *amqp091.Delivery) error {
	if r.channel.IsClosed() {
		return nil // the server has it back
	}
	id := idOf(d)
	if r.held.removed(id) {
		return d.Ack(false)
	}
	if d.Redelivered && time.Now().Before(r.crossed) && !r.held.known(id) {
		// A quorum queue takes a message back by itself that it was about to send to an await that ends, and counts that.
		r.held.surplus(id)
		r.crossed = time.Time{}
	}
	w := r.next()
	if w == nil {
		r.held.surplus(id)
		return d.Nack(false, true)
	}
	w.got <- received{message: r.held.give(r.channel, d, id, w.lease)}
	return nil
}
