package rabbitmq

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// held is the deliveries that receivers of this process have. The server hides a message for as long as the channel lives
// that it went through; the lease is kept here, by a timer for each delivery that returns the message to the server.
type held struct {
	mu        sync.Mutex
	byReceipt map[string]*delivery // guarded by mu
	byID      map[string]*delivery // guarded by mu; the last one of each message
	past      *past                // guarded by mu
}

// delivery is one delivery of a message.
type delivery struct {
	id, receipt string
	channel     *amqp091.Channel
	tag         uint64
	until       time.Time   // guarded by held.mu; when the lease ends
	timer       *time.Timer // guarded by held.mu; fires then
}

func newHeld() *held {
	return &held{byReceipt: make(map[string]*delivery), byID: make(map[string]*delivery), past: newPast(maxPast)}
}

// idOf names d's message. The id of a message that others have sent may not be unique: it gets one for this delivery.
func idOf(d *amqp091.Delivery) string {
	if d.AppId == ours && d.MessageId != "" {
		return d.MessageId
	}
	return rand.Text()
}

// A receipt names the message and the delivery.
func newReceipt(id string) string { return id + "/" + rand.Text() }

func parseReceipt(r string) (id string, err error) {
	i := strings.LastIndexByte(r, '/')
	if i <= 0 {
		return "", fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", r)
	}
	return r[:i], nil
}

// give notes a delivery whose lease begins now.
func (h *held) give(ch *amqp091.Channel, d *amqp091.Delivery, id string, lease time.Duration) queue.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := &delivery{id: id, receipt: newReceipt(id), channel: ch, tag: d.DeliveryTag, until: time.Now().Add(lease)}
	h.byReceipt[g.receipt], h.byID[id] = g, g
	g.timer = time.AfterFunc(lease, func() { h.expire(g) })
	return queue.Message{Body: d.Body, Attempt: h.past.attempt(id, d), Receipt: g.receipt}
}

// expire returns a message whose lease has ended.
func (h *held) expire(g *delivery) {
	h.mu.Lock()
	if h.byReceipt[g.receipt] != g || time.Now().Before(g.until) {
		h.mu.Unlock() // deleted, given back, or its lease was extended meanwhile
		return
	}
	h.forget(g)
	h.mu.Unlock()
	_ = g.channel.Nack(g.tag, false, true) // fails when the channel has ended, and the server has the message back already
}

// forget lets go of g. The caller holds mu.
func (h *held) forget(g *delivery) {
	g.timer.Stop()
	delete(h.byReceipt, g.receipt)
	if h.byID[g.id] == g {
		delete(h.byID, g.id)
	}
}

// hide moves the end of a lease.
func (h *held) hide(receipt string, d time.Duration) error {
	g, extended := h.extend(receipt, d)
	if extended || g != nil && g.channel.Nack(g.tag, false, true) == nil {
		return nil
	}
	return fault.New(fault.NotFound, "unknown_message", "the message was deleted, or its lease has ended")
}

// extend lets the lease end d from now. When that is at once, it lets go of the delivery, and returns it.
func (h *held) extend(receipt string, d time.Duration) (g *delivery, extended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g = h.byReceipt[receipt]
	if g == nil {
		return nil, false
	}
	if d <= 0 || g.channel.IsClosed() {
		h.forget(g)
		return g, false
	}
	g.until = time.Now().Add(d)
	g.timer.Reset(d)
	return g, true
}

// remove removes a message for good. One that this process does not hold is removed when it comes here again.
func (h *held) remove(receipt, id string) {
	for _, g := range h.take(receipt, id) {
		_ = g.channel.Ack(g.tag, false) // fails when the channel has ended: then the message comes again
	}
}

// take notes that a message is removed, and lets go of its deliveries, which it returns.
func (h *held) take(receipt, id string) (taken []*delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past.remove(id)
	for _, g := range []*delivery{h.byReceipt[receipt], h.byID[id]} {
		if g != nil && h.byReceipt[g.receipt] == g {
			h.forget(g)
			taken = append(taken, g)
		}
	}
	return taken
}

// removed reports whether the message was removed here: the server has not heard it, or not in time.
func (h *held) removed(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.past.removed(id)
}

// known reports whether the message has been here before, as far as is remembered.
func (h *held) known(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.past.byID[id] != nil
}

// surplus notes that a message is returned that was given to nobody.
func (h *held) surplus(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past.surplus(id)
}

// lose forgets the deliveries of a channel that has ended, and says how many there were.
func (h *held) lose(ch *amqp091.Channel) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.byReceipt {
		if g.channel == ch {
			h.forget(g)
			n++
		}
	}
	return n
}

// close stops every timer.
func (h *held) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.byReceipt {
		h.forget(g)
	}
}
