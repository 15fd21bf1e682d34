package sqs

import (
	"maps"
	"sync"
	"time"
)

// held is what this process knows of the messages that it has received. SQS does not say that a receipt is stale: it takes
// it for the message that another receiver has by now, or says yes and does nothing. So this process keeps the time itself.
type held struct {
	mu       sync.Mutex
	messages map[string]*holding // guarded by mu, as are those in it; by the message's id
	sweep    int                 // guarded by mu; the number of messages at which those are forgotten whose leases have ended
}

// holding is the newest delivery of a message.
type holding struct {
	handle     string    // SQS's own on the delivery
	until      time.Time // when its lease ends
	last       time.Time // when its lease ends at the latest, however often it is extended
	deliveries int       // those that this process has seen
	unseen     int       // deliveries that went back before anybody had seen them
}

// minSweep is the number of messages below which none is forgotten.
const minSweep = 1000

func newHeld() *held { return &held{messages: make(map[string]*holding), sweep: minSweep} }

// take notes a delivery and says which one it is. count is what the server counts, 0 when it does not.
func (h *held) take(id, handle string, count int, lease time.Duration) (attempt int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetEnded()
	m, known := h.messages[id]
	if !known {
		m = &holding{}
		h.messages[id] = m
	}
	now := time.Now()
	m.handle, m.until, m.last = handle, now.Add(lease), now.Add(maxLease)
	m.deliveries++
	if count == 0 {
		count = m.deliveries
	}
	return max(1, count-m.unseen)
}

// forgetEnded forgets the messages whose leases have ended, now and then. The caller holds mu.
func (h *held) forgetEnded() {
	if len(h.messages) < h.sweep {
		return
	}
	now := time.Now()
	maps.DeleteFunc(h.messages, func(_ string, m *holding) bool { return now.After(m.until) })
	h.sweep = max(minSweep, 2*len(h.messages))
}

// left says how long the lease of a delivery may last from now on; ok is false when it has ended.
func (h *held) left(id, handle string) (d time.Duration, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, known := h.messages[id]
	if now := time.Now(); known && m.handle == handle && now.Before(m.until) {
		return m.last.Sub(now), true
	}
	return 0, false
}

// extend notes the new end of a delivery's lease.
func (h *held) extend(id, handle string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, known := h.messages[id]; known && m.handle == handle {
		m.until = until
	}
}

// unsee notes that nobody has seen a delivery.
func (h *held) unsee(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, known := h.messages[id]; known {
		m.unseen++
		m.until = time.Now()
	}
}

// newest gives the handle of the newest delivery that is known, which is the one that SQS is sure to take.
func (h *held) newest(id, handle string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, known := h.messages[id]; known {
		return m.handle
	}
	return handle
}

// forget forgets a message that is deleted.
func (h *held) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.messages, id)
}
