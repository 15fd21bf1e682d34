package queuetest

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault/faulttest"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// Faulty is a queue whose calls fail as a script says. Its operations are Send, Receive, Hide and Delete.
type Faulty struct {
	queue  queue.Queue
	script *faulttest.Script
}

// NewFaulty returns q under a script of faults.
func NewFaulty(q queue.Queue, faults ...faulttest.Fault) *Faulty {
	return &Faulty{queue: q, script: faulttest.New(faults...)}
}

// Unused lists the faults that no call has hit.
func (f *Faulty) Unused() []faulttest.Fault { return f.script.Unused() }

// Send implements queue.Queue.
func (f *Faulty) Send(ctx context.Context, body []byte) error {
	return f.script.Do("Send", func() error { return f.queue.Send(ctx, body) })
}

// Receive implements queue.Queue. A message whose delivery is lost stays hidden for lease.
func (f *Faulty) Receive(ctx context.Context, lease time.Duration) (m queue.Message, err error) {
	err = f.script.Do("Receive", func() error {
		m, err = f.queue.Receive(ctx, lease)
		return err
	})
	if err != nil {
		return queue.Message{}, err
	}
	return m, nil
}

// Hide implements queue.Queue.
func (f *Faulty) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	return f.script.Do("Hide", func() error { return f.queue.Hide(ctx, m, d) })
}

// Delete implements queue.Queue.
func (f *Faulty) Delete(ctx context.Context, m queue.Message) error {
	return f.script.Do("Delete", func() error { return f.queue.Delete(ctx, m) })
}

// Close implements queue.Queue. It is never under the script.
func (f *Faulty) Close() error { return f.queue.Close() }
