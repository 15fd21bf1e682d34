// Package memory keeps messages in memory, for tests: nothing survives the process.
package memory

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// Config has no settings.
type Config struct{}

// DefaultConfig returns the settings used when none are given.
func DefaultConfig() Config { return Config{} }

// Validate finds no mistake, as there is nothing to set.
func (Config) Validate() error { return nil }

// Open returns an empty queue.
func Open(context.Context, Config, *slog.Logger) (queue.Queue, error) {
	return &memory{messages: make(map[string]*message), changed: make(chan struct{})}, nil
}

type message struct {
	id      string
	body    []byte
	attempt int
	visible time.Time
}

type memory struct {
	mu       sync.Mutex
	messages map[string]*message // guarded by mu, as are the rest
	order    []string
	next     int
	changed  chan struct{} // closed and replaced when a message may have become visible
}

func (q *memory) Send(ctx context.Context, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next++
	id := strconv.Itoa(q.next)
	q.messages[id] = &message{id: id, body: append([]byte(nil), body...), visible: time.Now()}
	q.order = append(q.order, id)
	q.announce()
	return nil
}

// announce wakes all who wait. The caller holds mu.
func (q *memory) announce() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *memory) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	for {
		if err := ctx.Err(); err != nil {
			return queue.Message{}, err
		}
		m, wait, changed := q.take(lease)
		if m.Receipt != "" {
			return m, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take gives the first visible message, or how long until one may be and what tells of a change before that.
func (q *memory) take(lease time.Duration) (queue.Message, time.Duration, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, wait := time.Now(), time.Hour
	for _, id := range q.order {
		m := q.messages[id]
		if until := m.visible.Sub(now); until > 0 {
			wait = min(wait, until)
			continue
		}
		m.attempt++
		m.visible = now.Add(lease)
		return queue.Message{Body: append([]byte(nil), m.body...), Attempt: m.attempt, Receipt: queue.Receipt(m.id, m.attempt)}, 0, nil
	}
	return queue.Message{}, wait, q.changed
}

func (q *memory) Hide(_ context.Context, r queue.Message, d time.Duration) error {
	id, attempt, err := queue.ParseReceipt(r.Receipt)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.messages[id]
	if !ok || m.attempt != attempt {
		return fault.New(fault.NotFound, "no_message", "the message is not this receiver's any more")
	}
	m.visible = time.Now().Add(d)
	q.announce()
	return nil
}

func (q *memory) Delete(_ context.Context, r queue.Message) error {
	id, _, err := queue.ParseReceipt(r.Receipt)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.messages, id)
	for i, o := range q.order {
		if o == id {
			q.order = append(q.order[:i], q.order[i+1:]...)
			break
		}
	}
	return nil
}

func (q *memory) Close() error { return nil }
