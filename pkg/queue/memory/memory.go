// Package memory keeps a queue in memory, for tests.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// Config is the settings of a queue in memory: none.
type Config struct{}

// DefaultConfig returns the settings.
func DefaultConfig() Config { return Config{} }

// Validate finds nothing wrong.
func (Config) Validate() error { return nil }

type memory struct {
	mu       sync.Mutex
	messages []*message    // guarded by mu, as are those in it; in the order in which they were sent
	last     int           // guarded by mu; the number of the message sent last
	changed  chan struct{} // guarded by mu; closed and made anew when a message may have become visible
	closed   bool          // guarded by mu
}

type message struct {
	number  int
	body    []byte
	attempt int
	visible time.Time
}

// Open returns an empty queue. Its messages are lost when it is closed. It starts no goroutine and sleeps on the clock
// alone, so that it works in a bubble of testing/synctest.
func Open(context.Context, Config, *slog.Logger) (queue.Queue, error) {
	return &memory{changed: make(chan struct{})}, nil
}

// Send implements queue.Queue.
func (q *memory) Send(ctx context.Context, body []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return fmt.Errorf("send a message: %w", fault.Closed)
	}
	q.last++
	q.messages = append(q.messages, &message{number: q.last, body: bytes.Clone(body)})
	q.wake()
	return nil
}

// wake lets every waiting receiver look. The caller holds mu.
func (q *memory) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// Receive implements queue.Queue.
func (q *memory) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	for {
		if err := ctx.Err(); err != nil {
			return queue.Message{}, err
		}
		l, err := q.take(lease)
		if err != nil || l.found {
			return l.message, err
		}
		if err := l.wait(ctx); err != nil {
			return queue.Message{}, err
		}
	}
}

// look is what a receiver finds.
type look struct {
	message queue.Message
	found   bool
	next    time.Time       // when the next message becomes visible, zero if there is none
	changed <-chan struct{} // what wake closes next
}

// take receives a message if there is one.
func (q *memory) take(lease time.Duration) (look, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return look{}, fmt.Errorf("receive a message: %w", fault.Closed)
	}
	l, now := look{changed: q.changed}, time.Now()
	for _, m := range q.messages {
		if !m.visible.After(now) {
			m.attempt++
			m.visible = now.Add(lease)
			l.message = queue.Message{Body: bytes.Clone(m.body), Attempt: m.attempt, Receipt: m.receipt()}
			l.found = true
			return l, nil
		}
		if l.next.IsZero() || m.visible.Before(l.next) {
			l.next = m.visible
		}
	}
	return l, nil
}

// wait waits until there may be more to find. It returns ctx's error when ctx ends first.
func (l look) wait(ctx context.Context) error {
	var due <-chan time.Time
	if !l.next.IsZero() {
		t := time.NewTimer(time.Until(l.next))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-l.changed:
		return nil
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receipt names the message and the delivery.
func (m *message) receipt() string { return strconv.Itoa(m.number) + "/" + strconv.Itoa(m.attempt) }

// Hide implements queue.Queue. A message that another receiver has by now is fault.NotFound too.
func (q *memory) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("hide a message: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i, err := q.find(m)
	if err != nil {
		return fmt.Errorf("hide a message: %w", err)
	}
	if i < 0 || q.messages[i].receipt() != m.Receipt {
		return fault.New(fault.NotFound, "unknown_message", "the message was deleted, or received again")
	}
	q.messages[i].visible = time.Now().Add(d)
	q.wake()
	return nil
}

// find gives the place of m's message, or -1. The caller holds mu.
func (q *memory) find(m queue.Message) (int, error) {
	if q.closed {
		return 0, fault.Closed
	}
	number, _, _ := strings.Cut(m.Receipt, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0, fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", m.Receipt)
	}
	return slices.IndexFunc(q.messages, func(m *message) bool { return m.number == n }), nil
}

// Delete implements queue.Queue. It does so for a receiver whose lease has ended too, as its work is done.
func (q *memory) Delete(ctx context.Context, m queue.Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete a message: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i, err := q.find(m)
	if err != nil {
		return fmt.Errorf("delete a message: %w", err)
	}
	if i >= 0 {
		q.messages = slices.Delete(q.messages, i, i+1)
	}
	return nil
}

// Close implements queue.Queue. Whoever waits in Receive gets fault.Closed.
func (q *memory) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages, q.closed = nil, true
	q.wake()
	return nil
}
